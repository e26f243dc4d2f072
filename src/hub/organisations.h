// organisations.h: who belongs to an organisation, and removing one. Creating one and changing members: hub.h. Any thread.
#pragma once

#include <vector>

#include "hub/access.h"
#include "hub/audit.h"

namespace lyceum::hub {

struct Member {
  User user;
  Role role = Role::none;
};

class Organisations {
 public:
  Organisations(Store& store, Audit& audit) : store_(store), audit_(audit) {}

  std::optional<Account> find(std::string_view name);  // an organisation, not a user
  // By name. Members see each other with their roles; others see only that they belong.
  std::vector<Member> members(const Account& organisation, size_t offset, size_t limit);
  size_t count_members(const Account& organisation);
  Role role_of(const Caller& caller, const Account& organisation);
  // An owner may remove an organisation that owns no repositories any more. Error(conflict) while it does.
  void remove(const Caller& caller, std::string_view name);

 private:
  Store& store_;
  Audit& audit_;
};

}  // namespace lyceum::hub
