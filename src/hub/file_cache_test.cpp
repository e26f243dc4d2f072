#include "hub/file_cache.h"

#include <gtest/gtest.h>

#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

TEST(FileCache, KeepsContentsAndPlacesApart) {
  FileCache cache(1u << 20);
  Repo repo;
  repo.public_id = "abc";
  FileEntry entry;
  entry.path = "config.json";
  entry.oid = "01";
  cache.put_entry(repo, "c1", entry);
  cache.put_content("01", "text");
  EXPECT_EQ(cache.find_entry(repo, "c1", "config.json")->oid, "01");
  EXPECT_FALSE(cache.find_entry(repo, "c2", "config.json"));
  EXPECT_EQ(cache.find_content("01"), "text");
  repo.public_id = "other";
  EXPECT_FALSE(cache.find_entry(repo, "c1", "config.json"));
}

TEST(FileCache, ForgetsTheLeastRecentlyUsed) {
  FileCache cache(5000);
  for (int i = 0; i < 10; ++i) cache.put_content(std::to_string(i), std::string(1000, 'x'));
  EXPECT_FALSE(cache.find_content("0"));
  EXPECT_TRUE(cache.find_content("9"));
  cache.put_content("huge", std::string(FileCache::kContentBytesMax + 1, 'x'));
  EXPECT_FALSE(cache.find_content("huge"));
}

class Cached : public HubFixture {};

// A pointer that somebody pushed as plain text becomes a large file once the repository has its content: it must not stay cached as text.
TEST_F(Cached, NeverAnswersForAPointer) {
  const Repo repo = make_repo("one");
  const std::string head = commit(repo, {AddFile{"a.txt", "hello"}}).id;
  for (int i = 0; i < 2; ++i) {
    const auto entry = hub->find_entry(repo, head, "a.txt");
    ASSERT_TRUE(entry);
    EXPECT_EQ(hub->read_small(repo, *entry), "hello");
  }
  EXPECT_EQ(code_of([&] { hub->find_entry(make_repo("two"), head, "a.txt"); }), Code::not_found);  // the commit is another repository's
}

}  // namespace
}  // namespace lyceum::hub
