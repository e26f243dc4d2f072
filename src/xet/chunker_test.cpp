#include "xet/chunker.h"

#include <gtest/gtest.h>

#include <sstream>

#include "xet/testing_content.h"

namespace lyceum::xet {
namespace {

// One wrong cut anywhere changes the file hash, so agreement with the client on these files covers the gear table, the cut
// rule and the tree.
TEST(Chunker, FileHashesMatchClient) {
  std::istringstream lines(testing::golden("hashes.txt"));
  size_t files = 0;
  size_t size = 0;
  uint64_t seed = 0;
  std::string kind, expected;
  while (lines >> size >> seed >> kind >> expected) {
    const auto chunks = testing::chunks_of(testing::content(size, seed, kind));
    EXPECT_EQ(to_text(file_hash(chunks)), expected) << size << " " << kind;
    ++files;
  }
  EXPECT_GE(files, 13u);
}

TEST(Chunker, LengthsStayInBounds) {
  const std::string data = testing::content(4'000'000, 99, "random");
  const auto chunks = testing::chunks_of(data);
  for (size_t i = 0; i + 1 < chunks.size(); ++i) {
    EXPECT_GE(chunks[i].length, kChunkBytesMin);
    EXPECT_LE(chunks[i].length, kChunkBytesMax);
  }
  EXPECT_EQ(first_chunk_length({}), 0u);
}

TEST(Chunker, InsertionChangesFewChunks) {
  const std::string data = testing::content(3'000'000, 7, "random");
  const std::string edited = data.substr(0, 1'000'000) + "inserted" + data.substr(1'000'000);
  const auto before = testing::chunks_of(data), after = testing::chunks_of(edited);
  size_t fresh = 0;
  for (const Chunk& chunk : after) {
    fresh += std::none_of(before.begin(), before.end(), [&](const Chunk& old) { return old.hash == chunk.hash; });
  }
  EXPECT_LE(fresh, 3u);
}

}  // namespace
}  // namespace lyceum::xet
