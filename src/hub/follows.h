// follows.h: who follows whom: users follow users and organisations. Any thread.
#pragma once

#include <vector>

#include "base/clock.h"
#include "hub/access.h"
#include "hub/store/store.h"

namespace lyceum::hub {

class Follows {
 public:
  Follows(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  void follow(const Caller& caller, const Account& whom);    // again: no change; oneself: Error(invalid_argument)
  void unfollow(const Caller& caller, const Account& whom);
  std::vector<Account> followers(const Account& whom, size_t offset, size_t limit);  // newest first
  std::vector<Account> following(const Account& who, size_t offset, size_t limit);

  struct Counts {
    int64_t followers = 0, following = 0;
    bool followed_by_caller = false;
  };
  Counts counts(const Caller& caller, const Account& account);
  std::optional<Account> find(std::string_view name);

 private:
  Store& store_;
  const Clock& clock_;
};

}  // namespace lyceum::hub
