#include <gtest/gtest.h>

#include <cstdio>

#include "base/error.h"
#include "base/files.h"
#include "base/random.h"
#include "git/attributes.h"
#include "git/history.h"
#include "git/lfs_pointer.h"
#include "git/pkt_line.h"
#include "git/tree_editor.h"

namespace lyceum::git {
namespace {

std::string shell(const std::string& command) {
  std::string out;
  FILE* const pipe = ::popen(("GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null " + command).c_str(), "r");
  char buffer[4096];
  while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
  if (::pclose(pipe) != 0) out += "(failed)";
  return out;
}

class RepositoryTest : public ::testing::Test {
 protected:
  RepositoryTest() : path(folder.path() / "r.git") {
    Repository::create(path);
    repository = std::make_unique<Repository>(path);
  }
  std::string git(const std::string& arguments) { return shell("git --git-dir='" + path.string() + "' " + arguments + " 2>&1"); }

  // Applies puts ("path" -> content; nullopt removes) on top of `parents` and returns the commit.
  Oid commit(const std::vector<Oid>& parents, const std::vector<std::pair<std::string, std::optional<std::string>>>& edits) {
    std::map<Oid, Repository::NewObject> objects;
    TreeEditor editor(*repository, parents.empty() ? std::nullopt : std::optional(repository->read_commit(parents.front()).tree));
    for (const auto& [name, content] : edits) {
      if (!content) {
        EXPECT_TRUE(editor.remove(name));
        continue;
      }
      const Oid blob = object_id(Kind::blob, *content);
      objects.try_emplace(blob, Repository::NewObject{Kind::blob, *content});
      editor.put(name, Mode::file, blob);
    }
    Commit value;
    value.tree = editor.write(objects);
    value.parents = parents;
    value.author = value.committer = {"A. Tester", "a@example.org", 1'700'000'000 + 60 * ++counter, 60};
    value.message = "commit " + std::to_string(counter) + "\n";
    std::string text = format_commit(value);
    const Oid oid = object_id(Kind::commit, text);
    objects.emplace(oid, Repository::NewObject{Kind::commit, std::move(text)});
    repository->write_objects(objects);
    repository->set_ref("refs/heads/main", oid);
    return oid;
  }

  TempFolder folder;
  const fs::path path;
  std::unique_ptr<Repository> repository;
  int counter = 0;
};

TEST_F(RepositoryTest, IsWhatGitExpects) {
  const Oid first = commit({}, {{"a/b/c", "1"}, {"a.txt", "2"}, {"a-b", "3"}, {"x y", "4"}});
  EXPECT_EQ(git("rev-parse main"), first.hex() + "\n");
  EXPECT_EQ(git("ls-tree -r --name-only main"), "a-b\na.txt\na/b/c\nx y\n") << "git's own sorting";
  EXPECT_EQ(git("fsck --strict").find("error"), std::string::npos);
  EXPECT_EQ(git("show -s --format='%an <%ae> %ai' main"), "A. Tester <a@example.org> 2023-11-14 23:14:20 +0100\n");
  EXPECT_EQ(git("config core.fsync"), "all\n");
}

TEST_F(RepositoryTest, ManyObjectsBecomeOnePackGitCanRead) {
  std::vector<std::pair<std::string, std::optional<std::string>>> edits;
  for (int i = 0; i < 200; ++i) edits.emplace_back("f" + std::to_string(i), std::string(static_cast<size_t>(i * 37), 'x') + std::to_string(i));
  commit({}, edits);
  EXPECT_EQ(git("count-objects"), "0 objects, 0 kilobytes\n");
  EXPECT_EQ(git("fsck --strict --full").find("error"), std::string::npos);
  EXPECT_EQ(git("cat-file -s main:f100"), std::to_string(100 * 37 + 3) + "\n");
}

TEST_F(RepositoryTest, SubTreesThatNothingTouchesKeepTheirIds) {
  const Oid first = commit({}, {{"a/1", "x"}, {"b/2", "y"}});
  const Oid second = commit({first}, {{"b/2", "z"}});
  const Oid old_tree = repository->read_commit(first).tree, new_tree = repository->read_commit(second).tree;
  EXPECT_EQ(repository->find_path(old_tree, "a")->oid, repository->find_path(new_tree, "a")->oid);
  EXPECT_NE(repository->find_path(old_tree, "b")->oid, repository->find_path(new_tree, "b")->oid);
  EXPECT_FALSE(repository->find_path(new_tree, "a/1/x"));
  EXPECT_FALSE(repository->find_path(new_tree, "c"));
}

TEST_F(RepositoryTest, EmptyFoldersVanish) {
  const Oid first = commit({}, {{"a/b/c/d", "x"}, {"e", "y"}});
  commit({first}, {{"a/b/c/d", std::nullopt}});
  EXPECT_EQ(git("ls-tree -r -t --name-only main"), "e\n");
}

TEST_F(RepositoryTest, RefsAndPrefixesResolve) {
  const Oid first = commit({}, {{"a", "x"}});
  repository->set_ref("refs/pr/1", first);
  EXPECT_EQ(repository->list_refs().size(), 2u);
  repository->remove_ref("refs/pr/1");
  repository->remove_ref("refs/pr/1");
  EXPECT_EQ(repository->list_refs().size(), 1u);
  EXPECT_EQ(repository->find_by_prefix(first.hex().substr(0, 7)), first);
  EXPECT_FALSE(repository->find_by_prefix("000"));
  EXPECT_FALSE(repository->find_by_prefix("deadbeef"));
  EXPECT_FALSE(repository->find_by_prefix("zzzzzz"));
}

// Every answer is compared with `git log -1`, on a history with merges.
TEST_F(RepositoryTest, LastCommitsAgreeWithGitLog) {
  Rng rng(7);
  std::vector<Oid> tips{commit({}, {{"a/0", "0"}, {"b", "0"}})};
  for (int i = 1; i < 40; ++i) {
    std::vector<Oid> parents{tips[rng.below(tips.size())]};
    if (tips.size() > 2 && rng.below(4) == 0) {
      const Oid other = tips[rng.below(tips.size())];
      if (other != parents[0]) parents.push_back(other);
    }
    const std::string name = (rng.below(2) == 0 ? "a/" : "c/d/") + std::to_string(rng.below(6));
    tips.push_back(commit(parents, {{name, std::to_string(rng.below(5))}, {"b", std::to_string(rng.below(3))}}));
  }
  const Oid tip = tips.back();
  repository->set_ref("refs/heads/main", tip);
  std::vector<std::string> paths;
  const std::function<void(const Oid&, const std::string&)> list = [&](const Oid& tree, const std::string& prefix) {
    for (const TreeEntry& entry : repository->read_tree(tree)) {
      paths.push_back(prefix + entry.name);
      if (entry.is_folder()) list(entry.oid, prefix + entry.name + "/");
    }
  };
  list(repository->read_commit(tip).tree, "");
  const auto found = last_commits(*repository, tip, "", true, paths);
  for (const std::string& name : paths) {
    EXPECT_EQ(git("log -1 --format=%H main -- '" + name + "'"), found.at(name).hex() + "\n") << name;
  }
}

TEST_F(RepositoryTest, DamagedObjectIsAnErrorNotGarbage) {
  const Oid first = commit({}, {{"a", "x"}});
  const std::string hex = first.hex();
  const fs::path object = path / "objects" / hex.substr(0, 2) / hex.substr(2);
  fs::permissions(object, fs::perms::owner_all);
  write_file_durable(object, "not zlib");
  const Repository fresh(path);
  EXPECT_THROW(fresh.read_commit(first), Error);
}

TEST(Object, MalformedBytesAreRefused) {
  for (const std::string& bytes : {std::string("100644"), std::string("100644 a"), std::string("100644 \0aaaaaaaaaaaaaaaaaaaa", 28), std::string("9 a\0aaaaaaaaaaaaaaaaaaaa", 24),
                                   std::string("100644 a\0short", 14)}) {
    EXPECT_THROW(parse_tree(bytes), Error) << bytes;
  }
  for (const char* text : {"", "tree", "tree 1234\n", "parent x\n"}) EXPECT_THROW(parse_commit(text), Error);
}

TEST(Object, IdentityCannotBreakTheHeader) {
  Commit commit;
  commit.author = commit.committer = {"Eve\n<evil>", "e>v\nil", 1, -330};
  const std::string text = format_commit(commit);
  EXPECT_NE(text.find("author Eveevil <evil> 1 -0530\n"), std::string::npos) << text;
  EXPECT_EQ(parse_commit(text).author.offset_minutes, -330);
}

TEST(LfsPointer, RoundTripsAndRefusesOthers) {
  const LfsPointer pointer{std::string(64, 'a'), 123};
  const std::string text = format_lfs_pointer(pointer);
  ASSERT_TRUE(find_lfs_pointer(text));
  EXPECT_EQ(find_lfs_pointer(text)->size, 123u);
  EXPECT_TRUE(find_lfs_pointer("version https://git-lfs.github.com/spec/v1\r\noid sha256:" + pointer.sha256 + "\r\nsize 1\r\n"));
  const std::string version = "version https://git-lfs.github.com/spec/v1\n", oid = "oid sha256:" + pointer.sha256 + "\n";
  for (const std::string& bad : {std::string(), version, version + oid, oid + version + "size 1\n", version + "oid sha256:xyz\nsize 1\n", version + oid + "size -1\n",
                                 version + oid + "size 1x\n", version + oid + "size 99999999999999999999\n", text + "junk\n", text + std::string(2000, ' ')}) {
    EXPECT_FALSE(find_lfs_pointer(bad)) << bad;
  }
}

TEST(PktLine, RoundTripsAndRefusesMalformed) {
  EXPECT_EQ(pkt_line("a\n"), "0006a\n");
  const std::string bytes = pkt_line("one") + std::string(kFlushPkt) + "0001" + pkt_line("");
  PktReader reader(bytes);
  EXPECT_EQ(reader.next()->payload, "one");
  EXPECT_EQ(reader.next()->kind, Pkt::Kind::flush);
  EXPECT_EQ(reader.next()->kind, Pkt::Kind::delimiter);
  EXPECT_EQ(reader.next()->payload, "");
  EXPECT_FALSE(reader.next());
  for (const char* bad : {"0", "zzzz", "0003", "0009abc", "-001", "+005a"}) EXPECT_THROW(PktReader(bad).next(), Error) << bad;
}

TEST(PktLine, RefusedPushNamesEveryRef) {
  const std::string zero(40, '0'), one(40, '1');
  const std::string request = pkt_line(zero + " " + one + " refs/heads/a" + std::string("\0 report-status side-band-64k agent=x", 37)) +
                              pkt_line(one + " " + zero + " refs/heads/b\n") + std::string(kFlushPkt) + "PACK...";
  const PushHead head = parse_push_head(request);
  ASSERT_EQ(head.commands.size(), 2u);
  EXPECT_EQ(head.commands[1].ref, "refs/heads/b");
  EXPECT_TRUE(head.report_status && head.side_band_64k);
  const std::string report = refused_push_report(head, "no\nspace");
  EXPECT_NE(report.find("ng refs/heads/a no space\n"), std::string::npos);
  EXPECT_TRUE(report.ends_with("00000000"));
}

// Whatever git answers is right.
TEST(Attributes, AgreeWithGitCheckAttr) {
  const TempFolder folder;
  const std::string root = "# comment\n*.bin filter=lfs -text\n/anchored.txt filter=lfs\ndir/*.dat filter=lfs\ndeep/**/x filter=lfs\n**/any/file filter=lfs\n"
                           "tail/** filter=lfs\n[a-c]?.q filter=lfs\n\"quoted name\" filter=lfs\nsp[[:space:]]ace filter=lfs\nneg[!0-9]z filter=lfs\n"
                           "esc\\*aped filter=lfs\n*.off filter=lfs\nspecial.off -filter\nlast.bin filter=other\n!bad filter=lfs\nonly/ filter=lfs\n*tfevents* filter=lfs\n"
                           "a**b filter=lfs\nmid/*/end filter=lfs\n";
  const std::string nested = "*.bin !filter\n/here filter=lfs\ninner/*.z filter=lfs\n";
  fs::create_directories(folder.path() / "sub");
  write_file_durable(folder.path() / ".gitattributes", root);
  write_file_durable(folder.path() / "sub/.gitattributes", nested);
  shell("git init -q '" + folder.path().string() + "'");
  Attributes attributes;
  attributes.add("", root);
  attributes.add("sub", nested);
  for (const std::string path : {"x.bin", "a/b/x.bin", "anchored.txt", "a/anchored.txt", "dir/a.dat", "dir/e/a.dat", "x/dir/a.dat", "deep/x", "deep/a/x", "deep/a/b/x", "deep/a/b/y",
                                 "any/file", "p/any/file", "p/q/any/file", "many/file", "tail", "tail/a", "tail/a/b", "a1.q", "d1.q", "ab.q", "quoted name", "sp ace", "sp\tace", "spxace", "neg5z",
                                 "negxz", "esc*aped", "escXaped", "p.off", "special.off", "last.bin", "bad", "!bad", "only/x", "events.out.tfevents.1", "aXb", "a/b", "aXX/b", "mid/x/end",
                                 "mid/x/y/end", "sub/x.bin", "sub/here", "sub/d/here", "sub/inner/k.z", "sub/inner/d/k.z", "sub/q.off"}) {
    std::string said = shell("git -C '" + folder.path().string() + "' check-attr -z filter -- '" + path + "' 2>/dev/null");
    const size_t value = said.find('\0', said.find('\0') + 1) + 1;
    said = said.substr(value, said.find('\0', value) - value);
    EXPECT_EQ(attributes.filter_of(path) == FilterRule::lfs, said == "lfs") << path << ": git says " << said;
  }
}

TEST(Attributes, LineForOnePathMatchesThatPathOnly) {
  for (const std::string path : {"plain", "a/b c/[x]*?.bin", "#hash", "!bang", "\"quote", "back\\slash", " lead", "ü/ñ"}) {
    Attributes attributes;
    attributes.add("", lfs_attributes_line(path));
    EXPECT_EQ(attributes.filter_of(path), FilterRule::lfs) << path;
    EXPECT_EQ(attributes.filter_of("q/" + path), FilterRule::unspecified) << path;
    EXPECT_EQ(attributes.filter_of(path + "x"), FilterRule::unspecified) << path;
  }
}

TEST(Attributes, HostilePatternIsNotExponential) {
  std::string pattern, text(3000, 'a');
  for (int i = 0; i < 60; ++i) pattern += "*a**/";
  EXPECT_FALSE(wildcard_match(pattern + "b", text));
  EXPECT_FALSE(wildcard_match(std::string(400, '*') + "b", text));
}

TEST(Attributes, DefaultsCoverTheUsualWeights) {
  Attributes attributes;
  attributes.add("", default_attributes());
  for (const char* path : {"model.safetensors", "a/b.bin", "x.gguf", "d.parquet", "z.zip", "t.tar.gz", "saved_model/x/y", "runs/events.out.tfevents.1.2"}) {
    EXPECT_EQ(attributes.filter_of(path), FilterRule::lfs) << path;
  }
  for (const char* path : {"config.json", "README.md", "tokenizer.json", "data.csv"}) EXPECT_EQ(attributes.filter_of(path), FilterRule::unspecified) << path;
}

}  // namespace
}  // namespace lyceum::git
