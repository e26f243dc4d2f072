#include "hub/last_commits.h"

#include <gtest/gtest.h>

#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

std::shared_ptr<const LastCommitCache::Paths> many(size_t count) {
  auto out = std::make_shared<LastCommitCache::Paths>();
  for (size_t i = 0; i < count; ++i) out->emplace("f" + std::to_string(i), git::Oid{});
  return out;
}

TEST(LastCommitCache, DropsTheLeastRecentlyUsed) {
  LastCommitCache cache;
  for (const char* key : {"a", "b", "c", "d"}) cache.put(key, many(120'000));
  EXPECT_TRUE(cache.find("a"));
  cache.put("e", many(120'000));
  EXPECT_TRUE(cache.find("a"));
  EXPECT_FALSE(cache.find("b"));
  EXPECT_TRUE(cache.find("e"));
  cache.put("huge", many(130'000));
  EXPECT_FALSE(cache.find("huge"));
}

class LastCommits : public HubFixture {};

TEST_F(LastCommits, AreTheSameTheSecondTime) {
  const Repo repo = make_repo("m");
  const std::string first = commit(repo, {AddFile{"a.txt", "1"}}).id;
  const std::string second = commit(repo, {AddFile{"b.txt", "1"}}).id;
  for (int i = 0; i < 2; ++i) {
    for (const FileEntry& entry : hub->tree(repo, second, "", true, true)) {
      if (entry.path == ".gitattributes") continue;
      EXPECT_EQ(entry.last_commit->id, entry.path == "a.txt" ? first : second) << entry.path;
    }
  }
}

}  // namespace
}  // namespace lyceum::hub
