#include "hub/discussions.h"

#include "base/error.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class DiscussionsTest : public HubFixture {
 protected:
  DiscussionsTest() : repo(make_repo("m")) { commit(repo, {AddFile{"a.txt", "1\n"}}); }
  Discussions& topic() { return hub->discussions(); }
  Discussion open(const Caller& caller, bool pull_request, const std::string& title = "t") {
    return topic().open(caller, repo.repo_id, {title, "text", pull_request, pull_request ? "draft" : "open"});
  }
  CommitInfo commit_as(const Caller& caller, const std::string& branch, std::vector<CommitAction> actions, const std::string& summary = "change") {
    clock.advance_ms(1000);
    return hub->commit(caller, repo.repo_id, {branch, summary, "", "", std::move(actions)});
  }
  std::vector<std::string> types(int64_t num) {
    std::vector<std::string> out;
    for (const auto& event : topic().events(repo, num)) out.push_back(event.type);
    return out;
  }
  Repo repo;
};

TEST_F(DiscussionsTest, NumbersRunThroughBothKinds) {
  EXPECT_EQ(open(bob, false).num, 1);
  EXPECT_EQ(open(bob, true).num, 2);
  EXPECT_EQ(open(alice, false).num, 3);
  EXPECT_EQ(topic().get(repo, 2).status, "draft");
  EXPECT_EQ(hub->resolve_revision(repo, "refs/pr/2"), again(repo).head);
}

TEST_F(DiscussionsTest, AFirstCommitComesWithItsPullRequestOrNeitherDoes) {
  const CommitRequest broken{"", "Add b", "", "", {AddFile{"b.txt", "2\n"}, DeleteEntry{"missing.txt"}}};
  EXPECT_EQ(code_of([&] { topic().open(bob, repo.repo_id, {"Add b", "why", true}, &broken); }), Code::not_found);
  EXPECT_TRUE(topic().list(repo, {}, nullptr).empty());
  const CommitRequest late{"", "Add b", "", "00000", {AddFile{"b.txt", "2\n"}}};
  EXPECT_EQ(code_of([&] { topic().open(bob, repo.repo_id, {"Add b", "why", true}, &late); }), Code::precondition_failed);
  EXPECT_TRUE(topic().list(repo, {}, nullptr).empty());

  const CommitRequest good{"", "Add b", "", "", {AddFile{"b.txt", "2\n"}}};
  const Discussion one = topic().open(bob, repo.repo_id, {"Add b", "why", true}, &good);
  EXPECT_EQ(types(one.num), (std::vector<std::string>{"comment", "commit"}));
  EXPECT_EQ(hub->commits(repo, one.ref(), 1, 0, nullptr).at(0).title, "Add b");
  EXPECT_EQ(hub->commits(repo, "main", 1, 0, nullptr).at(0).id, again(repo).head) << "main stays where it was";
}

TEST_F(DiscussionsTest, ListFiltersAndPages) {
  open(bob, false), open(alice, true), open(bob, true);
  topic().set_status(bob, repo.repo_id, 1, "closed", "");
  size_t total = 0;
  EXPECT_EQ(topic().list(repo, {}, &total).size(), 3u);
  EXPECT_EQ(total, 3u);
  EXPECT_EQ(topic().list(repo, {.type = "pull_request"}, nullptr).size(), 2u);
  EXPECT_EQ(topic().list(repo, {.status = "closed"}, nullptr).at(0).num, 1);
  EXPECT_EQ(topic().list(repo, {.status = "open", .author = "bob"}, nullptr).at(0).num, 3);
  EXPECT_EQ(topic().list(repo, {.limit = 1, .offset = 1}, &total).at(0).num, 2);
}

TEST_F(DiscussionsTest, AStrangersPullRequestIsMergedByTheOwner) {
  const Discussion one = open(bob, true, "Add b");
  EXPECT_EQ(code_of([&] { commit_as(bob, "main", {AddFile{"b.txt", "2\n"}}); }), Code::forbidden);
  commit_as(bob, "refs/pr/1", {AddFile{"b.txt", "2\n"}}, "b comes");
  EXPECT_EQ(code_of([&] { topic().merge(bob, repo.repo_id, 1, ""); }), Code::forbidden);
  EXPECT_NE(topic().changes(repo, one).diff.find("+2"), std::string::npos);
  commit(repo, {AddFile{"c.txt", "3\n"}});
  const std::string merged = topic().merge(alice, repo.repo_id, 1, "thanks");
  EXPECT_EQ(again(repo).head, merged);
  EXPECT_EQ(read(repo, "b.txt"), "2\n");
  EXPECT_EQ(read(repo, "c.txt"), "3\n");
  EXPECT_EQ(hub->commits(repo, "main", 1, 0, nullptr).at(0).parents.size(), 2u);
  EXPECT_EQ(hub->commits(repo, "main", 1, 0, nullptr).at(0).title, "Add b (#1)");
  EXPECT_EQ(types(1), (std::vector<std::string>{"comment", "commit", "comment", "status-change"}));
  EXPECT_EQ(topic().merge(alice, repo.repo_id, 1, ""), merged);  // a retry
  EXPECT_EQ(topic().get(repo, 1).status, "merged");
  EXPECT_NE(topic().changes(repo, topic().get(repo, 1)).diff.find("+2"), std::string::npos);
  EXPECT_EQ(code_of([&] { commit_as(bob, "refs/pr/1", {AddFile{"b.txt", "4\n"}}); }), Code::forbidden);
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
}

