// likes.h: who likes which repository. The count on the repository's row changes in the same transaction. Any thread.
#pragma once

#include <vector>

#include "base/clock.h"
#include "hub/access.h"
#include "hub/store/store.h"

namespace lyceum::hub {

class Likes {
 public:
  Likes(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  void like(const Caller& caller, const Repo& repo);    // again: no change
  void unlike(const Caller& caller, const Repo& repo);  // no like: no change
  std::vector<Account> likers(const Repo& repo, size_t offset, size_t limit);  // newest first

  struct Liked {
    RepoId repo;
    int64_t liked_ms = 0;
  };
  // What the user likes, as far as the caller may see it. Newest first.
  std::vector<Liked> liked_by(const Caller& caller, const Account& user, size_t offset, size_t limit);
  size_t count_liked_by(const Caller& caller, const Account& user);

 private:
  void change(const Caller& caller, const Repo& repo, bool like);

  Store& store_;
  const Clock& clock_;
};

}  // namespace lyceum::hub
