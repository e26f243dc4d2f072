#include "hub/backup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class Backup : public HubFixture {
 protected:
  void SetUp() override {
    if (environment("LYCEUM_TEST_STORE") == "postgresql") GTEST_SKIP() << "PostgreSQL is backed up by its own tools";
  }
  std::string add(const RepoId& id, int number) {
    const std::string content = "large " + std::to_string(number);
    const std::string sha256 = put_blob(content);
    hub->link_blob(hub->get_repo(alice, id), sha256);
    return hub->commit(alice, id, {.branch = "main", .summary = "add", .description = {}, .parent = {},
                                   .actions = {AddLargeFile{std::to_string(number) + ".bin", sha256, content.size()}, AddFile{std::to_string(number) + ".txt", content}}}).id;
  }
  BackupReport save() { return back_up(folder.path() / "data", folder.path() / "backup", {}); }
  // A hub over the restored copy, proved by fsck.
  std::unique_ptr<Hub> restored() {
    fs::remove_all(folder.path() / "restored");
    restore(folder.path() / "backup", folder.path() / "restored", {});
    HubOptions options;
    options.data_folder = folder.path() / "restored";
    auto copy = Hub::open(options, clock);
    EXPECT_EQ(copy->fsck({}).problems, std::vector<std::string>());
    return copy;
  }
};

TEST_F(Backup, RefusesAHubWhoseFilesAreInS3) {
  make_repo("one");
  fs::create_directories(folder.path() / "data" / "blob-cache");
  EXPECT_EQ(code_of([&] { save(); }), Code::unsupported);
  EXPECT_FALSE(fs::exists(folder.path() / "backup")) << "nothing that looks like a backup";
}

TEST_F(Backup, RestoresCommitsFilesAndAccounts) {
  const RepoId id = make_repo("one").repo_id;
  const std::string head = add(id, 1);
  const BackupReport first = save();
  EXPECT_EQ(first.repos, 1u);
  EXPECT_EQ(first.linked_blobs, 1u);
  const auto copy = restored();
  const Repo repo = copy->get_repo(admin, id);
  EXPECT_EQ(repo.head, head);
  EXPECT_EQ(copy->read_small(repo, *copy->find_entry(repo, head, "1.txt")), "large 1");
  EXPECT_TRUE(copy->repo_has_blob(repo, sha256_hex("large 1")));
  EXPECT_TRUE(copy->find_user("alice"));
}

TEST_F(Backup, BringsOnlyWhatIsNew) {
  const RepoId id = make_repo("one").repo_id;
  add(id, 1);
  save();
  const std::string head = add(id, 2);
  const BackupReport second = save();
  EXPECT_EQ(second.blobs, 2u);
  EXPECT_EQ(second.linked_blobs, 1u);
  EXPECT_LT(second.new_git_files, second.git_files);
  EXPECT_EQ(restored()->get_repo(admin, id).head, head);
}

TEST_F(Backup, CopiesAndChecksWhenAsked) {
  const RepoId id = make_repo("one").repo_id;
  add(id, 1);
  EXPECT_EQ(back_up(folder.path() / "data", folder.path() / "backup", {.copy = true}).copied_blobs, 1u);
  const fs::path blob = hub->blob_path(sha256_hex("large 1"));
  fs::permissions(blob, fs::perms::owner_all);
  write_file_durable(blob, "LARGE 1");
  EXPECT_EQ(code_of([&] { back_up(folder.path() / "data", folder.path() / "other", {.copy = true}); }), Code::internal);
}

TEST_F(Backup, RefusesToMixWithOtherThings) {
  write_file_durable(folder.path() / "backup" / "letter.txt", "dear");
  EXPECT_EQ(code_of([&] { save(); }), Code::conflict);
  EXPECT_EQ(code_of([&] { back_up(folder.path() / "none", folder.path() / "b2", {}); }), Code::unsupported);
  EXPECT_EQ(code_of([&] { restore(folder.path() / "none", folder.path() / "r", {}); }), Code::not_found);
  fs::remove_all(folder.path() / "backup");
  save();
  EXPECT_EQ(code_of([&] { restore(folder.path() / "backup", folder.path() / "data", {}); }), Code::conflict);
}

// Every backup that was taken while commits, new repositories and deletions went on is a whole hub.
TEST_F(Backup, IsWholeWhileTheHubIsBusy) {
  const RepoId id = make_repo("busy").repo_id;
  std::atomic<int> committed{0};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 200 && !done; ++i) {
      add(id, i);
      ++committed;
      if (i % 10 == 0) {
        const RepoId passing = make_repo("passing-" + std::to_string(i)).repo_id;
        add(passing, i);
        hub->delete_repo(alice, passing);
      }
    }
  });
  for (int round = 0; round < 3; ++round) {
    while (committed < (round + 1) * 3) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const int before = committed;
    save();
    const auto copy = restored();
    size_t total = 0;
    copy->commits(copy->get_repo(admin, id), "main", 1, 0, &total);
    EXPECT_GE(total, static_cast<size_t>(before)) << "what was acknowledged before the backup began is in it";
  }
  done = true;
  writer.join();
}

}  // namespace
}  // namespace lyceum::hub
