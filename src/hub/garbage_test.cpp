#include "hub/garbage.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

constexpr GarbageOptions kAll{.dry_run = false, .grace_ms = 0, .staging_grace_ms = 0};

class Garbage : public HubFixture {
 protected:
  // Large files in a folder, whatever the metadata is in: a store without ages (S3) is never collected.
  Garbage() {
    HubOptions options = test_options(folder.path() / "data");
    options.s3 = {};
    hub.reset();
    hub = Hub::open(options, clock);
  }
  std::string upload(const RepoId& id, const std::string& content, bool commit = true) {
    const auto writer = hub->write_blob();
    writer->write(as_bytes(content));
    const std::string sha256 = writer->finish(std::nullopt);
    hub->link_blob(hub->get_repo(alice, id), sha256);
    if (commit) hub->commit(alice, id, {.branch = "main", .summary = "add", .description = {}, .parent = {}, .actions = {AddLargeFile{sha256.substr(0, 8) + ".bin", sha256, content.size()}}});
    return sha256;
  }
};

TEST_F(Garbage, KeepsWhatHistoryNamesAndTakesTheRest) {
  const RepoId id = make_repo("keep").repo_id;
  const RepoId gone = make_repo("gone").repo_id;
  const std::string named = upload(id, "named by a commit"), never = upload(id, "its commit never came", false), orphan = upload(gone, "of a deleted repository");
  const std::string old = upload(id, "deleted later, but in the history");
  hub->commit(alice, id, {.branch = "main", .summary = "remove", .description = {}, .parent = {}, .actions = {DeleteEntry{old.substr(0, 8) + ".bin", false}}});
  hub->delete_repo(alice, gone);

  const GarbageReport dry = hub->collect_garbage({.dry_run = true, .grace_ms = 0});
  EXPECT_EQ(dry.blobs, 2u);
  EXPECT_TRUE(hub->has_blob(never) && hub->has_blob(orphan));

  const GarbageReport report = hub->collect_garbage(kAll);
  EXPECT_EQ(report.blobs, 2u);
  EXPECT_EQ(report.live_blobs, 2u);
  EXPECT_TRUE(hub->has_blob(named) && hub->has_blob(old));
  EXPECT_FALSE(hub->has_blob(never) || hub->has_blob(orphan));
  EXPECT_FALSE(hub->repo_has_blob(hub->get_repo(alice, id), never));
  EXPECT_TRUE(hub->fsck({}).problems.empty());
  EXPECT_EQ(upload(id, "its commit never came"), never);  // comes back whole
}

TEST_F(Garbage, LeavesYoungUploadsAlone) {
  const RepoId id = make_repo("young").repo_id;
  const std::string waiting = upload(id, "the commit is on its way", false);
  const GarbageReport report = hub->collect_garbage({.dry_run = false});
  EXPECT_EQ(report.blobs, 0u);
  EXPECT_EQ(report.young_blobs, 1u);
  EXPECT_TRUE(hub->has_blob(waiting));
}

TEST_F(Garbage, AgeStartsAnewWhenABlobIsSeenAgain) {
  const RepoId id = make_repo("again").repo_id;
  const std::string sha256 = upload(id, "seen again", false);
  fs::last_write_time(hub->blob_path(sha256), fs::file_time_type::clock::now() - std::chrono::hours(24 * 30));
  EXPECT_EQ(hub->collect_garbage({.dry_run = true}).blobs, 1u);
  upload(id, "seen again", false);
  EXPECT_EQ(hub->collect_garbage({.dry_run = true}).blobs, 0u);
}

TEST_F(Garbage, GivesSharedChunksAPlaceInTheFileThatStays) {
  const RepoId id = make_repo("chunks").repo_id;
  const std::string first(64, '1'), shared(64, '2'), second(64, '3'), xorb_a(64, 'a'), xorb_b(64, 'b'), file_a(64, 'c'), file_b(64, 'd');
  const std::string dead = upload(id, std::string(10, 'x') + std::string(20, 'y'), false), live = upload(id, std::string(5, 'z') + std::string(20, 'y'));
  hub->index_xet({file_a, dead, 30, {{xorb_a, 0, 2, 30}}}, {{first, {dead, 0, 10}}, {shared, {dead, 10, 20}}}, {{xorb_a, {{first, 10}, {shared, 20}}}});
  hub->index_xet({file_b, live, 25, {{xorb_b, 0, 2, 25}}}, {{second, {live, 0, 5}}, {shared, {live, 5, 20}}}, {{xorb_b, {{second, 5}, {shared, 20}}}});
  ASSERT_EQ(hub->find_chunk(shared)->sha256, dead);
  EXPECT_EQ(hub->collect_garbage(kAll).blobs, 1u);
  ASSERT_TRUE(hub->find_chunk(shared));
  EXPECT_EQ(hub->find_chunk(shared)->sha256, live);
  EXPECT_EQ(hub->find_chunk(shared)->offset, 5u);
  EXPECT_FALSE(hub->find_chunk(first));
  EXPECT_FALSE(hub->find_xet_file(file_a));
  EXPECT_FALSE(hub->find_xorb(xorb_a));
  EXPECT_TRUE(hub->find_xet_file(file_b) && hub->find_xorb(xorb_b));
}

TEST_F(Garbage, SweepsStagingAndFoldersOfNoRepository) {
  const fs::path data = hub->data_folder();
  write_file_durable(data / "staging" / "blob-left", "x");
  fs::create_directories(data / "repos" / "ab" / "cd" / "abcd.git");
  fs::create_directories(data / "staging" / "xorbs");
  EXPECT_EQ(hub->collect_garbage({.dry_run = false}).staging_files, 0u);  // too young
  const GarbageReport report = hub->collect_garbage(kAll);
  EXPECT_EQ(report.staging_files, 1u);
  EXPECT_EQ(report.repository_folders, 1u);
  EXPECT_TRUE(fs::exists(data / "staging" / "xorbs"));
}

// Uploads go stale before their commit while collections follow one another: a commit may be told to upload again, but one that was
// accepted has its file.
TEST_F(Garbage, NeverTakesWhatACommitWasAcceptedFor) {
  const RepoId id = make_repo("race").repo_id;
  const Repo repo = hub->get_repo(alice, id);
  std::atomic<bool> done{false};
  std::thread collector([&] {
    while (!done) hub->collect_garbage({.dry_run = false, .grace_ms = 60'000, .staging_grace_ms = 1'000'000});
  });
  std::vector<std::string> accepted;
  for (int i = 0; i < 60; ++i) {
    const std::string content = "content " + std::to_string(i);
    const std::string sha256 = upload(id, content, false);
    std::error_code gone;
    fs::last_write_time(hub->blob_path(sha256), fs::file_time_type::clock::now() - std::chrono::hours(1), gone);
    try {
      hub->commit(alice, id, {.branch = "main", .summary = "add", .description = {}, .parent = {}, .actions = {AddLargeFile{std::to_string(i) + ".bin", sha256, content.size()}}});
      accepted.push_back(sha256);
    } catch (const Error&) {  // taken in time
    }
  }
  done = true;
  collector.join();
  for (const std::string& sha256 : accepted) EXPECT_TRUE(hub->has_blob(sha256));
  EXPECT_TRUE(hub->fsck({}).problems.empty());
}

}  // namespace
}  // namespace lyceum::hub
