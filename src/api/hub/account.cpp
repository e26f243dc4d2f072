// Who a token belongs to, public profiles, and the small questions clients ask before they work.
#include <yaml-cpp/yaml.h>

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

size_t count(Context& context, hub::RepoType type, const std::string& author) {
  hub::RepoQuery query;
  query.type = type;
  query.author = author;
  return context.services.hub.count_repos(context.caller, query);
}

void add_counts(Context& context, json::object& out, const std::string& author) {
  out["numModels"] = count(context, hub::RepoType::model, author);
  out["numDatasets"] = count(context, hub::RepoType::dataset, author);
  out["numSpaces"] = count(context, hub::RepoType::space, author);
  out["numFollowers"] = 0;
  out["numFollowing"] = 0;
  out["numLikes"] = 0;
  out["numUpvotes"] = 0;
  out["numDiscussions"] = 0;
  out["numPapers"] = 0;
  out["isPro"] = false;
}

json::array organisations_of(hub::Hub& hub, const hub::User& user) {
  json::array out;
  for (const hub::Membership& one : hub.memberships(user))
    out.push_back(json::object{{"type", "org"}, {"id", one.organisation}, {"name", one.organisation}, {"fullname", one.full_name.empty() ? one.organisation : one.full_name},
                               {"avatarUrl", ""}, {"roleInOrg", one.role}, {"isEnterprise", false}, {"canPay", false}, {"periodEnd", nullptr}});
  return out;
}

json::object auth_of(const hub::Caller& caller) {
  if (!caller.token) return {{"type", "session"}, {"accessToken", json::object{{"displayName", "browser session"}, {"role", "write"}}}};
  const hub::TokenInfo& token = *caller.token;
  return {{"type", "access_token"},
          {"accessToken", json::object{{"displayName", token.name}, {"role", token.scope == hub::Scope::write ? "write" : "read"}, {"createdAt", iso8601(token.created_ms)}}}};
}

// The YAML between the leading "---" lines; nullopt if the text has no front matter.
std::optional<std::string> find_front_matter(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!text.starts_with("---\n") && !text.starts_with("---\r\n")) return std::nullopt;
  const size_t begin = text.find('\n') + 1;
  const size_t end = text.find("\n---", begin - 1);
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(text.substr(begin, end + 1 - std::min(begin, end + 1)));
}

}  // namespace

http::Response who_am_i(Context& context) {
  const hub::User& user = *context.caller.user;
  return json_answer(json::object{
      {"type", "user"}, {"id", std::to_string(user.id)}, {"name", user.name}, {"fullname", user.full_name.empty() ? user.name : user.full_name},
      {"email", user.email}, {"emailVerified", true}, {"canPay", false}, {"isPro", false}, {"billingMode", "prepaid"}, {"periodEnd", nullptr},
      {"avatarUrl", ""}, {"orgs", organisations_of(context.services.hub, user)}, {"auth", auth_of(context.caller)}});
}

http::Response accept_telemetry(Context&) { return json_answer(json::object{}); }

// An object with both keys, or the hf command fails at its start. Empty: no client of this hub is taken for an agent.
http::Response list_agent_harnesses(Context&) { return json_answer(json::object{{"standardEnvVars", json::array{}}, {"harnesses", json::object{}}}); }

http::Response validate_yaml(Context& context) {
  const json::object body = read_json_body(context, 2u << 20);
  json::array errors;
  if (const auto yaml = find_front_matter(get_string(body, "content"))) {
    try {
      const YAML::Node node = YAML::Load(*yaml);
      if (node && !node.IsNull() && !node.IsMap()) errors.push_back(json::object{{"message", "The card's front matter must be a YAML mapping."}});
    } catch (const YAML::Exception& error) {
      errors.push_back(json::object{{"message", std::string("The card's front matter is not valid YAML: ") + error.what()}});
    }
  }
  const int status = errors.empty() ? 200 : 400;
  return json_answer(json::object{{"warnings", json::array{}}, {"errors", std::move(errors)}}, status);
}

http::Response check_auth(Context&) { return json_answer(json::object{{"ok", true}}); }

http::Response describe_user(Context& context) {
  const auto user = context.services.hub.find_user(context.request.param("user"));
  if (!user) throw Error(Code::not_found, "There is no user of this name.");
  json::object out{{"type", "user"}, {"_id", std::to_string(user->id)}, {"user", user->name},
                   {"fullname", user->full_name.empty() ? user->name : user->full_name}, {"avatarUrl", ""}, {"isFollowing", false}};
  add_counts(context, out, user->name);
  out["orgs"] = organisations_of(context.services.hub, *user);
  return json_answer(out);
}

http::Response describe_organisation(Context& context) {
  const std::string& name = context.request.param("organisation");
  if (!context.services.hub.is_organisation(name)) throw Error(Code::not_found, "There is no organisation of this name.");
  json::object out{{"type", "org"}, {"_id", name}, {"name", name}, {"fullname", name}, {"avatarUrl", ""}, {"isVerified", false}, {"isFollowing", false}};
  add_counts(context, out, name);
  return json_answer(out);
}

http::Response answer_empty_list(Context&) { return json_answer(json::array{}); }

http::Response list_own_repos(Context& context) {
  const auto it = context.request.params.find("organisation");
  const std::string owner = it == context.request.params.end() ? context.caller.user->name : it->second;
  json::array out;
  for (const auto type : {hub::RepoType::model, hub::RepoType::dataset, hub::RepoType::space}) {
    hub::RepoQuery query;
    query.type = type;
    query.author = owner;
    query.limit = 10000;
    for (const hub::Repo& repo : context.services.hub.list_repos(context.caller, query)) {
      const std::string plural(hub::plural(type));
      out.push_back(json::object{{"id", repo.repo_id.full_name()}, {"type", plural.substr(0, plural.size() - 1)}, {"updatedAt", iso8601(repo.modified_ms)},
                                 {"visibility", repo.is_private ? "private" : "public"}, {"storage", 0}, {"storagePercent", 0}});
    }
  }
  return json_answer(out);
}

}  // namespace lyceum::api
