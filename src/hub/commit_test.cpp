#include <thread>

#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class Commit : public HubFixture {};

TEST_F(Commit, FirstCommitHoldsAttributes) {
  const Repo repo = make_repo("m");
  EXPECT_EQ(repo.head.size(), 40u);
  EXPECT_NE(read(repo, ".gitattributes").find("*.safetensors filter=lfs diff=lfs merge=lfs -text"), std::string::npos);
  EXPECT_EQ(hub->resolve_revision(repo, "HEAD"), repo.head);
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
}

TEST_F(Commit, WritesReadsAndDeletesFiles) {
  const Repo repo = make_repo("m");
  const CommitInfo first = commit(repo, {AddFile{"a/b/c.txt", "one"}, AddFile{"top.txt", "two"}});
  EXPECT_EQ(read(repo, "a/b/c.txt"), "one");
  EXPECT_EQ(again(repo).head, first.id);
  const CommitInfo second = commit(repo, {DeleteEntry{"a/", true}});
  EXPECT_EQ(second.parents, std::vector<std::string>{first.id});
  EXPECT_EQ(read(repo, "a/b/c.txt"), "(absent)");
  EXPECT_EQ(read(repo, "a/b/c.txt", first.id), "one");
  EXPECT_EQ(read(repo, "top.txt"), "two");
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
  EXPECT_EQ(run_git("-C '" + hub->git_folder(repo).string() + "' rev-parse main"), second.id + "\n");
}

