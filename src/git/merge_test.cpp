#include "git/merge.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "git/tree_editor.h"

namespace lyceum::git {
namespace {

class MergeTest : public ::testing::Test {
 protected:
  MergeTest() {
    Repository::create(folder.path() / "r.git");
    repository = std::make_unique<Repository>(folder.path() / "r.git");
  }

  using Edits = std::vector<std::pair<std::string, std::optional<std::string>>>;
  Oid commit(const std::vector<Oid>& parents, const Edits& edits) {
    std::map<Oid, Repository::NewObject> objects;
    TreeEditor editor(*repository, parents.empty() ? std::nullopt : std::optional(repository->read_commit(parents.front()).tree));
    for (const auto& [path, content] : edits) {
      if (!content) {
        editor.remove(path);
        continue;
      }
      const Oid blob = object_id(Kind::blob, *content);
      objects.try_emplace(blob, Repository::NewObject{Kind::blob, *content});
      editor.put(path, Mode::file, blob);
    }
    Commit value;
    value.tree = editor.write(objects);
    value.parents = parents;
    value.author = value.committer = {"t", "t@x", 1'700'000'000 + ++counter, 0};
    value.message = "m\n";
    std::string text = format_commit(value);
    const Oid oid = object_id(Kind::commit, text);
    objects.emplace(oid, Repository::NewObject{Kind::commit, std::move(text)});
    repository->write_objects(objects);
    return oid;
  }
  std::string read(const Oid& tree, const std::string& path) {
    const auto entry = repository->find_path(tree, path);
    return entry ? repository->read_object(entry->oid, Kind::blob) : "(absent)";
  }

  TempFolder folder;
  std::unique_ptr<Repository> repository;
  int counter = 0;
};

TEST_F(MergeTest, TakesChangesOfBothSides) {
  const Oid base = commit({}, {{"a", "1\n"}, {"b", "1\n"}, {"c", "1\n"}});
  const Oid ours = commit({base}, {{"a", "2\n"}}), theirs = commit({base}, {{"b", "2\n"}, {"c", std::nullopt}, {"d/e", "new\n"}});
  EXPECT_EQ(find_merge_base(*repository, ours, theirs), base);
  const Merge merge = merge_commits(*repository, ours, theirs);
  EXPECT_TRUE(merge.conflicts.empty());
  EXPECT_EQ(read(merge.tree, "a"), "2\n");
  EXPECT_EQ(read(merge.tree, "b"), "2\n");
  EXPECT_EQ(read(merge.tree, "c"), "(absent)");
  EXPECT_EQ(read(merge.tree, "d/e"), "new\n");
}

TEST_F(MergeTest, NamesConflicts) {
  const Oid base = commit({}, {{"a", "1\n"}, {"b", "1\n"}});
  const Oid ours = commit({base}, {{"a", "ours\n"}, {"b", std::nullopt}}), theirs = commit({base}, {{"a", "theirs\n"}, {"b", "2\n"}});
  EXPECT_EQ(merge_commits(*repository, ours, theirs).conflicts, (std::vector<std::string>{"a", "b"}));
}

TEST_F(MergeTest, KeepsAttributeLinesOfBothSides) {
  const Oid base = commit({}, {{".gitattributes", "*.bin x\n"}});
  const Oid ours = commit({base}, {{".gitattributes", "*.bin x\nour.txt y\n"}}), theirs = commit({base}, {{".gitattributes", "*.bin x\ntheir.txt z\n"}});
  const Merge merge = merge_commits(*repository, ours, theirs);
  ASSERT_TRUE(merge.conflicts.empty());
  EXPECT_EQ(read(merge.tree, ".gitattributes"), "*.bin x\nour.txt y\ntheir.txt z\n");
}

TEST_F(MergeTest, UnrelatedHistoriesHaveNoBase) {
  EXPECT_FALSE(find_merge_base(*repository, commit({}, {{"a", "1"}}), commit({}, {{"b", "1"}})));
}

TEST_F(MergeTest, DiffIsGitsTextAndIsCut) {
  const Oid base = commit({}, {{"a", "1\n"}}), next = commit({base}, {{"a", "2\n"}});
  const Oid before = repository->read_commit(base).tree, after = repository->read_commit(next).tree;
  const std::string text = diff_text(*repository, before, after, DiffFormat::patch, 1 << 20);
  EXPECT_NE(text.find("diff --git a/a b/a\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n-1\n+2\n"), std::string::npos) << text;
  const std::string raw = diff_text(*repository, before, after, DiffFormat::raw, 1 << 20);
  EXPECT_TRUE(raw.starts_with(":100644 100644 ")) << raw;
  EXPECT_TRUE(raw.ends_with("M\ta\n")) << raw;
  EXPECT_NE(diff_text(*repository, std::nullopt, after, DiffFormat::patch, 40).find("is cut here"), std::string::npos);
}

}  // namespace
}  // namespace lyceum::git
