// libgit2.h: the one place of this room that knows libgit2: start-up options, error translation, owned handles.
// Never included from another room.
#pragma once

#include <git2.h>

#include <memory>
#include <string>

#include "git/object.h"
#include "git/repository.h"

namespace lyceum::git {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* handle) const noexcept {
    Free(handle);
  }
};
template <typename T, auto Free>
using Handle = std::unique_ptr<T, Deleter<Free>>;

struct Repository::State {
  Handle<git_repository, git_repository_free> repository;
  Handle<git_odb, git_odb_free> odb;
};

void start_libgit2();  // once per process; cheap afterwards
// Throws for a negative result of libgit2: Error(storage_full) on a full disk, else Error(internal). what: "read object 1234".
void require(int result, const std::string& what);

inline git_oid to_git(const Oid& oid) noexcept {
  git_oid out;
  std::memcpy(out.id, oid.bytes.data(), oid.bytes.size());
  return out;
}
inline Oid from_git(const git_oid& oid) noexcept { return oid_from_raw(oid.id); }

}  // namespace lyceum::git
