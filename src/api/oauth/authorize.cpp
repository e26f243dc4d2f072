// Signing in to other sites with this hub: the page's questions (may this application ask? what does it want?), the person's decision, and
// the applications that a developer registers. The page itself is web/src/routes/Authorize.svelte, at /oauth/authorize.
//
// Who asks is known by its redirect address: until client id and address match, a mistake is told to the person and never sent anywhere
// (RFC 6749, 4.1.2.1); after that it goes back to the application.
#include <algorithm>
#include <boost/url.hpp>

#include "api/answer.h"
#include "api/oauth/handlers.h"
#include "api/services.h"
#include "hub/oauth_apps.h"

namespace lyceum::api {
namespace {

constexpr size_t kStateMax = 4000;

struct Question {
  hub::OauthApp app;
  hub::Approval approval;             // without the person's choice of organisations
  std::vector<std::string> ignored;   // scopes that are not offered here
  std::string state;
  std::string error, description;     // for the application
};

std::string redirect_to(const Question& question, const std::string& issuer, std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  std::string out = question.approval.redirect_uri;
  const auto add = [&](std::string_view name, std::string_view value) {
    out.append(out.find('?') == std::string::npos ? "?" : "&").append(name).append("=").append(http::percent_encode(value));
  };
  for (const auto& [name, value] : fields) add(name, value);
  if (!question.state.empty()) add("state", question.state);
  add("iss", issuer);  // RFC 9207
  return out;
}

void read_scopes(std::string_view text, Question& out) {
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" +"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    auto& list = hub::find_oauth_scope(word) != nullptr ? out.approval.scopes : out.ignored;
    if (std::find(list.begin(), list.end(), word) == list.end()) list.emplace_back(word);
  }
}

Question read_question(Context& context) {
  const http::Request& request = context.request;
  const auto field = [&](std::string_view name) { return request.find_query(name).value_or(""); };
  Question out;
  const auto app = context.services.hub.oauth_apps().find(field("client_id"));
  if (!app) throw Error(Code::invalid_argument, "No application with this client_id is registered here. Its developer registers it under Settings, Applications.");
  out.app = *app;
  out.approval.client_id = app->client_id;
  out.approval.redirect_uri = field("redirect_uri");
  if (!hub::accepts_redirect(*app, out.approval.redirect_uri))
    throw Error(Code::invalid_argument, "This redirect_uri is not one that the application registered, letter by letter; nothing was sent there.");
  out.state = field("state");
  out.approval.nonce = field("nonce");
  out.approval.issuer = request.base_url;
  out.approval.challenge = field("code_challenge");
  read_scopes(request.find_query("scope").value_or("openid profile"), out);
  const auto refuse = [&](std::string error, std::string description) {
    if (out.error.empty()) out.error = std::move(error), out.description = std::move(description);
  };
  if (out.state.size() > kStateMax) out.state.clear(), refuse("invalid_request", "state is longer than 4000 characters");
  if (field("response_type") != "code") refuse("unsupported_response_type", "response_type must be code");
  if (out.approval.challenge.empty() && !app->confidential) refuse("invalid_request", "an application without a secret must use PKCE (code_challenge, S256)");
  if (!out.approval.challenge.empty() && field("code_challenge_method") != "S256") refuse("invalid_request", "code_challenge_method must be S256");
  if (!out.approval.challenge.empty() && out.approval.challenge.size() != 43) refuse("invalid_request", "code_challenge must be the base64url text of a SHA-256");
  if (out.approval.scopes.empty()) refuse("invalid_scope", "none of the scopes is offered here");
  for (const char* name : {"request", "request_uri", "max_age"})
    if (request.find_query(name)) refuse("invalid_request", std::string(name) + " is not supported");
  if (!field("response_mode").empty() && field("response_mode") != "query") refuse("invalid_request", "response_mode must be query");
  if (field("prompt") == "none") refuse("interaction_required", "the person is always asked");
  return out;
}

json::object app_json(const hub::OauthApp& app) {
  json::array uris;
  for (const std::string& uri : app.redirect_uris) uris.push_back(json::string(uri));
  return {{"clientId", app.client_id}, {"name", app.name}, {"homepage", app.homepage}, {"owner", app.owner}, {"redirectUris", std::move(uris)}, {"confidential", app.confidential},
          {"createdAt", iso8601(app.created_ms)}};
}

std::vector<std::string> strings_at(const json::object& body, std::string_view key) {
  std::vector<std::string> out;
  const json::array* const list = find_array(body, key);
  for (const json::value& one : list != nullptr ? *list : json::array{}) {
    if (!one.is_string()) throw Error(Code::invalid_argument, std::string(key) + " is a list of texts.");
    out.emplace_back(one.as_string());
  }
  return out;
}

}  // namespace

