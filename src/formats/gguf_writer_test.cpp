#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include "formats/gguf.h"

namespace lyceum::formats {
namespace {

TEST(GgufWriter, WritesWhatTheReaderReads) {
  const TempFolder folder;
  const fs::path path = folder.path() / "a.gguf";
  GgufMetadata metadata;
  metadata.set_string("general.architecture", "llama");
  metadata.set_u32("n", 7);
  metadata.set_f32("f", 0.5f);
  metadata.set_bool("b", true);
  metadata.set_strings("words", std::vector<std::string>{"a", "", "ccc"});
  metadata.set_i32s("types", std::vector<int32_t>{-1, 3});
  metadata.set_u32("gone", 1);
  metadata.remove("gone");
  const std::string vector(3 * 4, 'v'), blocks(2 * 34, 'q');
  GgufWriter writer(path, metadata, {{"norm", "F32", {3}}, {"matrix", "Q8_0", {32, 2}}});
  writer.append(as_bytes(vector));
  writer.append(as_bytes(blocks).first(10));
  writer.append(as_bytes(blocks).subspan(10));
  EXPECT_FALSE(fs::exists(path));
  const std::string hash = writer.finish();
  EXPECT_EQ(hash, sha256_file_hex(path));

  const GgufFile file(path);
  EXPECT_EQ(file.header().get_int("n"), 7);
  EXPECT_EQ(file.header().get_number("f"), 0.5);
  EXPECT_EQ(file.header().find_bool("b"), true);
  ASSERT_EQ(file.header().find_array("words")->size(), 3u);
  EXPECT_EQ(std::get<std::string>((*file.header().find_array("words"))[2].value), "ccc");
  EXPECT_EQ(std::get<int64_t>((*file.header().find_array("types"))[0].value), -1);
  EXPECT_FALSE(file.header().find_int("gone"));
  EXPECT_EQ(as_text(file.bytes(*file.header().find_tensor("norm"))), vector);
  EXPECT_EQ(as_text(file.bytes(*file.header().find_tensor("matrix"))), blocks);
  GgufMetadata copied;
  for (const GgufPair& pair : file.header().pairs) copied.set_raw(pair.key, file.bytes(pair));
  EXPECT_EQ(copied.pairs(), metadata.pairs());
}

TEST(GgufWriter, LeavesNothingWhenUnfinished) {
  const TempFolder folder;
  const fs::path path = folder.path() / "a.gguf";
  {
    GgufWriter writer(path, {}, {{"norm", "F32", {3}}});
    EXPECT_THROW(writer.finish(), Error);
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_THROW(GgufWriter(path, {}, {{"norm", "Q8_0", {3}}}), Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace lyceum::formats
