#include "xet/shard.h"

#include <gtest/gtest.h>

#include "xet/testing_content.h"
#include "xet/xorb.h"

namespace lyceum::xet {
namespace {

TEST(Shard, ReadsWhatTheClientSends) {
  const Shard shard = parse_shard(as_bytes(testing::golden("upload.shard")));
  const auto files = testing::uploaded_files();
  ASSERT_EQ(shard.files.size(), files.size());
  ASSERT_EQ(shard.xorbs.size(), 1u);
  EXPECT_EQ(to_text(shard.xorbs[0].hash), testing::uploaded_xorb_name());
  EXPECT_EQ(xorb_hash(shard.xorbs[0].chunks), shard.xorbs[0].hash);
  for (const auto& expected : files) {
    const auto found = std::find_if(shard.files.begin(), shard.files.end(), [&](const ShardFile& file) { return to_text(file.hash) == expected.hash; });
    ASSERT_NE(found, shard.files.end());
    EXPECT_EQ(found->sha256, expected.sha256);
    ASSERT_EQ(found->terms.size(), 1u);
    EXPECT_EQ(found->terms[0].length, expected.size);
    ASSERT_EQ(found->term_hashes.size(), 1u);
    std::vector<Hash> hashes;
    for (uint32_t i = found->terms[0].chunk_begin; i < found->terms[0].chunk_end; ++i) hashes.push_back(shard.xorbs[0].chunks.at(i).hash);
    EXPECT_EQ(term_hash(hashes), found->term_hashes[0]);
  }
}

TEST(Shard, EveryTruncationIsRefused) {
  const std::string whole = testing::golden("upload.shard");
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_THROW(parse_shard(as_bytes(whole.substr(0, size))), Error) << size;
}

TEST(Shard, HugeCountsReserveNothing_regression) {
  std::string whole = testing::golden("upload.shard");
  for (size_t i = 0; i < 4; ++i) whole[48 + 36 + i] = '\xff';
  EXPECT_THROW(parse_shard(as_bytes(whole)), Error);
}

TEST(Shard, WrittenAnswerReadsBackKeyed) {
  const Shard sent = parse_shard(as_bytes(testing::golden("upload.shard")));
  ShardKey key;
  key.key = chunk_hash(as_bytes("a key"));
  key.expires_s = 4102444800;
  const std::string answer = write_shard(sent.xorbs, key);
  const Shard read = parse_shard(as_bytes(answer));
  EXPECT_TRUE(read.files.empty());
  ASSERT_EQ(read.xorbs.size(), 1u);
  ASSERT_EQ(read.xorbs[0].chunks.size(), sent.xorbs[0].chunks.size());
  EXPECT_EQ(read.xorbs[0].chunks[1].hash, keyed_hash(key.key, sent.xorbs[0].chunks[1].hash));
  EXPECT_EQ(answer.size(), 48u * (1 + 1 + 1 + sent.xorbs[0].chunks.size() + 1) + 200);
}

}  // namespace
}  // namespace lyceum::xet
