#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "text/tokenizer.h"

namespace lyceum::text {
namespace {

struct Entry {
  std::string text;
  float score;
};

std::string file_of(const std::vector<Entry>& entries) {
  std::string file(4, '\0');
  for (const Entry& entry : entries) {
    const auto length = static_cast<int32_t>(entry.text.size());
    char header[8];
    std::memcpy(header, &entry.score, 4);
    std::memcpy(header + 4, &length, 4);
    file.append(header, 8).append(entry.text);
  }
  return file;
}

std::vector<Entry> small_vocabulary() {
  std::vector<Entry> entries = {{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    entries.push_back({name, 0});
  }
  float score = 0;
  for (const char* text : {"ab", " a", "bc", " ab", "abc", " ", "a", "b", "c"}) entries.push_back({text, score--});
  return entries;
}

// llama2.c's own way: look through all pairs, merge the best, again.
std::vector<int32_t> merge_slowly(const std::vector<Entry>& vocabulary, std::vector<int32_t> ids) {
  while (true) {
    float best = -1e10f;
    size_t at = ids.size();
    int32_t merged = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const std::string text =
          vocabulary[static_cast<size_t>(ids[i])].text + vocabulary[static_cast<size_t>(ids[i + 1])].text;
      for (size_t id = 0; id < vocabulary.size(); ++id) {
        if (vocabulary[id].text == text && vocabulary[id].score > best) {
          best = vocabulary[id].score;
          at = i;
          merged = static_cast<int32_t>(id);
        }
      }
    }
    if (at == ids.size()) return ids;
    ids[at] = merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(Llama2cTokenizer, MergesByScoreLikeTheSlowWay) {
  const auto vocabulary = small_vocabulary();
  const auto tokenizer = load_llama2c_tokenizer(file_of(vocabulary), vocabulary.size());
  const auto id_of = [&](char c) { return *tokenizer->find_id(std::string(1, c)); };
  uint64_t state = 3;
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      text.push_back("abc "[(state >> 40) % 4]);
    }
    std::vector<int32_t> start{id_of(' ')};
    for (const char c : text) start.push_back(id_of(c));
    EXPECT_EQ(tokenizer->encode(text, {.add_special_tokens = false}), merge_slowly(vocabulary, start)) << text;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

TEST(Llama2cTokenizer, UsesBytesForUnknownCharacters) {
  const auto vocabulary = small_vocabulary();
  const auto tokenizer = load_llama2c_tokenizer(file_of(vocabulary), vocabulary.size());
  EXPECT_EQ(tokenizer->encode("é"), (std::vector<int32_t>{1, 264, 3 + 0xC3, 3 + 0xA9}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("aé b")), "aé b");
  EXPECT_EQ(tokenizer->encode(""), (std::vector<int32_t>{1}));
  EXPECT_EQ(tokenizer->find_id("</s>"), 2);
}

TEST(Llama2cTokenizer, RefusesTruncatedAndOversizedFiles) {
  const auto vocabulary = small_vocabulary();
  const std::string file = file_of(vocabulary);
  EXPECT_THROW(load_llama2c_tokenizer(file.substr(0, file.size() - 1), vocabulary.size()), Error);
  EXPECT_THROW(load_llama2c_tokenizer(file, vocabulary.size() - 1), Error);
  EXPECT_THROW(load_llama2c_tokenizer(file, 10), Error);
}

}  // namespace
}  // namespace lyceum::text