TEST_F(Commit, ObjectIdsEqualGits) {
  const Repo repo = make_repo("m");
  commit(repo, {AddFile{"x.txt", "hello\n"}});
  const auto entry = hub->find_entry(repo, again(repo).head, "x.txt");
  EXPECT_EQ(entry->oid, "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST_F(Commit, ManyFilesGoIntoOnePack) {
  const Repo repo = make_repo("m");
  std::vector<CommitAction> actions;
  for (int i = 0; i < 300; ++i) actions.push_back(AddFile{"d" + std::to_string(i % 7) + "/f" + std::to_string(i), "content " + std::to_string(i)});
  commit(repo, actions);
  EXPECT_EQ(read(repo, "d3/f3"), "content 3");
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
  EXPECT_EQ(hub->tree(repo, again(repo).head, "", true, false).size(), 300u + 7 + 1);
}

TEST_F(Commit, SameContentReturnsTheHead) {
  const Repo repo = make_repo("m");
  const CommitInfo first = commit(repo, {AddFile{"x", "1"}});
  EXPECT_EQ(commit(repo, {AddFile{"x", "1"}}).id, first.id);
}

TEST_F(Commit, RefusesMovedParent) {
  const Repo repo = make_repo("m");
  commit(repo, {AddFile{"x", "1"}});
  CommitRequest request{"main", "s", "", repo.head, {AddFile{"y", "1"}}};
  EXPECT_EQ(code_of([&] { hub->commit(alice, repo.repo_id, request); }), Code::precondition_failed);
  request.parent = again(repo).head.substr(0, 10);
  EXPECT_NO_THROW(hub->commit(alice, repo.repo_id, request));
}

TEST_F(Commit, RefusesDeletingWhatIsMissing) {
  const Repo repo = make_repo("m");
  std::string tag;
  try {
    commit(repo, {DeleteEntry{"nope.txt"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_EQ(error.tag(), "EntryNotFound");
    EXPECT_STREQ(error.what(), "A file with this name doesn't exist: nope.txt");
  }
}

TEST_F(Commit, RefusesHostilePaths_regression) {
  const Repo repo = make_repo("m");
  const std::string long_name(300, 'n');
  for (const std::string& path : {std::string(""), std::string("/etc/passwd"), std::string("../x"), std::string("a/../../x"), std::string("a//b"), std::string("a/"),
                                  std::string(".git/config"), std::string("sub/.GIT/hooks/x"), std::string(".git "), std::string(".git."), std::string("git~1/x"), std::string(".git::$INDEX_ALLOCATION/x"),
                                  std::string(".g\xe2\x80\x8cit/config"), std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3), std::string("\xff"),
                                  std::string(".gitmodules"), std::string("./x"), std::string("a/./b"), long_name, std::string(1000, 'a')}) {
    EXPECT_EQ(code_of([&] { commit(repo, {AddFile{path, "x"}}); }), Code::invalid_argument) << path;
  }
  EXPECT_EQ(again(repo).head, repo.head);
}

TEST_F(Commit, RefusesFileAndFolderOfOneName) {
  const Repo repo = make_repo("m");
  commit(repo, {AddFile{"a/b", "1"}, AddFile{"f", "1"}});
  EXPECT_EQ(code_of([&] { commit(repo, {AddFile{"a", "1"}}); }), Code::invalid_argument);
  EXPECT_EQ(code_of([&] { commit(repo, {AddFile{"f/x", "1"}}); }), Code::invalid_argument);
  EXPECT_NO_THROW(commit(repo, {DeleteEntry{"a", true}, AddFile{"a", "1"}}));
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
}

TEST_F(Commit, LargeFileNeedsItsContent) {
  const Repo repo = make_repo("m");
  const std::string absent(64, 'a');
  EXPECT_EQ(code_of([&] { commit(repo, {AddLargeFile{"w.bin", absent, 3}}); }), Code::invalid_argument);
  const std::string sha256 = put_blob("weights");
  EXPECT_EQ(code_of([&] { commit(repo, {AddLargeFile{"w.bin", sha256, 7}}); }), Code::invalid_argument) << "not linked";
  hub->link_blob(repo, sha256);
  EXPECT_EQ(code_of([&] { commit(repo, {AddLargeFile{"w.bin", sha256, 8}}); }), Code::invalid_argument) << "wrong size";
  commit(repo, {AddLargeFile{"w.bin", sha256, 7}});
  const auto entry = hub->find_entry(repo, again(repo).head, "w.bin");
  EXPECT_EQ(entry->sha256, sha256);
  EXPECT_EQ(entry->size, 7u);
  EXPECT_EQ(hub->read_small(repo, *entry), "version https://git-lfs.github.com/spec/v1\noid sha256:" + sha256 + "\nsize 7\n");
}

TEST_F(Commit, LargeFileGetsAnAttributesLine) {
  const Repo repo = make_repo("m");
  const std::string sha256 = put_blob("weights");
  hub->link_blob(repo, sha256);
  commit(repo, {AddLargeFile{"dir/my file [1].dat", sha256, 7}, AddLargeFile{"x.safetensors", sha256, 7}});
  const std::string attributes = read(repo, ".gitattributes");
  EXPECT_NE(attributes.find("dir/my[[:space:]]file[[:space:]]\\[1].dat filter=lfs diff=lfs merge=lfs -text\n"), std::string::npos) << attributes;
  EXPECT_EQ(attributes.find("x.safetensors filter"), std::string::npos);
  EXPECT_TRUE(hub->wants_large(again(repo), "main", "dir/my file [1].dat", 10, {}));
}

// A pointer is text that anybody can write. It must not open a file of a repository that the writer cannot read.
TEST_F(Commit, PointerTextOpensNobodyElsesFile_regression) {
  const Repo secret = hub->create_repo(bob, {RepoType::model, "bob", "secret"}, true, "");
  const std::string sha256 = put_blob("private weights");
  hub->link_blob(secret, sha256);
  const Repo repo = make_repo("m");
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + sha256 + "\nsize 15\n";
  EXPECT_EQ(code_of([&] { commit(repo, {AddFile{"steal.bin", pointer}}); }), Code::invalid_argument);
  EXPECT_EQ(code_of([&] { commit(repo, {AddLargeFile{"steal.bin", sha256, 15}}); }), Code::invalid_argument);
}

TEST_F(Commit, ReadableFileOfAnotherRepositoryIsLinked) {
  const Repo source = hub->create_repo(bob, {RepoType::model, "bob", "open"}, false, "");
  const std::string sha256 = put_blob("public weights");
  hub->link_blob(source, sha256);
  const Repo repo = make_repo("m");
  commit(repo, {AddLargeFile{"copy.bin", sha256, 14}});
  EXPECT_TRUE(hub->repo_has_blob(repo, sha256));
}

TEST_F(Commit, InlineContentThatBelongsInLfsBecomesLarge) {
  const Repo repo = make_repo("m");
  commit(repo, {AddFile{"w.bin", "abc"}, AddFile{"empty.bin", ""}});
  const auto entry = hub->find_entry(repo, again(repo).head, "w.bin");
  EXPECT_EQ(entry->sha256, sha256_hex("abc"));
  EXPECT_TRUE(hub->has_blob(entry->sha256));
  EXPECT_EQ(hub->find_entry(repo, again(repo).head, "empty.bin")->sha256, "");
}

TEST_F(Commit, RefusesInlineContentOverTheLimit) {
  const Repo repo = make_repo("m");
  EXPECT_EQ(code_of([&] { commit(repo, {AddFile{"t.txt", std::string((10u << 20) + 1, 'x')}}); }), Code::too_large);
}

TEST_F(Commit, CopiesFilesOfOlderRevisions) {
  const Repo repo = make_repo("m");
  const std::string first = commit(repo, {AddFile{"a.txt", "old"}, AddFile{"w.bin", "abc"}}).id;
  commit(repo, {AddFile{"a.txt", "new"}});
  commit(repo, {CopyFile{"a.txt", first, "b.txt"}, CopyFile{"w.bin", "", "sub/w2.bin"}});
  EXPECT_EQ(read(repo, "b.txt"), "old");
  EXPECT_EQ(hub->find_entry(repo, again(repo).head, "sub/w2.bin")->sha256, sha256_hex("abc"));
  std::string tag;
  EXPECT_EQ(code_of([&] { commit(repo, {CopyFile{"nope", "", "c"}}); }, &tag), Code::not_found);
  EXPECT_EQ(tag, "EntryNotFound");
}

TEST_F(Commit, AttributesLineTooLongForGitIsRefused) {
  const Repo repo = make_repo("m");
  EXPECT_EQ(code_of([&] { commit(repo, {AddFile{".gitattributes", std::string(3000, 'a') + " text\n"}}); }), Code::invalid_argument);
}

TEST_F(Commit, ConcurrentWritersAllSucceedInTurn) {
  const Repo repo = make_repo("m");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        CommitRequest request{"main", "c", "", "", {AddFile{std::to_string(t) + "/" + std::to_string(i), "x"}}};
        hub->commit(alice, repo.repo_id, request);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  size_t total = 0;
  hub->commits(repo, "main", 1, 0, &total);
  EXPECT_EQ(total, 21u);
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
}

TEST_F(Commit, GoesToBranchesAndPullRequests) {
  const Repo repo = make_repo("m");
  hub->create_branch(alice, repo.repo_id, "refs/pr/1", "");
  hub->create_branch(alice, repo.repo_id, "dev/one", "main");
  commit(repo, {AddFile{"x", "pr"}}, "refs/pr/1");
  commit(repo, {AddFile{"x", "dev"}}, "dev/one");
  EXPECT_EQ(read(repo, "x"), "(absent)");
  EXPECT_EQ(read(repo, "x", "refs/pr/1"), "pr");
  EXPECT_EQ(read(repo, "x", "dev/one"), "dev");
  EXPECT_EQ(again(repo).head, repo.head);
  std::string tag;
  EXPECT_EQ(code_of([&] { commit(repo, {AddFile{"x", "1"}}, "nope"); }, &tag), Code::not_found);
  EXPECT_EQ(tag, "RevisionNotFound");
  EXPECT_EQ(code_of([&] { commit(repo, {AddFile{"x", "1"}}, "refs/tags/v1"); }), Code::invalid_argument);
}

}  // namespace
}  // namespace lyceum::hub
