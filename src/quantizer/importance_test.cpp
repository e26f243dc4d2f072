#include "quantizer/importance.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"

namespace lyceum::quantizer {
namespace {

Importance example() {
  Importance out;
  out.entries["blk.0.attn_q.weight"] = {2, {8, 2}, {4}};
  out.entries["blk.0.ffn_up_exps.weight"] = {2, {9, 3, 5, 5}, {3, 0}};
  out.datasets = {"a.txt"};
  out.chunks = 7;
  out.chunk_tokens = 512;
  return out;
}

TEST(Importance, ReadsWhatItWrites) {
  const TempFolder folder;
  const fs::path path = folder.path() / "imatrix.gguf";
  write_importance(path, example());
  const Importance back = read_importance(path);
  EXPECT_EQ(back.chunks, 7u);
  EXPECT_EQ(back.datasets, std::vector<std::string>{"a.txt"});
  EXPECT_EQ(back.find_means("blk.0.attn_q.weight", 2, 1), (std::vector<float>{2, 0.5f}));
  EXPECT_EQ(back.find_means("blk.0.ffn_up_exps.weight", 2, 2), (std::vector<float>{3, 1, 1, 1}));   // the second expert saw nothing
  EXPECT_TRUE(back.find_means("other", 2, 1).empty());
  EXPECT_THROW(back.find_means("blk.0.attn_q.weight", 3, 1), Error);
}

TEST(Importance, RefusesEveryTruncation) {
  const TempFolder folder;
  const fs::path path = folder.path() / "imatrix.gguf";
  write_importance(path, example());
  const std::string bytes = read_file(path);
  for (size_t size = 0; size + 32 < bytes.size(); ++size) EXPECT_THROW(parse_importance(as_bytes(bytes).first(size), "file"), Error) << size;
}

TEST(Importance, RefusesWhatIsNotOne) {
  const TempFolder folder;
  Importance negative = example();
  negative.entries["blk.0.attn_q.weight"].sums[0] = -1;
  write_importance(folder.path() / "a", negative);
  EXPECT_THROW(read_importance(folder.path() / "a"), Error);
  write_importance(folder.path() / "b", {});
  EXPECT_THROW(read_importance(folder.path() / "b"), Error);
}

}  // namespace
}  // namespace lyceum::quantizer