TEST_F(DiscussionsTest, ConflictsAreNamedAndNothingMoves) {
  open(bob, true);
  commit_as(bob, "refs/pr/1", {AddFile{"a.txt", "bob\n"}});
  commit(repo, {AddFile{"a.txt", "alice\n"}});
  const std::string head = again(repo).head;
  EXPECT_EQ(topic().changes(repo, topic().get(repo, 1)).conflicts, std::vector<std::string>{"a.txt"});
  EXPECT_EQ(code_of([&] { topic().merge(alice, repo.repo_id, 1, ""); }), Code::conflict);
  EXPECT_EQ(again(repo).head, head);
  EXPECT_EQ(topic().get(repo, 1).status, "draft");
}

TEST_F(DiscussionsTest, CommentsAreEditedByTheirAuthorAndHiddenByModerators) {
  open(bob, false);
  const DiscussionEvent comment = topic().comment(bob, repo.repo_id, 1, "first");
  EXPECT_EQ(code_of([&] { topic().edit_comment(alice, repo.repo_id, 1, comment.id, "x"); }), Code::forbidden);
  const DiscussionEvent edited = topic().edit_comment(bob, repo.repo_id, 1, comment.id, "second");
  EXPECT_TRUE(edited.data.at("edited").as_bool());
  EXPECT_EQ(edited.data.at("history").as_array().size(), 1u);
  const DiscussionEvent hidden = topic().hide_comment(alice, repo.repo_id, 1, comment.id);
  EXPECT_TRUE(hidden.data.at("hidden").as_bool());
  EXPECT_EQ(hidden.data.at("raw").as_string(), "");
  EXPECT_EQ(code_of([&] { topic().edit_comment(bob, repo.repo_id, 1, comment.id, "third"); }), Code::conflict);
}

TEST_F(DiscussionsTest, OnlyItsPeopleChangeTitleAndStatus) {
  open(alice, false);
  EXPECT_EQ(code_of([&] { topic().rename(bob, repo.repo_id, 1, "x"); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { topic().set_status(bob, repo.repo_id, 1, "closed", ""); }), Code::forbidden);
  EXPECT_EQ(topic().rename(alice, repo.repo_id, 1, "new").data.at("from").as_string(), "t");
  EXPECT_EQ(code_of([&] { topic().rename(alice, repo.repo_id, 1, "  "); }), Code::invalid_argument);
  EXPECT_EQ(code_of([&] { topic().comment(nobody, repo.repo_id, 1, "x"); }), Code::unauthorized);
}

TEST_F(DiscussionsTest, PrivateRepositoriesHideTheirs) {
  const Repo secret = make_repo("secret", true);
  EXPECT_EQ(code_of([&] { topic().open(bob, secret.repo_id, {"t", "", false, "open"}); }), Code::not_found);
}

TEST_F(DiscussionsTest, APushOpensAPullRequestAndAddsItsCommits) {
  const fs::path folder_of_git = hub->git_folder(repo);
  const std::string head = again(repo).head;
  const auto push = hub->begin_push(alice, repo.repo_id);
  const std::string made = run_git("-C '" + folder_of_git.string() + "' commit-tree -p " + head + " -m 'from git' " + head + "^{tree}").substr(0, 40);
  run_git("-C '" + folder_of_git.string() + "' update-ref refs/pr/7 " + made);
  push->finish();
  EXPECT_EQ(topic().get(repo, 7).title, "from git");
  EXPECT_EQ(topic().get(repo, 7).author, "alice");
  EXPECT_EQ(types(7), std::vector<std::string>{"commit"});
  EXPECT_EQ(open(bob, false).num, 8);
}

TEST_F(DiscussionsTest, AStrangerPushesToHisOwnOnly) {
  EXPECT_EQ(code_of([&] { hub->begin_push(bob, repo.repo_id); }), Code::forbidden);
  open(bob, true);
  open(alice, true);
  const std::string bare = "-C '" + hub->git_folder(repo).string() + "' ";
  const std::string head = again(repo).head;
  const std::string made = run_git(bare + "commit-tree -p " + head + " -m theirs " + head + "^{tree}").substr(0, 40);
  const auto push = [&](const std::string& ref) {
    const auto guard = hub->begin_push(bob, repo.repo_id);
    run_git(bare + "update-ref " + ref + " " + made);
    guard->finish();
  };
  push("refs/pr/1");
  EXPECT_EQ(types(1), (std::vector<std::string>{"comment", "commit"}));
  for (const char* ref : {"refs/heads/main", "refs/heads/new", "refs/tags/v1", "refs/pr/2", "refs/pr/9"}) {
    EXPECT_EQ(code_of([&] { push(ref); }), Code::forbidden) << ref;
  }
  EXPECT_EQ(again(repo).head, head);
  EXPECT_EQ(run_git(bare + "rev-parse refs/heads/main").substr(0, 40), head) << "put back";
}

TEST_F(DiscussionsTest, APushMayNotTouchAMergedOne) {
  open(alice, true);
  commit_as(alice, "refs/pr/1", {AddFile{"b.txt", "2\n"}});
  topic().merge(alice, repo.repo_id, 1, "");
  const fs::path folder_of_git = hub->git_folder(repo);
  const auto push = hub->begin_push(alice, repo.repo_id);
  run_git("-C '" + folder_of_git.string() + "' update-ref -d refs/pr/1");
  EXPECT_EQ(code_of([&] { push->finish(); }), Code::unprocessable);
  EXPECT_EQ(hub->refs(repo).pull_requests.size(), 1u);
}

}  // namespace
}  // namespace lyceum::hub
