#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

namespace lyceum::formats {
namespace {

std::string file_bytes(const std::string& header, size_t data_bytes) {
  std::string file(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data_bytes, '\x2a');
}

SafetensorsHeader parse(const std::string& file) { return parse_safetensors_header(as_bytes(file), file.size(), "m.safetensors"); }

// The message of the Error that parsing throws, or "" if it does not.
std::string problem_of(const std::string& file) {
  try {
    parse(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_problem(const std::string& header, size_t data_bytes, const std::string& part) {
  const std::string problem = problem_of(file_bytes(header, data_bytes));
  EXPECT_NE(problem.find(part), std::string::npos) << header << " gave: " << problem;
  EXPECT_EQ(problem.find("m.safetensors: "), 0u) << problem;
}

constexpr const char* kTwo = R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )";

TEST(SafetensorsHeader, ParsesTensorsMetadataAndCounts) {
  const auto header = parse(file_bytes(kTwo, 20));
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.find("b")->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(header.metadata.at("format"), "pt");
  EXPECT_EQ(header.parameters(), 8u);
  EXPECT_EQ(header.parameters_by_dtype(), (std::map<std::string, uint64_t>{{"BF16", 6}, {"F32", 2}}));
}

TEST(SafetensorsHeader, NeedsOnlyTheHeadersBytes) {
  const std::string file = file_bytes(kTwo, 20);
  const size_t head = safetensors_header_bytes(as_bytes(file).subspan(0, 8), "m");
  EXPECT_EQ(parse_safetensors_header(as_bytes(file).subspan(0, head), file.size(), "m").tensors.size(), 2u);
}

TEST(SafetensorsHeader, AcceptsScalarsEmptyTensorsAndEmptyFiles) {
  EXPECT_EQ(parse(file_bytes("{}", 0)).tensors.size(), 0u);
  EXPECT_EQ(parse(file_bytes(R"({"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})", 8)).parameters(), 1u);
  EXPECT_EQ(parse(file_bytes(R"({"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}})", 0)).parameters(), 0u);
}

TEST(SafetensorsHeader, RefusesLies) {
  expect_problem(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "tensor 'a' needs 8 bytes");
  expect_problem(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7, "truncated");
  expect_problem(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9, "1 bytes follow");
  expect_problem(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, "hole before tensor 'a'");
  expect_problem(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6, "'b' overlaps");
  expect_problem(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4, "'b' overlaps");
  expect_problem(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "beyond 2^64");
  expect_problem(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "not [begin, end]");
  expect_problem(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})", 8, "tensor 'a' needs 8 bytes");
  expect_problem(R"({"a":{"dtype":"Q7","shape":[2],"data_offsets":[0,8]}})", 8, "unknown dtype 'Q7'");
}

TEST(SafetensorsHeader, RefusesMalformedText) {
  expect_problem("", 0, "does not begin with '{'");
  expect_problem("[]", 0, "does not begin with '{'");
  expect_problem("{", 0, "not valid JSON");
  expect_problem("{}x", 0, "text follows");
  expect_problem(R"({"a":1})", 0, "number where none belongs");
  expect_problem(R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks one of");
  expect_problem(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative");
  expect_problem(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "not whole");
  expect_problem(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "list where");
  expect_problem(R"({"a":{"dtype":{},"shape":[1],"data_offsets":[0,4]}})", 4, "object where");
  expect_problem(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "unknown field 'x'");
  expect_problem(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0, "'a' is given twice");
  expect_problem(R"({"__metadata__":{"a":1}})", 0, "__metadata__ holds a number");
  EXPECT_NE(problem_of("short").find("too short"), std::string::npos);
  std::string huge(8, '\xff');
  EXPECT_NE(problem_of(huge).find("100 MB"), std::string::npos);
}

TEST(SafetensorsHeader, RefusesEveryTruncation) {
  const std::string file = file_bytes(kTwo, 20);
  for (size_t size = 0; size < file.size(); ++size) EXPECT_NE(problem_of(file.substr(0, size)), "") << size;
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const TempFolder folder;
  const fs::path path = folder.path() / "out.safetensors";
  const std::vector<SafetensorsSpec> specs = {{"z", "F32", {2, 2}}, {"h", "BF16", {3}}, {"a", "F32", {1}}, {"i", "I64", {}}};
  const std::string data(16, 'd');
  write_safetensors(path, specs, {{"b", "2"}, {"a", "1"}}, [&](const SafetensorsSpec& spec) {
    uint64_t bytes = safetensors_dtype_bytes(spec.dtype);
    for (const uint64_t n : spec.shape) bytes *= n;
    return as_bytes(data).subspan(0, bytes);
  });
  const std::string text = read_file(path);
  const std::string expected =
      R"({"__metadata__":{"a":"1","b":"2"},"i":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
      R"("z":{"dtype":"F32","shape":[2,2],"data_offsets":[12,28]},"h":{"dtype":"BF16","shape":[3],"data_offsets":[28,34]}})";
  EXPECT_EQ(text.substr(8, expected.size()), expected);
  EXPECT_EQ((text.size() - 34) % 8, 0u);
  const SafetensorsFile file(path);
  EXPECT_EQ(file.header().tensors.size(), 4u);
  EXPECT_EQ(file.bytes(*file.header().find("h")).size(), 6u);
  EXPECT_FALSE(fs::exists(path.string() + ".partial"));
}

TEST(SafetensorsWriter, RefusesAWrongAmountOfData) {
  const TempFolder folder;
  const fs::path path = folder.path() / "out.safetensors";
  {
    SafetensorsWriter writer(path, {{"a", "F32", {4}}}, {});
    writer.append(as_bytes("only"));
    EXPECT_THROW(writer.finish(), Error);
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(path.string() + ".partial"));
}

class ShardedModel : public ::testing::Test {
 protected:
  ShardedModel() {
    write("model-00001-of-00002.safetensors", "a");
    write("model-00002-of-00002.safetensors", "b");
  }
  void write(const std::string& name, const std::string& tensor) const {
    write_safetensors(folder_.path() / name, {{tensor, "F32", {1}}}, {}, [](const SafetensorsSpec&) { return as_bytes("1234"); });
  }
  void index(const std::string& map) const { write_file_durable(folder_.path() / "model.safetensors.index.json", "{\"weight_map\":" + map + "}"); }
  std::string problem() const {
    try {
      const SafetensorsModel model(folder_.path());
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  TempFolder folder_;
};

TEST_F(ShardedModel, FindsTensorsInTheirShards) {
  index(R"({"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"})");
  const SafetensorsModel model(folder_.path());
  EXPECT_EQ(model.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(model.get("b").file->filename(), "model-00002-of-00002.safetensors");
  EXPECT_EQ(as_text(model.get("b").bytes), "1234");
  EXPECT_FALSE(model.find("c"));
  EXPECT_THROW(model.get("c"), Error);
}

TEST_F(ShardedModel, RefusesALyingIndex) {
  EXPECT_NE(problem().find("several"), std::string::npos);
  index(R"({"a":"model-00002-of-00002.safetensors"})");
  EXPECT_NE(problem().find("'a' is not in"), std::string::npos);
  index(R"({"a":"../../etc/passwd"})");
  EXPECT_NE(problem().find("not a file name"), std::string::npos);
  index(R"({"a":"gone.safetensors"})");
  EXPECT_NE(problem().find("gone.safetensors"), std::string::npos);
  index(R"([])");
  EXPECT_NE(problem().find("weight_map"), std::string::npos);
}

}  // namespace
}  // namespace lyceum::formats
