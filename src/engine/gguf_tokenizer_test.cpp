#include "engine/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include "text/tokenizer.h"

namespace lyceum::engine {
namespace {

using formats::GgufArray;
using formats::GgufHeader;

GgufArray strings(const std::vector<std::string>& values) {
  GgufArray array;
  for (const std::string& value : values) array.emplace_back().value = value;
  return array;
}

template <typename To, typename From>
GgufArray numbers(const std::vector<From>& values) {
  GgufArray array;
  for (const From value : values) array.emplace_back().value = static_cast<To>(value);
  return array;
}

std::unique_ptr<text::Tokenizer> load(const GgufHeader& header) {
  const auto found = find_gguf_tokenizer(header);
  EXPECT_TRUE(found.has_value());
  return text::load_tokenizer_json(found->tokenizer_json);
}

GgufHeader sentence_piece() {
  GgufHeader header;
  header.metadata["tokenizer.ggml.model"].value = std::string("llama");
  header.metadata["tokenizer.ggml.tokens"].value = strings({"<unk>", "<s>", "</s>", "<0x41>", "▁", "a", "b", "ab", "▁ab", "<|im_end|>"});
  header.metadata["tokenizer.ggml.scores"].value = numbers<double>(std::vector<double>{0, 0, 0, 0, -1, -2, -3, -4, -5, 0});
  header.metadata["tokenizer.ggml.token_type"].value = numbers<int64_t>(std::vector<int>{2, 3, 3, 6, 1, 1, 1, 1, 1, 4});
  header.metadata["tokenizer.ggml.bos_token_id"].value = uint64_t{1};
  header.metadata["tokenizer.ggml.eos_token_id"].value = uint64_t{2};
  return header;
}

TEST(GgufTokenizer, SentencePieceMergesFollowTheScores) {
  const auto tokenizer = load(sentence_piece());
  EXPECT_EQ(tokenizer->encode("ab ab"), (std::vector<int32_t>{1, 8, 8}));
  EXPECT_EQ(tokenizer->encode("A<|im_end|>"), (std::vector<int32_t>{1, 4, 3, 9}));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{1, 8, 8}), "ab ab");
}

TEST(GgufTokenizer, ByteLevelTakesTheListedMerges) {
  GgufHeader header;
  header.metadata["tokenizer.ggml.model"].value = std::string("gpt2");
  header.metadata["tokenizer.ggml.pre"].value = std::string("qwen2");
  header.metadata["tokenizer.ggml.tokens"].value = strings({"a", "b", "Ġ", "1", "ab", "Ġab", "<|endoftext|>"});
  header.metadata["tokenizer.ggml.token_type"].value = numbers<int64_t>(std::vector<int>{1, 1, 1, 1, 1, 1, 3});
  header.metadata["tokenizer.ggml.merges"].value = strings({"a b", "Ġ ab"});
  header.metadata["tokenizer.ggml.eos_token_id"].value = uint64_t{6};
  header.metadata["tokenizer.chat_template"].value = std::string("x");
  const auto tokenizer = load(header);
  EXPECT_EQ(tokenizer->encode("ab ab11<|endoftext|>"), (std::vector<int32_t>{4, 5, 3, 3, 6}));
  EXPECT_EQ(find_gguf_tokenizer(header)->chat_template, "x");
  EXPECT_EQ(find_gguf_tokenizer(header)->special_tokens.at("eos_token").as_string(), "<|endoftext|>");
}

TEST(GgufTokenizer, NamesWhatItDoesNotKnow) {
  GgufHeader header = sentence_piece();
  header.metadata["tokenizer.ggml.model"].value = std::string("bert");
  EXPECT_THROW(find_gguf_tokenizer(header), Error);
  header.metadata["tokenizer.ggml.model"].value = std::string("gpt2");
  header.metadata["tokenizer.ggml.pre"].value = std::string("viking");
  EXPECT_THROW(find_gguf_tokenizer(header), Error);
  EXPECT_FALSE(find_gguf_tokenizer(GgufHeader{}).has_value());
}

}  // namespace
}  // namespace lyceum::engine
