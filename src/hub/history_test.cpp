#include "hub/history.h"

#include "base/error.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class HistoryTest : public HubFixture {
 protected:
  std::string large(const Repo& repo, const std::string& path, const std::string& content) {
    const std::string sha256 = put_blob(content);
    hub->link_blob(repo, sha256);
    commit(repo, {AddLargeFile{path, sha256, content.size()}});
    return sha256;
  }
};

TEST_F(HistoryTest, SquashLeavesOneCommitWithTheSameFiles) {
  const Repo repo = make_repo("m");
  commit(repo, {AddFile{"a.txt", "1"}});
  commit(repo, {AddFile{"a.txt", "2"}, AddFile{"b.txt", "b"}});
  const CommitInfo made = hub->history().super_squash(alice, repo.repo_id, "main", "all in one");
  size_t total = 0;
  EXPECT_EQ(hub->commits(repo, "main", 10, 0, &total).at(0).title, "all in one");
  EXPECT_EQ(total, 1u);
  EXPECT_EQ(again(repo).head, made.id);
  EXPECT_EQ(read(repo, "a.txt"), "2");
  EXPECT_EQ(code_of([&] { hub->history().super_squash(alice, repo.repo_id, "none", ""); }), Code::not_found);
  hub->create_tag(alice, repo.repo_id, "v1", "main", "");
  EXPECT_EQ(code_of([&] { hub->history().super_squash(alice, repo.repo_id, "v1", ""); }), Code::invalid_argument);
  EXPECT_EQ(code_of([&] { hub->history().super_squash(bob, repo.repo_id, "main", ""); }), Code::forbidden);
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
}

TEST_F(HistoryTest, LargeFilesAreListedWithTheirNames) {
  const Repo repo = make_repo("m");
  const std::string one = large(repo, "one.bin", "one content"), two = large(repo, "two.bin", "two content");
  commit(repo, {DeleteEntry{"one.bin"}});
  std::map<std::string, std::string> names;
  for (const auto& file : hub->history().large_files(repo)) names[file.sha256] = file.path;
  EXPECT_EQ(names, (std::map<std::string, std::string>{{one, "one.bin"}, {two, "two.bin"}}));
}

TEST_F(HistoryTest, RemovingALargeFileRewritesEveryCommitThatNamesIt) {
  const Repo repo = make_repo("m");
  const std::string gone = large(repo, "dir/gone.bin", "gone content");
  commit(repo, {AddFile{"a.txt", "1"}});
  hub->create_branch(alice, repo.repo_id, "dev", "main");
  const std::string kept = large(repo, "kept.bin", "kept content");
  hub->history().remove_large_files(alice, repo.repo_id, {gone}, true);
  for (const char* branch : {"main", "dev"}) {
    for (const CommitInfo& one : hub->commits(repo, branch, 100, 0, nullptr)) EXPECT_FALSE(hub->find_entry(repo, one.id, "dir")) << branch;
  }
  EXPECT_EQ(read(repo, "a.txt"), "1");
  EXPECT_EQ(hub->find_entry(repo, hub->resolve_revision(repo, "main"), "kept.bin")->sha256, kept);
  EXPECT_FALSE(hub->repo_has_blob(repo, gone));
  EXPECT_EQ(hub->history().large_files(repo).size(), 1u);
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
}

TEST_F(HistoryTest, RemovingWithoutRewritingLeavesThePointerAsText) {
  const Repo repo = make_repo("m");
  const std::string gone = large(repo, "gone.bin", "gone content");
  const std::string head = again(repo).head;
  ASSERT_EQ(hub->find_entry(repo, head, "gone.bin")->sha256, gone);
  hub->history().remove_large_files(alice, repo.repo_id, {gone}, false);
  EXPECT_EQ(again(repo).head, head);
  EXPECT_EQ(hub->find_entry(repo, head, "gone.bin")->sha256, "");
}

TEST_F(HistoryTest, DiffIsByRevisionNames) {
  const Repo repo = make_repo("m");
  const CommitInfo first = commit(repo, {AddFile{"a.txt", "1\n"}});
  commit(repo, {AddFile{"a.txt", "2\n"}});
  EXPECT_NE(hub->history().diff(repo, first.id, "main", false).find("-1\n+2\n"), std::string::npos);
  EXPECT_EQ(code_of([&] { hub->history().diff(repo, "none", "main", false); }), Code::not_found);
}

TEST_F(HistoryTest, ADuplicateHasItsOwnLife) {
  const Repo repo = make_repo("m", true);
  const std::string sha256 = large(repo, "w.bin", "weights");
  hub->create_tag(alice, repo.repo_id, "v1", "main", "a tag");
  EXPECT_EQ(code_of([&] { hub->duplicate_repo(bob, repo.repo_id, {RepoType::model, "bob", "copy"}, false); }), Code::not_found);
  const Repo copy = hub->duplicate_repo(alice, repo.repo_id, {RepoType::model, "alice", "copy"}, false);
  EXPECT_EQ(copy.head, again(repo).head);
  EXPECT_TRUE(hub->repo_has_blob(copy, sha256));
  EXPECT_EQ(hub->refs(copy).tags.size(), 1u);
  EXPECT_TRUE(git_is_clean(hub->git_folder(copy)));
  commit(copy, {AddFile{"only-here.txt", "x"}});
  EXPECT_FALSE(hub->find_entry(repo, again(repo).head, "only-here.txt"));
  hub->delete_repo(alice, repo.repo_id);
  EXPECT_EQ(read(copy, "only-here.txt"), "x");
  EXPECT_TRUE(hub->repo_has_blob(copy, sha256));
  EXPECT_EQ(code_of([&] { hub->duplicate_repo(alice, copy.repo_id, copy.repo_id, false); }), Code::conflict);
}

TEST_F(HistoryTest, BranchesStartEmptyOrReplaceOthers) {
  const Repo repo = make_repo("m");
  commit(repo, {AddFile{"a.txt", "1"}});
  hub->create_branch(alice, repo.repo_id, "blank", "", {.empty = true});
  EXPECT_TRUE(hub->tree(repo, hub->resolve_revision(repo, "blank"), "", true, false).empty());
  hub->create_branch(alice, repo.repo_id, "blank", "main", {.overwrite = true});
  EXPECT_EQ(hub->resolve_revision(repo, "blank"), again(repo).head);
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
}

TEST_F(HistoryTest, ARetriedCommitIsTheSameCommit) {
  const Repo repo = make_repo("m");
  const std::string parent = commit(repo, {AddFile{"gone.txt", "1"}}).id;
  const CommitRequest request{"main", "retry me", "", parent, {AddFile{"b.txt", "2"}, DeleteEntry{"gone.txt"}}};
  const CommitInfo first = hub->commit(alice, repo.repo_id, request);
  clock.advance_ms(5000);
  EXPECT_EQ(hub->commit(alice, repo.repo_id, request).id, first.id);
  commit(repo, {AddFile{"later.txt", "3"}});
  EXPECT_EQ(hub->commit(alice, repo.repo_id, request).id, first.id);
  CommitRequest other = request;
  other.actions = {AddFile{"b.txt", "different"}};
  EXPECT_EQ(code_of([&] { hub->commit(alice, repo.repo_id, other); }), Code::precondition_failed);
}

}  // namespace
}  // namespace lyceum::hub
