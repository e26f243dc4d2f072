#include "api/hub/people_json.h"

namespace lyceum::api {
namespace {

std::string full_name_of(const std::string& full_name, const std::string& name) { return full_name.empty() ? name : full_name; }

}  // namespace

json::object person_json(const hub::Account& account) {
  json::object out{{"_id", std::to_string(account.id)}, {"type", account.organisation ? "org" : "user"}, {"avatarUrl", ""}, {"fullname", full_name_of(account.full_name, account.name)}, {"isPro", false}};
  out[account.organisation ? "name" : "user"] = account.name;
  return out;
}

json::object owner_json(const hub::Account& account) {
  return {{"_id", std::to_string(account.id)}, {"type", account.organisation ? "org" : "user"}, {"name", account.name}, {"fullname", full_name_of(account.full_name, account.name)},
          {"avatarUrl", ""}, {"isHf", false}, {"isPro", false}};
}

json::array organisations_of(hub::Hub& hub, const hub::User& user, const hub::Caller* asker) {
  json::array out;
  for (const hub::Membership& one : hub.memberships(user)) {
    if (asker != nullptr && !asker->lets_know_membership(one.organisation)) continue;
    out.push_back(json::object{{"type", "org"}, {"id", one.organisation}, {"name", one.organisation}, {"fullname", full_name_of(one.full_name, one.organisation)},
                               {"avatarUrl", ""}, {"roleInOrg", one.role}, {"isEnterprise", false}, {"canPay", false}, {"periodEnd", nullptr}});
  }
  return out;
}

}  // namespace lyceum::api