http::Response describe_authorization(Context& context) {
  const Question question = read_question(context);
  if (!question.error.empty())
    return json_answer(json::object{{"redirect", redirect_to(question, context.request.base_url, {{"error", question.error}, {"error_description", question.description}})},
                                    {"app", json::object{{"name", question.app.name}}}, {"problem", question.description}});
  json::array scopes, organisations;
  bool asks_for_organisations = false;
  for (const std::string& name : question.approval.scopes) {
    const hub::OauthScope* const scope = hub::find_oauth_scope(name);
    asks_for_organisations = asks_for_organisations || scope->permissions != 0 || name == "profile";
    scopes.push_back(json::object{{"name", name}, {"meaning", scope->meaning}});
  }
  for (const hub::Membership& one : context.services.hub.memberships(*context.caller.user)) organisations.push_back(json::string(one.organisation));
  if (!asks_for_organisations) organisations.clear();
  const boost::urls::url_view target(question.approval.redirect_uri);
  const auto origin = target.encoded_origin();
  json::object app = app_json(question.app);
  app.erase("redirectUris");
  return json_answer(json::object{{"app", std::move(app)}, {"scopes", std::move(scopes)}, {"ignored", json::value_from(question.ignored)},
                                  {"organizations", std::move(organisations)}, {"target", std::string_view(origin.data(), origin.size())}});
}

http::Response decide_authorization(Context& context) {
  Question question = read_question(context);
  const json::object body = read_json_body(context);
  const auto approve = find_bool(body, "approve");
  if (!approve) throw Error(Code::invalid_argument, "approve is true or false.");
  const std::string& issuer = context.request.base_url;
  std::string target;
  if (!question.error.empty()) {
    target = redirect_to(question, issuer, {{"error", question.error}, {"error_description", question.description}});
  } else if (!*approve) {
    context.services.hub.oauth_apps().deny(context.caller, question.app.client_id);
    target = redirect_to(question, issuer, {{"error", "access_denied"}, {"error_description", "The person said no."}});
  } else {
    question.approval.organisations = strings_at(body, "organizations");
    target = redirect_to(question, issuer, {{"code", context.services.hub.oauth_apps().approve(context.caller, question.approval)}});
  }
  http::Response response = json_answer(json::object{{"redirect", target}});
  response.headers.set("Cache-Control", "no-store");
  return response;
}

http::Response list_oauth_apps(Context& context) {
  json::array out;
  for (const hub::OauthApp& one : context.services.hub.oauth_apps().list(*context.caller.user)) out.push_back(app_json(one));
  return json_answer(out);
}

http::Response create_oauth_app(Context& context) {
  const json::object body = read_json_body(context);
  hub::OauthAppRequest wanted{get_string(body, "name"), find_string(body, "homepage").value_or(""), strings_at(body, "redirectUris"), find_bool(body, "confidential").value_or(false)};
  wanted.plain_http = !context.request.base_url.starts_with("https://");
  const hub::NewOauthApp made = context.services.hub.oauth_apps().create(context.caller, wanted);
  json::object out = app_json(made.app);
  if (!made.secret.empty()) out["clientSecret"] = made.secret;
  http::Response response = json_answer(out, 201);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

http::Response delete_oauth_app(Context& context) {
  context.services.hub.oauth_apps().remove(context.caller, context.request.param("id"));
  return json_answer(json::object{});
}

}  // namespace lyceum::api
