// people_json.h: users and organisations as the protocol shows them.
#pragma once

#include "base/json.h"
#include "hub/access.h"
#include "hub/hub.h"

namespace lyceum::api {

json::object person_json(const hub::Account& account);   // a row of likers, followers, members
json::object owner_json(const hub::Account& account);    // "owner" of a collection
json::array organisations_of(hub::Hub& hub, const hub::User& user, const hub::Caller* asker = nullptr);  // "orgs" of whoami, userinfo, overview

}  // namespace lyceum::api
