#include "hub/downloads.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class Repos : public HubFixture {};

TEST_F(Repos, CreatedOnce) {
  make_repo("m");
  EXPECT_EQ(code_of([&] { make_repo("m"); }), Code::conflict);
  EXPECT_EQ(code_of([&] { make_repo("M"); }), Code::conflict) << "names differ in more than case";
  EXPECT_NO_THROW(make_repo("m", false, RepoType::dataset));
}

TEST_F(Repos, NamesAreChecked) {
  for (const char* name : {"", "a--b", "a..b", "x.git", "x.lock", "a/b", "a b", ".a", "a-"}) {
    EXPECT_EQ(code_of([&] { make_repo(name); }), Code::invalid_argument) << name;
  }
  EXPECT_NO_THROW(make_repo("Meta-Llama-3.1_8B"));
}

TEST_F(Repos, OwnerMustExistAndBeTheCaller) {
  EXPECT_EQ(code_of([&] { hub->create_repo(alice, {RepoType::model, "ghost", "m"}, false, ""); }), Code::not_found);
  EXPECT_EQ(code_of([&] { hub->create_repo(alice, {RepoType::model, "bob", "m"}, false, ""); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { hub->create_repo(nobody, {RepoType::model, "bob", "m"}, false, ""); }), Code::unauthorized);
  EXPECT_NO_THROW(hub->create_repo(admin, {RepoType::model, "bob", "m"}, false, ""));
  const Caller reader = *hub->authenticate(hub->create_token(*alice.user, "r", Scope::read));
  EXPECT_EQ(code_of([&] { hub->create_repo(reader, {RepoType::model, "alice", "m"}, false, ""); }), Code::forbidden);
}

TEST_F(Repos, PrivateOnesAreInvisible) {
  const Repo repo = make_repo("secret", true);
  for (const Caller* caller : {&bob, &nobody}) {
    std::string tag;
    EXPECT_EQ(code_of([&] { hub->get_repo(*caller, repo.repo_id); }, &tag), Code::not_found);
    EXPECT_EQ(tag, "RepoNotFound");
    EXPECT_EQ(code_of([&] { hub->require_write(*caller, repo.repo_id); }), Code::not_found) << "no oracle";
    EXPECT_EQ(code_of([&] { hub->delete_repo(*caller, repo.repo_id); }), Code::not_found);
    EXPECT_TRUE(hub->list_repos(*caller, {}).empty());
    EXPECT_EQ(hub->count_repos(*caller, {}), 0u);
  }
  EXPECT_EQ(hub->list_repos(alice, {}).size(), 1u);
  EXPECT_EQ(hub->list_repos(admin, {}).size(), 1u);
  EXPECT_EQ(code_of([&] { hub->get_repo(bob, {RepoType::model, "alice", "never-was"}); }), Code::not_found);
  hub->update_repo(alice, repo.repo_id, false, "auto");
  EXPECT_EQ(hub->get_repo(bob, repo.repo_id).gated, "auto");
}

TEST_F(Repos, GatedContentNeedsARight) {
  const Repo repo = make_repo("g");
  hub->update_repo(alice, repo.repo_id, std::nullopt, "manual");
  const Repo gated = again(repo);
  std::string tag;
  EXPECT_EQ(code_of([&] { hub->require_content(bob, gated); }, &tag), Code::forbidden);
  EXPECT_EQ(tag, "GatedRepo");
  EXPECT_EQ(code_of([&] { hub->require_content(nobody, gated); }), Code::unauthorized);
  EXPECT_NO_THROW(hub->require_content(alice, gated));
}

TEST_F(Repos, DeletedOnesAreGone) {
  const Repo repo = make_repo("m");
  const fs::path path = hub->git_folder(repo);
  EXPECT_EQ(code_of([&] { hub->delete_repo(bob, repo.repo_id); }), Code::forbidden);
  hub->delete_repo(alice, repo.repo_id);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(code_of([&] { hub->get_repo(alice, repo.repo_id); }), Code::not_found);
  EXPECT_NO_THROW(make_repo("m"));
}

TEST_F(Repos, OldNameKeepsWorkingAfterAMove) {
  const Repo repo = make_repo("old");
  hub->create_organisation(alice, "lab", "");
  const RepoId target{RepoType::model, "LAB", "new"};
  hub->move_repo(alice, repo.repo_id, target);
  EXPECT_EQ(hub->get_repo(bob, repo.repo_id).repo_id.full_name(), "lab/new");
  EXPECT_EQ(hub->get_repo(bob, {RepoType::model, "lab", "new"}).id, repo.id);
  const Repo fresh = make_repo("old");
  EXPECT_NE(hub->get_repo(bob, repo.repo_id).id, repo.id) << "a new repository takes the name back";
  EXPECT_EQ(code_of([&] { hub->move_repo(alice, fresh.repo_id, {RepoType::model, "lab", "new"}); }), Code::conflict);
  EXPECT_EQ(code_of([&] { hub->move_repo(alice, fresh.repo_id, {RepoType::model, "bob", "x"}); }), Code::forbidden);
}

TEST_F(Repos, SearchFiltersAndSorts) {
  const Repo a = make_repo("llama-small");
  const Repo b = make_repo("qwen_small");
  const Repo c = hub->create_repo(bob, {RepoType::model, "bob", "other"}, false, "");
  commit(a, {AddFile{"README.md", "---\nlicense: mit\nlanguage: en\npipeline_tag: text-generation\n---\nhello"}});
  hub->downloads().record(b, {"config.json", "10.0.0.1", "test", 10});
  hub->downloads().record(b, {"config.json", "10.0.0.1", "test", 10});
  const auto names = [&](RepoQuery query) {
    std::string out;
    for (const Repo& repo : hub->list_repos(nobody, query)) out += repo.repo_id.name + " ";
    return out;
  };
  RepoQuery query;
  query.sort = "id";
  EXPECT_EQ(names(query), "llama-small qwen_small other ");
  query.search = {"SMALL", "a"};
  EXPECT_EQ(names(query), "llama-small qwen_small ");
  query.search = {"n_s"};
  EXPECT_EQ(names(query), "qwen_small ") << "an underscore is no wildcard";
  query.search = {"' OR 1=1 --"};
  EXPECT_EQ(names(query), "");
  query.search.clear();
  query.filter = {"license:mit", "language:en"};
  EXPECT_EQ(names(query), "llama-small ");
  query.filter.clear();
  query.author = "Bob";
  EXPECT_EQ(names(query), "other ");
  query.author.clear();
  query.pipeline_tag = "text-generation";
  EXPECT_EQ(hub->count_repos(nobody, query), 1u);
  query.pipeline_tag.clear();
  query.limit = 1;
  query.offset = 1;
  EXPECT_EQ(names(query), "qwen_small ");
  query.sort = "; DROP TABLE repos";
  EXPECT_EQ(code_of([&] { hub->list_repos(nobody, query); }), Code::invalid_argument);
  EXPECT_EQ(hub->get_repo(nobody, b.repo_id).downloads, 2);
  reopen();
  EXPECT_EQ(hub->get_repo(nobody, b.repo_id).downloads, 2);
  EXPECT_EQ(c.repo_id.owner, "bob");
}

TEST_F(Repos, CardIsKeptInTheRow) {
  const Repo repo = make_repo("adapter");
  commit(repo, {AddFile{"README.md", "---\nbase_model: alice/base\nlibrary_name: peft\nlicense: apache-2.0\ndatasets:\n- alice/data\nlanguage: [en, \"no\", no]\ntags: [lora]\n---\n# x"},
                AddFile{"adapter_config.json", "{}"}, AddFile{"adapter_model.safetensors", "x"}});
  const Repo seen = again(repo);
  EXPECT_EQ(seen.library_name, "peft");
  EXPECT_EQ(seen.card.at("license").as_string(), "apache-2.0");
  for (const char* tag : {"peft", "safetensors", "lora", "en", "no", "dataset:alice/data", "base_model:alice/base", "base_model:adapter:alice/base", "license:apache-2.0"}) {
    EXPECT_NE(std::find(seen.tags.begin(), seen.tags.end(), tag), seen.tags.end()) << tag;
  }
  commit(repo, {AddFile{"README.md", "---\n: : [broken\n---\n"}});
  EXPECT_TRUE(again(repo).card.empty());
}

TEST_F(Repos, BranchesAndTags) {
  const Repo repo = make_repo("m");
  const std::string first = commit(repo, {AddFile{"x", "1"}}).id;
  commit(repo, {AddFile{"x", "2"}});
  hub->create_tag(alice, repo.repo_id, "v1", first, "first release");
  hub->create_tag(alice, repo.repo_id, "light", "v1", "");
  hub->create_branch(alice, repo.repo_id, "dev", "v1");
  EXPECT_EQ(hub->resolve_revision(repo, "v1"), first);
  EXPECT_EQ(hub->resolve_revision(repo, "light"), first);
  EXPECT_EQ(hub->resolve_revision(repo, "dev"), first);
  EXPECT_EQ(hub->resolve_revision(repo, first.substr(0, 8)), first);
  EXPECT_EQ(hub->resolve_revision(repo, "refs/heads/dev"), first);
  EXPECT_EQ(code_of([&] { hub->create_branch(alice, repo.repo_id, "dev", ""); }), Code::conflict);
  EXPECT_EQ(code_of([&] { hub->create_branch(alice, repo.repo_id, "dev/x", ""); }), Code::conflict);
  EXPECT_EQ(code_of([&] { hub->create_tag(alice, repo.repo_id, "v1", "", ""); }), Code::conflict);
  EXPECT_EQ(code_of([&] { hub->delete_branch(alice, repo.repo_id, "main"); }), Code::forbidden);
  for (const char* name : {"", "a..b", "a b", "a~1", "x.lock", "/a", "a//b", "-x", "@{u}"}) {
    EXPECT_EQ(code_of([&] { hub->create_branch(alice, repo.repo_id, name, ""); }), Code::invalid_argument) << name;
  }
  const Refs refs = hub->refs(repo);
  EXPECT_EQ(refs.branches.size(), 2u);
  EXPECT_EQ(refs.tags.size(), 2u);
  EXPECT_EQ(refs.tags.at(1).target, first) << "an annotated tag shows its commit";
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
  hub->delete_branch(alice, repo.repo_id, "dev");
  hub->delete_tag(alice, repo.repo_id, "v1");
  std::string tag;
  EXPECT_EQ(code_of([&] { hub->resolve_revision(repo, "dev"); }, &tag), Code::not_found);
  EXPECT_EQ(tag, "RevisionNotFound");
  EXPECT_EQ(code_of([&] { hub->delete_tag(alice, repo.repo_id, "v1"); }), Code::not_found);
}

TEST_F(Repos, TreeKnowsTheLastCommitOfEveryPath) {
  const Repo repo = make_repo("m");
  const std::string c1 = commit(repo, {AddFile{"a/x", "1"}, AddFile{"a/y", "1"}, AddFile{"b", "1"}}).id;
  const std::string c2 = commit(repo, {AddFile{"a/x", "2"}}).id;
  const std::string c3 = commit(repo, {AddFile{"c/d/e", "1"}}).id;
  std::map<std::string, std::string> last;
  for (const FileEntry& entry : hub->tree(repo, c3, "", true, true)) last[entry.path] = entry.last_commit->id;
  EXPECT_EQ(last, (std::map<std::string, std::string>{{".gitattributes", repo.head}, {"a", c2}, {"a/x", c2}, {"a/y", c1}, {"b", c1}, {"c", c3}, {"c/d", c3}, {"c/d/e", c3}}));
  const auto inner = hub->tree(repo, c3, "a/", false, true);
  ASSERT_EQ(inner.size(), 2u);
  EXPECT_EQ(inner[0].path, "a/x");
  EXPECT_EQ(inner[0].last_commit->id, c2);
  EXPECT_EQ(inner[1].last_commit->id, c1);
  std::string tag;
  EXPECT_EQ(code_of([&] { hub->tree(repo, c3, "nope", false, false); }, &tag), Code::not_found);
  EXPECT_EQ(tag, "EntryNotFound");
  EXPECT_EQ(code_of([&] { hub->tree(repo, c3, "b", false, false); }), Code::not_found) << "a file is no folder";
  size_t total = 0;
  const auto page = hub->commits(repo, "main", 2, 1, &total);
  EXPECT_EQ(total, 4u);
  ASSERT_EQ(page.size(), 2u);
  EXPECT_EQ(page[0].id, c2);
  EXPECT_EQ(page[1].id, c1);
}

TEST_F(Repos, LargeOrRegularIsDecidedByOneRule) {
  const Repo repo = make_repo("m");
  const std::string binary("\0\1\2", 3);
  EXPECT_TRUE(hub->wants_large(repo, "main", "a/b/model.safetensors", 10, {}));
  EXPECT_FALSE(hub->wants_large(repo, "main", "model.safetensors", 0, {}));
  EXPECT_FALSE(hub->wants_large(repo, "main", "config.json", 5u << 20, as_bytes("{}")));
  EXPECT_TRUE(hub->wants_large(repo, "main", "big.json", (10u << 20) + 1, as_bytes("{}")));
  EXPECT_TRUE(hub->wants_large(repo, "main", "picture.dat", 2u << 20, as_bytes(binary)));
  EXPECT_FALSE(hub->wants_large(repo, "main", "icon.dat", 1000, as_bytes(binary)));
  EXPECT_FALSE(hub->wants_large(repo, "main", "cut.txt", 2u << 20, as_bytes("caf\xc3"))) << "a character cut by the sample";
  commit(repo, {AddFile{"data/.gitattributes", "*.bin !filter\n*.csv filter=lfs\n"}});
  EXPECT_FALSE(hub->wants_large(repo, "main", "data/x.bin", 2u << 20, as_bytes(binary)));
  EXPECT_TRUE(hub->wants_large(repo, "main", "data/x.csv", 10, {}));
  EXPECT_FALSE(hub->wants_large(repo, "main", "x.csv", 10, {}));
}

TEST_F(Repos, SettingsPersist) {
  EXPECT_TRUE(hub->setting("k").is_null());
  hub->set_setting("k", {{"a", 1}});
  reopen();
  EXPECT_EQ(hub->setting("k").at("a").as_int64(), 1);
  hub->set_setting("k", nullptr);
  EXPECT_TRUE(hub->setting("k").is_null());
}

TEST_F(Repos, SecondServerIsRefused) {
  try {
    Hub::open(test_options(folder.path() / "data"), clock);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict);
    EXPECT_NE(std::string(error.what()).find("another Lyceum server is using"), std::string::npos);
  }
}

TEST_F(Repos, SigningKeyIsProtectedAndStays) {
  const std::string key = hub->signing_key();
  EXPECT_EQ(key.size(), 64u);
  EXPECT_EQ(fs::status(folder.path() / "data/keys/signing.key").permissions(), fs::perms::owner_read | fs::perms::owner_write);
  reopen();
  EXPECT_EQ(hub->signing_key(), key);
}

}  // namespace
}  // namespace lyceum::hub
