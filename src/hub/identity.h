// identity.h: who asks, and how far the credential reaches that they ask with. Plain values; the rules over them are in access.h.
//
// A right is always the smaller of two: what the user may do (a role in the namespace, or being the administrator) and what the
// token lets through. A read token reads what its user may read; a write token and a browser session do everything their user may;
// a fine-grained token reaches what its grants name and public things.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::hub {

struct User {
  int64_t id = 0;
  std::string name, full_name, email;
  bool administrator = false;
};

// In an organisation; each includes the ones before it. read: see private repositories and the members. write: also create, change,
// move and delete repositories. admin: also manage members and access requests. owner: also make and unmake admins and owners.
enum class Role { none, read, write, admin, owner };
std::string_view name(Role role);                        // "" for none
std::optional<Role> find_role(std::string_view text);    // "owner", "admin", "write", "read"

struct Membership {
  std::string organisation, full_name;
  std::string role;                 // name(Role)
  int64_t id = 0;                   // of the organisation: names may be used again
};

enum class Scope { read, write, fine_grained };
std::string_view name(Scope scope);                      // "read", "write", "fineGrained": the protocol's words

// What a grant of a fine-grained token lets through, a set of bits. permission_names() are the protocol's names.
enum Permission : uint32_t {
  kReadContent = 1u << 0,       // repo.content.read
  kWriteRepo = 1u << 1,         // repo.write; includes reading
  kWriteDiscussion = 1u << 2,   // discussion.write
  kReadCollection = 1u << 3,    // collection.read
  kWriteCollection = 1u << 4,   // collection.write; includes reading
  kReadOrganisation = 1u << 5,  // org.read: members
  kWriteOrganisation = 1u << 6,  // org.write: members; includes reading
};
std::vector<std::string> permission_names(uint32_t permissions);
std::optional<uint32_t> find_permission(std::string_view text);  // what the name stands for, included rights too

// One repository, or a user or organisation with everything it owns.
struct Grant {
  int64_t repo_id = 0, owner_id = 0;  // one of them
  std::string type, name;             // "model", "dataset", "space", "user", "org"; its name today
  uint32_t permissions = 0;
};

struct TokenInfo {
  int64_t id = 0;
  std::string name;
  Scope scope = Scope::read;
  int64_t created_ms = 0, last_used_ms = 0;
  int64_t expires_ms = 0;             // 0: never
  int64_t oauth_grant = 0;            // not 0: issued by the OAuth flow
  std::string oauth_scopes;           // of an application (oauth_apps.h), separated by spaces; empty otherwise
  bool reads_gated = false;           // fine-grained: gated repositories of others to which the user was let in
  std::vector<Grant> grants;          // fine-grained only
};

// Who is asking. Made by Hub::authenticate(); user is empty for an anonymous caller.
struct Caller {
  std::optional<User> user;
  std::optional<TokenInfo> token;   // absent for a browser session
  std::string address;              // of the peer, for the audit log; empty for the hub itself

  // An application that signed its user in (oauth_apps.h) has the scopes to which the user agreed; every other credential has them all.
  bool of_an_application() const { return fine_grained() && token->oauth_grant != 0; }
  bool has_scope(std::string_view scope) const {
    return !of_an_application() || (" " + token->oauth_scopes + " ").find(" " + std::string(scope) + " ") != std::string::npos;
  }
  bool lets_know_membership(std::string_view organisation) const {
    return !of_an_application() || std::any_of(token->grants.begin(), token->grants.end(), [&](const Grant& grant) { return grant.type == "org" && grant.name == organisation; });
  }
  bool fine_grained() const { return token && token->scope == Scope::fine_grained; }
  bool may_write() const { return user && (!token || token->scope == Scope::write); }  // everything the user may write
  bool administrator() const { return user && user->administrator && may_write(); }
  bool sees_all() const { return user && user->administrator && !fine_grained(); }
  // Does the credential let this through? Says nothing about the user's own right. repo_id 0: about the namespace as a whole.
  bool lets(Permission permission, int64_t repo_id, int64_t owner_id) const {
    constexpr uint32_t reads = kReadContent | kReadCollection | kReadOrganisation;
    if (!fine_grained()) return (permission & reads) != 0 ? user.has_value() : may_write();
    return std::any_of(token->grants.begin(), token->grants.end(), [&](const Grant& grant) {
      return (grant.permissions & permission) != 0 && (grant.repo_id != 0 ? grant.repo_id == repo_id : grant.owner_id == owner_id);
    });
  }
  // Could it change anything at all? For rows whose handler names the target.
  bool may_change_something() const {
    constexpr uint32_t writes = kWriteRepo | kWriteDiscussion | kWriteCollection | kWriteOrganisation;
    return may_write() || (fine_grained() && std::any_of(token->grants.begin(), token->grants.end(), [](const Grant& grant) { return (grant.permissions & writes) != 0; }));
  }
};

}  // namespace lyceum::hub
