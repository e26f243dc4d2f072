#include "xet/hash.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lyceum::xet {
namespace {

TEST(Hash, TextSwapsEachEightBytes) {
  Hash hash;
  for (size_t i = 0; i < 32; ++i) hash.bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(to_text(hash), "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918");
  EXPECT_EQ(find_from_text(to_text(hash)), hash);
}

TEST(Hash, TextRefusesEverythingElse) {
  EXPECT_FALSE(find_from_text(""));
  EXPECT_FALSE(find_from_text(std::string(63, 'a')));
  EXPECT_FALSE(find_from_text(std::string(64, 'A')));
  EXPECT_FALSE(find_from_text(std::string(64, 'g')));
}

// hf_xet 1.8.0: hash_files() of a file holding "hello world", a file of one chunk.
TEST(Hash, FileHashOfOneChunkMatchesClient) {
  const std::vector<Chunk> chunks = {{chunk_hash(as_bytes("hello world")), 11}};
  EXPECT_EQ(to_text(file_hash(chunks)), "f15edd43b7e85cfd25e2758ffe13b99fdd09dfa817e8d9f6548722a7a126db7f");
}

TEST(Hash, EmptyListsAreZero) {
  EXPECT_EQ(xorb_hash({}), Hash{});
  EXPECT_EQ(file_hash({}), Hash{});
}

TEST(Hash, OneChunkXorbIsItsChunk) {
  const std::vector<Chunk> chunks = {{chunk_hash(as_bytes("x")), 1}};
  EXPECT_EQ(xorb_hash(chunks), chunks[0].hash);
}

TEST(Hash, TreeDependsOnOrderAndLength) {
  std::vector<Chunk> chunks;
  for (char c = 'a'; c < 'u'; ++c) chunks.push_back({chunk_hash(as_bytes(std::string(1, c))), 1});
  const Hash before = xorb_hash(chunks);
  std::swap(chunks[3], chunks[4]);
  EXPECT_NE(xorb_hash(chunks), before);
  std::swap(chunks[3], chunks[4]);
  chunks[5].length = 2;
  EXPECT_NE(xorb_hash(chunks), before);
}

}  // namespace
}  // namespace lyceum::xet
