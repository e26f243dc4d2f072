// Public profiles of users and organisations, who follows whom, and what somebody owns.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/people_json.h"
#include "api/services.h"
#include "hub/follows.h"
#include "hub/likes.h"
#include "hub/organisations.h"

namespace lyceum::api {
namespace {

constexpr size_t kPageMax = 1000;

size_t count(Context& context, hub::RepoType type, const std::string& author) {
  hub::RepoQuery query;
  query.type = type;
  query.author = author;
  return context.services.hub.count_repos(context.caller, query);
}

// The account that the row's {user} or {organisation} names.
hub::Account account_of(Context& context) {
  const bool organisation = context.request.params.contains("organisation");
  const auto account = context.services.hub.follows().find(context.request.param(organisation ? "organisation" : "user"));
  if (!account || account->organisation != organisation) throw Error(Code::not_found, organisation ? "There is no organisation of this name." : "There is no user of this name.");
  return *account;
}

void add_counts(Context& context, json::object& out, const hub::Account& account) {
  out["numModels"] = count(context, hub::RepoType::model, account.name);
  out["numDatasets"] = count(context, hub::RepoType::dataset, account.name);
  out["numSpaces"] = count(context, hub::RepoType::space, account.name);
  const auto follows = context.services.hub.follows().counts(context.caller, account);
  out["numFollowers"] = follows.followers;
  out["isFollowing"] = follows.followed_by_caller;
  out["numPapers"] = 0;
  if (account.organisation) return;
  out["numFollowing"] = follows.following;
  out["numLikes"] = context.services.hub.likes().count_liked_by(context.caller, account);
  out["numUpvotes"] = 0;
  out["numDiscussions"] = 0;
  out["isPro"] = false;
}

// Roles in an organisation are for its members, as in list_members(), and for whom they are of.
bool may_see_roles(Context& context, const hub::Account& user, const std::string& organisation) {
  const hub::Caller& caller = context.caller;
  if (caller.sees_all() || (caller.user && caller.user->name == user.name)) return true;
  const auto account = context.services.hub.follows().find(organisation);
  return account && context.services.hub.organisations().role_of(caller, *account) != hub::Role::none;
}

template <typename Rows>
http::Response people_answer(const http::Request& request, const Page& page, const Rows& rows) {
  json::array out;
  for (const hub::Account& one : rows) out.push_back(person_json(one));
  return page_answer(request, page, std::move(out));
}

}  // namespace

http::Response describe_user(Context& context) {
  const hub::Account account = account_of(context);
  json::object out = person_json(account);
  add_counts(context, out, account);
  json::array organisations = organisations_of(context.services.hub, *context.services.hub.find_user(account.name), &context.caller);
  for (json::value& one : organisations) {
    if (!may_see_roles(context, account, get_string(one.as_object(), "name"))) one.as_object().erase("roleInOrg");
  }
  out["orgs"] = std::move(organisations);
  return json_answer(out);
}

http::Response describe_organisation(Context& context) {
  const hub::Account account = account_of(context);
  json::object out = person_json(account);
  add_counts(context, out, account);
  out["numUsers"] = context.services.hub.organisations().count_members(account);
  out["isVerified"] = false;
  return json_answer(out);
}

http::Response list_members(Context& context) {
  const hub::Account account = account_of(context);
  const Page page = find_page(context.request, 100, kPageMax);
  hub::Organisations& organisations = context.services.hub.organisations();
  const bool with_roles = context.caller.sees_all() || organisations.role_of(context.caller, account) != hub::Role::none;
  json::array out;
  for (const hub::Member& one : organisations.members(account, page.offset, page.limit + 1)) {
    json::object row = person_json({one.user.id, one.user.name, one.user.full_name, false});
    if (with_roles) row["role"] = hub::name(one.role);
    out.push_back(std::move(row));
  }
  return page_answer(context.request, page, std::move(out));
}

http::Response list_followers(Context& context) {
  const Page page = find_page(context.request, 100, kPageMax);
  return people_answer(context.request, page, context.services.hub.follows().followers(account_of(context), page.offset, page.limit + 1));
}

http::Response list_following(Context& context) {
  const Page page = find_page(context.request, 100, kPageMax);
  return people_answer(context.request, page, context.services.hub.follows().following(account_of(context), page.offset, page.limit + 1));
}

http::Response follow(Context& context) {
  context.services.hub.follows().follow(context.caller, account_of(context));
  return json_answer(json::object{{"ok", true}});
}

http::Response unfollow(Context& context) {
  context.services.hub.follows().unfollow(context.caller, account_of(context));
  return json_answer(json::object{{"ok", true}});
}

http::Response list_own_repos(Context& context) {
  std::string owner = context.caller.user->name;
  if (context.request.params.contains("organisation")) {
    const hub::Account account = account_of(context);
    const bool member = context.caller.sees_all() || context.services.hub.organisations().role_of(context.caller, account) != hub::Role::none;
    if (!member) throw Error(Code::forbidden, "Only members of " + account.name + " may list this, with a token that lets read it.");
    owner = account.name;
  }
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
