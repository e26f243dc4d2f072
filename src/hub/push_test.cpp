#include "git/pkt_line.h"
#include "hub/hub_fixture.h"
#include "hub/store/sqlite_database.h"

namespace lyceum::hub {
namespace {

// The real git program pushes into the bare folder, as receive-pack behind the HTTP route does.
class GitPush : public HubFixture {
 protected:
  GitPush() : repo(make_repo("m")), work((folder.path() / "work").string()) {
    run_git("clone -q '" + bare() + "' '" + work + "' 2>&1");
  }
  std::string bare() { return hub->git_folder(repo).string(); }
  std::string in_work(const std::string& arguments) { return run_git("-C '" + work + "' " + arguments + " 2>&1"); }
  void add_file(const std::string& path, const std::string& content) {
    fs::create_directories((fs::path(work) / path).parent_path());
    write_file_durable(fs::path(work) / path, content);
    in_work("-c filter.lfs.process= -c filter.lfs.clean= -c filter.lfs.required=false add -A");
    in_work("commit -q -m 'add " + path + "'");
  }
  void push(const std::string& what = "main") {
    const auto guard = hub->begin_push(alice, repo.repo_id);
    EXPECT_EQ(in_work("push -q origin " + what).find("(failed)"), std::string::npos);
    guard->finish();
  }
  void refuse_refs(bool refuse) {
    const HubOptions options = test_options(folder.path() / "data");
    if (!options.store.target.empty()) {
      PostgresDatabase(options.store.target, Database::Access::read_write)
          .execute(refuse ? "ALTER TABLE refs ADD CONSTRAINT made_by_a_test CHECK (false) NOT VALID" : "ALTER TABLE refs DROP CONSTRAINT made_by_a_test");
      return;
    }
    SqliteDatabase((folder.path() / "data/lyceum.db").string(), Database::Access::read_write)
        .execute(refuse ? "CREATE TRIGGER made_by_a_test BEFORE INSERT ON refs BEGIN SELECT RAISE(ABORT, 'made by a test'); END" : "DROP TRIGGER made_by_a_test");
  }
  std::string pointer(const std::string& sha256, size_t size) {
    return "version https://git-lfs.github.com/spec/v1\noid sha256:" + sha256 + "\nsize " + std::to_string(size) + "\n";
  }

