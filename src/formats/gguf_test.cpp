#include "formats/gguf.h"

#include <gtest/gtest.h>

#include <cstring>

#include "formats/llama2c.h"

namespace lyceum::formats {
namespace {

// Writes GGUF bytes field by field, so that each test can lie about one of them.
class Maker {
 public:
  template <typename T>
  Maker& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Maker& text(const std::string& value) {
    put<uint64_t>(value.size());
    bytes_ += value;
    return *this;
  }
  Maker& start(uint64_t tensors, uint64_t pairs, uint32_t version = 3) {
    bytes_ = "GGUF";
    return put(version).put(tensors).put(pairs);
  }
  Maker& pair_u32(const std::string& key, uint32_t value) { return text(key).put<uint32_t>(4).put(value); }
  Maker& tensor(const std::string& name, const std::vector<uint64_t>& shape, uint32_t type, uint64_t offset) {
    text(name).put(static_cast<uint32_t>(shape.size()));
    for (const uint64_t n : shape) put(n);
    return put(type).put(offset);
  }
  std::string data(size_t count, size_t alignment = 32) {
    bytes_.append((alignment - bytes_.size() % alignment) % alignment, '\0');
    return bytes_ + std::string(count, 'w');
  }

 private:
  std::string bytes_;
};

GgufHeader parse(const std::string& file) { return parse_gguf_header(as_bytes(file), file.size(), "m.gguf"); }

std::string problem_of(const std::string& file) {
  try {
    parse(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
void expect_problem(const std::string& file, const std::string& part) {
  const std::string problem = problem_of(file);
  EXPECT_NE(problem.find(part), std::string::npos) << "wanted: " << part << ", gave: " << problem;
}

std::string good_file() {
  Maker maker;
  maker.start(3, 5).text("general.architecture").put<uint32_t>(8).text("llama").pair_u32("llama.block_count", 2);
  maker.text("llama.rope.freq_base").put<uint32_t>(6).put(10000.0f).text("add_bos").put<uint32_t>(7).put<uint8_t>(1);
  maker.text("tokens").put<uint32_t>(9).put<uint32_t>(8).put<uint64_t>(2).text("a").text("b");
  maker.tensor("w", {32, 2}, 8, 0).tensor("k", {256}, 16, 96).tensor("odd", {5}, 77, 320);
  return maker.data(320);
}

TEST(Gguf, ReadsTypedMetadataAndTensors) {
  const auto header = parse(good_file());
  EXPECT_EQ(header.get_string("general.architecture"), "llama");
  EXPECT_EQ(header.get_int("llama.block_count"), 2);
  EXPECT_EQ(header.get_number("llama.rope.freq_base"), 10000.0);
  EXPECT_EQ(header.get_number("llama.block_count"), 2.0);
  EXPECT_EQ(header.find_bool("add_bos"), true);
  EXPECT_EQ(header.find_array("tokens")->size(), 2u);
  EXPECT_FALSE(header.find_int("absent"));
  EXPECT_THROW(header.get_int("general.architecture"), Error);
  EXPECT_THROW(header.get_string("absent"), Error);
  const GgufTensor* tensor = header.find_tensor("w");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->dtype, "Q8_0");
  EXPECT_TRUE(tensor->supported);
  EXPECT_EQ(tensor->end - tensor->begin, 68u);
  EXPECT_FALSE(header.find_tensor("k")->supported);
  EXPECT_EQ(header.find_tensor("odd")->dtype, "type 77");
}

TEST(Gguf, NamesTensorsItCannotUse) {
  const TempFolder folder;
  write_file_durable(folder.path() / "m.gguf", good_file());
  const GgufFile file(folder.path() / "m.gguf");
  EXPECT_EQ(file.get_supported("w").size(), 68u);
  try {
    file.get_supported("k");
    FAIL() << "IQ2_XXS was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_NE(std::string(error.what()).find("'k' is stored as IQ2_XXS"), std::string::npos);
  }
}

TEST(Gguf, RefusesLies) {
  expect_problem("GGML????????????????????", "not a GGUF file");
  expect_problem(Maker().start(0, 0, 1).data(0), "version 1");
  expect_problem(Maker().start(1ULL << 60, 0).data(0), "tensors, over the limit");
  expect_problem(Maker().start(0, 1ULL << 60).data(0), "metadata keys, over the limit");
  expect_problem(Maker().start(0, 1).put<uint64_t>(1ULL << 40).data(0), "metadata key of");
  expect_problem(Maker().start(0, 1).text("k").put<uint32_t>(99).data(8), "unknown type 99");
  expect_problem(Maker().start(0, 1).text("k").put<uint32_t>(9).put<uint32_t>(0).put<uint64_t>(1ULL << 50).data(0), "over the limit");
  expect_problem(Maker().start(0, 1).text("k").put<uint32_t>(9).put<uint32_t>(0).put<uint64_t>(1000).data(0), "truncated inside the array");
  expect_problem(Maker().start(0, 2).pair_u32("k", 1).pair_u32("k", 2).data(0), "'k' is given twice");
  expect_problem(Maker().start(1, 0).tensor("t", {8}, 0, 0).data(31), "truncated: tensor 't'");
  expect_problem(Maker().start(1, 0).tensor("t", {8}, 0, 4).data(64), "not aligned");
  expect_problem(Maker().start(2, 0).tensor("t", {16}, 0, 0).tensor("u", {16}, 0, 32).data(128), "'u' overlaps");
  expect_problem(Maker().start(2, 0).tensor("t", {8}, 0, 0).tensor("t", {8}, 0, 32).data(128), "'t' is given twice");
  expect_problem(Maker().start(1, 0).tensor("t", {33}, 8, 0).data(128), "not whole blocks");
  expect_problem(Maker().start(1, 0).tensor("t", {1ULL << 40, 1ULL << 40}, 0, 0).data(128), "beyond 2^64");
  expect_problem(Maker().start(1, 0).tensor("t", {1, 1, 1, 1, 1}, 0, 0).data(128), "5 dimensions");
  expect_problem(Maker().start(0, 1).pair_u32("general.alignment", 12).data(0), "power of two");
}

TEST(Gguf, RefusesDeepArrays) {
  Maker maker;
  maker.start(0, 1).text("k").put<uint32_t>(9);
  for (int i = 0; i < 50; ++i) maker.put<uint32_t>(9).put<uint64_t>(1);
  expect_problem(maker.data(64), "too deep");
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string file = good_file();
  for (size_t size = 0; size < file.size() - 14; ++size) EXPECT_NE(problem_of(file.substr(0, size)), "") << size;
}

std::string llama2c_file(int32_t vocab) {
  std::string file;
  const int32_t header[] = {8, 16, 2, 2, 1, vocab, 4};
  file.append(reinterpret_cast<const char*>(header), sizeof header);
  const size_t floats = 10 * 8 + 2 * (8 + 64 + 32 + 32 + 64 + 8 + 3 * 128) + 8 + 2 * 4 * 2 + (vocab < 0 ? 80 : 0);
  return file + std::string(floats * 4, '\0');
}

TEST(Llama2c, SplitsTheFileIntoTensors) {
  Llama2cTensors tensors;
  std::string file = llama2c_file(10);
  const auto config = parse_llama2c(as_bytes(file), "m.bin", tensors);
  EXPECT_EQ(config.vocab, 10u);
  EXPECT_TRUE(config.shared_head);
  EXPECT_EQ(tensors.head.data(), tensors.embedding.data());
  EXPECT_EQ(tensors.wk.size(), 2u);
  EXPECT_EQ(tensors.wk[1].size(), 4u * 8 * 4);
  file = llama2c_file(-10);
  EXPECT_FALSE(parse_llama2c(as_bytes(file), "m.bin", tensors).shared_head);
}

TEST(Llama2c, RefusesTruncationAndTrailingBytes) {
  Llama2cTensors tensors;
  const std::string file = llama2c_file(10);
  EXPECT_THROW(parse_llama2c(as_bytes(file).subspan(0, file.size() - 1), "m.bin", tensors), Error);
  EXPECT_THROW(parse_llama2c(as_bytes(file + "x"), "m.bin", tensors), Error);
  EXPECT_THROW(parse_llama2c(as_bytes("nonsense, and more of it than a header is long"), "m.bin", tensors), Error);
}

}  // namespace
}  // namespace lyceum::formats
