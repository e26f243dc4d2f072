#include "hub/lfs_locks.h"

#include "base/error.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class LfsLocksTest : public HubFixture {};

TEST_F(LfsLocksTest, OneLockPerPath) {
  const Repo repo = make_repo("m");
  LfsLock made, other;
  EXPECT_FALSE(hub->lfs_locks().try_lock(alice, repo.repo_id, "a.bin", made));
  EXPECT_FALSE(hub->lfs_locks().try_lock(alice, repo.repo_id, "b.bin", other));
  const auto held = hub->lfs_locks().try_lock(admin, repo.repo_id, "a.bin", other);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->id, made.id);
  EXPECT_EQ(held->owner, "alice");
  EXPECT_EQ(hub->lfs_locks().list(repo, "", "", 10, 0).size(), 2u);
  EXPECT_EQ(hub->lfs_locks().list(repo, "b.bin", "", 10, 0).size(), 1u);
  EXPECT_EQ(hub->lfs_locks().list(repo, "", "", 1, 1).at(0).path, "b.bin");
}

TEST_F(LfsLocksTest, AnotherslockIsTakenAwayByForceOnly) {
  const Repo repo = make_repo("m");
  LfsLock made;
  hub->lfs_locks().try_lock(alice, repo.repo_id, "a.bin", made);
  EXPECT_EQ(code_of([&] { hub->lfs_locks().unlock(bob, repo.repo_id, made.id, true); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { hub->lfs_locks().unlock(admin, repo.repo_id, made.id, false); }), Code::forbidden);
  EXPECT_EQ(hub->lfs_locks().unlock(admin, repo.repo_id, made.id, true).owner, "alice");
  EXPECT_EQ(code_of([&] { hub->lfs_locks().unlock(alice, repo.repo_id, made.id, false); }), Code::not_found);
}

}  // namespace
}  // namespace lyceum::hub