  Repo repo;
  std::string work;
};

TEST_F(GitPush, IsRecorded) {
  add_file("README.md", "---\nlicense: mit\n---\nhi");
  push();
  EXPECT_EQ(read(repo, "README.md"), "---\nlicense: mit\n---\nhi");
  EXPECT_EQ(again(repo).head + "\n", run_git("-C '" + bare() + "' rev-parse main"));
  EXPECT_EQ(again(repo).tags, std::vector<std::string>{"license:mit"});
  EXPECT_TRUE(hub->fsck({}).problems.empty());
  EXPECT_TRUE(git_is_clean(bare()));
}

TEST_F(GitPush, AfterPushAloneRecordsToo) {
  add_file("x", "1");
  in_work("push -q origin main HEAD:refs/heads/dev");
  hub->after_push(alice, repo.repo_id);
  EXPECT_EQ(read(repo, "x", "dev"), "1");
  EXPECT_EQ(read(repo, "x"), "1");
}

TEST_F(GitPush, MixesWithCommitsThroughTheHub) {
  add_file("x", "1");
  push();
  commit(repo, {AddFile{"y", "2"}});
  in_work("pull -q");
  EXPECT_EQ(read_file(fs::path(work) / "y"), "2");
  add_file("z", "3");
  push();
  EXPECT_EQ(read(repo, "y") + read(repo, "z"), "23");
}

TEST_F(GitPush, MovesTagsAndDeletesBranches) {
  add_file("x", "1");
  in_work("tag -a v1 -m one");
  push("main v1 HEAD:dev");
  EXPECT_EQ(hub->resolve_revision(repo, "v1"), again(repo).head);
  push(":dev");
  EXPECT_EQ(code_of([&] { hub->resolve_revision(repo, "dev"); }), Code::not_found);
  EXPECT_TRUE(hub->fsck({}).problems.empty());
}

TEST_F(GitPush, WithoutItsLargeFileIsPutBack) {
  add_file("w.bin", pointer(std::string(64, 'a'), 5));
  const auto guard = hub->begin_push(alice, repo.repo_id);
  in_work("push -q origin main");
  EXPECT_EQ(code_of([&] { guard->finish(); }), Code::unprocessable);
  EXPECT_EQ(again(repo).head, repo.head);
  EXPECT_EQ(run_git("-C '" + bare() + "' rev-parse main"), repo.head + "\n");
  EXPECT_TRUE(hub->fsck({}).problems.empty());
}

TEST_F(GitPush, WithItsLargeFileIsAccepted) {
  const std::string sha256 = put_blob("weights");
  hub->link_blob(repo, sha256);
  add_file("w.bin", pointer(sha256, 7));
  push();
  EXPECT_EQ(hub->find_entry(repo, again(repo).head, "w.bin")->sha256, sha256);
}

TEST_F(GitPush, PointerOpensNobodyElsesFile_regression) {
  const Repo secret = hub->create_repo(bob, {RepoType::model, "bob", "secret"}, true, "");
  const std::string sha256 = put_blob("private weights");
  hub->link_blob(secret, sha256);
  add_file("w.bin", pointer(sha256, 15));
  const std::string stolen = in_work("rev-parse HEAD").substr(0, 40);
  const auto guard = hub->begin_push(alice, repo.repo_id);
  in_work("push -q origin main");
  EXPECT_EQ(code_of([&] { guard->finish(); }), Code::unprocessable);
  // The objects are in the folder now, though no ref leads to them. Asking by commit id must show the pointer only.
  EXPECT_EQ(hub->find_entry(repo, stolen, "w.bin")->sha256, "");
}

TEST_F(GitPush, ToForeignRefsOrWithoutMainIsPutBack) {
  add_file("x", "1");
  {
    const auto guard = hub->begin_push(alice, repo.repo_id);
    in_work("push -q origin HEAD:refs/secret/x");
    EXPECT_EQ(code_of([&] { guard->finish(); }), Code::unprocessable);
  }
  const auto guard = hub->begin_push(alice, repo.repo_id);
  run_git("-C '" + bare() + "' update-ref -d refs/heads/main");
  EXPECT_EQ(code_of([&] { guard->finish(); }), Code::forbidden);
  EXPECT_EQ(run_git("-C '" + bare() + "' rev-parse main"), repo.head + "\n");
}

TEST_F(GitPush, AbandonedGuardStillRecords) {
  add_file("x", "1");
  {
    const auto guard = hub->begin_push(alice, repo.repo_id);
    in_work("push -q origin main");
  }
  EXPECT_EQ(read(repo, "x"), "1");
}

// The database takes no refs for a while (as when its disk is full): the push has failed, and stays so.
TEST_F(GitPush, ThatCannotBeRecordedIsPutBackForGood_regression) {
  add_file("x", "1");
  const auto guard = hub->begin_push(alice, repo.repo_id);
  in_work("push -q origin main HEAD:refs/heads/dev");
  refuse_refs(true);
  EXPECT_THROW(guard->finish(), Error);
  refuse_refs(false);
  EXPECT_EQ(run_git("-C '" + bare() + "' for-each-ref --format='%(refname) %(objectname)'"), "refs/heads/main " + repo.head + "\n");
  reopen();  // a start adopts what an interrupted push left: nothing
  EXPECT_EQ(again(repo).head, repo.head);
  EXPECT_EQ(code_of([&] { hub->resolve_revision(repo, "dev"); }), Code::not_found);
  push();
  EXPECT_EQ(read(repo, "x"), "1");
}

TEST_F(GitPush, NeedsTheRight) {
  EXPECT_EQ(code_of([&] { hub->begin_push(bob, repo.repo_id); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { hub->begin_push(nobody, repo.repo_id); }), Code::unauthorized);
}

}  // namespace
}  // namespace lyceum::hub
