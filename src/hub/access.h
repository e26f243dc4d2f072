// access.h: the rules: who may see, read and change what. Every class of this room that hands out something of a repository asks
// here. A rule joins the user's role with what the token lets through (identity.h).
#pragma once

#include <string>
#include <string_view>

#include "hub/hub.h"
#include "hub/store/database.h"

namespace lyceum::hub {

// A user or an organisation.
struct Account {
  int64_t id = 0;
  std::string name;        // as registered, whatever case the request used
  std::string full_name;
  bool organisation = false;
};
std::optional<Account> find_account(Database& database, std::string_view name);
Account get_account(Database& database, std::string_view name);  // Error(not_found)

// The user's role in the namespace; owner in his own.
Role role_in(Database& database, const User& user, int64_t owner_id);
Role role_in(Database& database, const User& user, std::string_view owner);

bool may_read(Database& database, const Caller& caller, const Repo& repo);
bool may_write(Database& database, const Caller& caller, const Repo& repo);
// May create something of its own in the namespace?
bool may_write_namespace(Database& database, const Caller& caller, const Account& owner, Permission permission);
// Error(unauthorized or forbidden) that names the action and the remedy.
void require_namespace(Database& database, const Caller& caller, const Account& owner, Permission permission, std::string_view action);
void require_repo_write(Database& database, const Caller& caller, const Repo& repo);
// Content of a gated repository: the owner's members, the administrator, and whoever was let in (access_requests.h).
void require_content(Database& database, const Caller& caller, const Repo& repo);

// The condition "this caller may see the repository", over the table repos under the name r. Only numbers are spliced in.
std::string visible_repos(const Caller& caller);

std::optional<Repo> find_repo(Database& database, const RepoId& id);  // by its name, or by a name it had before a move

}  // namespace lyceum::hub
