#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"

namespace lyceum::text {
namespace {

using Ids = std::vector<int32_t>;

// A SentencePiece-style tokenizer of a few letters, with byte fallback, as Llama 2's is built.
std::string small_sentence_piece(const std::string& changes = {}) {
  json::object vocab{{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    vocab[name] = 3 + byte;
  }
  int next = 259;
  for (const char* token : {"▁", "a", "b", "c", "ab", "▁a", "▁ab", "abc"}) vocab[token] = next++;
  json::object file = parse_json(R"({
    "added_tokens": [
      {"id": 0, "content": "<unk>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
      {"id": 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
      {"id": 2, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    "pre_tokenizer": null,
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
      {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
      "merges": ["a b", "▁ a", "▁ ab", "ab c"]}})",
                                 "test")
                          .get_object();
  file["model"].get_object()["vocab"] = std::move(vocab);
  if (!changes.empty()) {
    const json::value patch = parse_json(changes, "patch");
    for (const auto& [key, value] : patch.get_object()) file[key] = value;
  }
  return json::serialize(file);
}

Code code_of(const std::string& tokenizer_json) {
  try {
    load_tokenizer_json(tokenizer_json);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "was accepted";
  return Code::internal;
}

TEST(Tokenizer, SentencePieceStyleMergesAndFallsBackToBytes) {
  const auto tokenizer = load_tokenizer_json(small_sentence_piece());
  EXPECT_EQ(tokenizer->encode("abc a"), (Ids{1, 265, 262, 264}));
  EXPECT_EQ(tokenizer->encode("é", {.add_special_tokens = false}), (Ids{259, 3 + 0xC3, 3 + 0xA9}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 265, 262, 264}), "abc a");
  EXPECT_EQ(tokenizer->decode(Ids{259, 3 + 0xC3, 3 + 0xA9}), "é");
  EXPECT_EQ(tokenizer->decode(Ids{3 + 0xC3, 260}),
            "\xEF\xBF\xBD"
            "a");
  EXPECT_EQ(tokenizer->vocab_size(), 267u);
  EXPECT_EQ(tokenizer->find_id("</s>"), 2);
  EXPECT_FALSE(tokenizer->find_id("nothing"));
  EXPECT_TRUE(tokenizer->is_special(1));
  EXPECT_FALSE(tokenizer->is_special(265));
  EXPECT_EQ(tokenizer->token(264), "▁a");
}

TEST(Tokenizer, SpecialTokensAreTextWhenNotParsed) {
  const auto tokenizer = load_tokenizer_json(small_sentence_piece());
  EXPECT_EQ(tokenizer->encode("a</s>", {.add_special_tokens = false}), (Ids{264, 2}));
  const Ids plain = tokenizer->encode("a</s>", {.add_special_tokens = false, .parse_special = false});
  EXPECT_EQ(std::ranges::count(plain, 2), 0);
  EXPECT_EQ(tokenizer->decode(plain), "a</s>");
}

TEST(Tokenizer, BrokenUtf8IsReadAsReplacementCharacters) {
  const auto tokenizer = load_tokenizer_json(small_sentence_piece());
  const EncodeOptions plain{.add_special_tokens = false};
  EXPECT_EQ(tokenizer->encode("a\xED\xA0\x80", plain), tokenizer->encode("a\uFFFD\uFFFD\uFFFD", plain));
  EXPECT_EQ(tokenizer->encode("\xF0\x9F\x98", plain), tokenizer->encode("\uFFFD", plain));
  EXPECT_EQ(tokenizer->encode("\xC0\x80", plain), tokenizer->encode("\uFFFD\uFFFD", plain));
}

TEST(Tokenizer, StreamedTextEqualsDecodedText) {
  const auto tokenizer = load_tokenizer_json(small_sentence_piece());
  Rng random(7);
  for (int round = 0; round < 300; ++round) {
    Ids ids;
    for (uint64_t i = random.below(12); i > 0; --i) {
      const bool letter = random.below(2) == 0;
      ids.push_back(static_cast<int32_t>(
          letter ? 259 + random.below(8) : 3 + (random.below(2) == 0 ? random.below(256) : 0x80 + random.below(0x70))));
    }
    StreamDecoder stream(*tokenizer, false);
    std::string text;
    for (const int32_t id : ids) text += stream.push(id);
    text += stream.finish();
    EXPECT_EQ(text, tokenizer->decode(ids, false)) << round;
  }
}

TEST(Tokenizer, AddedTokensTakeSpacesAndRespectWords) {
  const auto tokenizer = load_tokenizer_json(small_sentence_piece(R"({"normalizer": null, "added_tokens": [
    {"id": 267, "content": "[L]", "lstrip": true, "rstrip": false, "single_word": false, "normalized": false, "special": false},
    {"id": 268, "content": "[R]", "lstrip": false, "rstrip": true, "single_word": false, "normalized": false, "special": false},
    {"id": 269, "content": "ca", "lstrip": false, "rstrip": false, "single_word": true, "normalized": false, "special": false}]})"));
  const EncodeOptions plain{.add_special_tokens = false};
  EXPECT_EQ(tokenizer->encode("a  [L]b", plain), (Ids{260, 267, 261}));
  EXPECT_EQ(tokenizer->encode("a[R] \n b", plain), (Ids{260, 268, 261}));
  EXPECT_EQ(tokenizer->encode("ca", plain), (Ids{269}));
  EXPECT_EQ(tokenizer->encode("cab", plain), (Ids{262, 263}));
}

TEST(Tokenizer, LongWordIsNotQuadratic) {
  const auto tokenizer = load_tokenizer_json(small_sentence_piece());
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "ab";
  EXPECT_EQ(tokenizer->encode(text, {.add_special_tokens = false}).size(), 200'000u);
}

TEST(Tokenizer, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(code_of("{"), Code::invalid_argument);
  EXPECT_EQ(code_of("{}"), Code::invalid_argument);
  EXPECT_EQ(code_of(small_sentence_piece(R"({"normalizer": {"type": "Strange"}})")), Code::unsupported);
  EXPECT_EQ(code_of(small_sentence_piece(R"({"pre_tokenizer": {"type": "Strange"}})")), Code::unsupported);
  EXPECT_EQ(code_of(small_sentence_piece(R"({"decoder": {"type": "CTC"}})")), Code::unsupported);
  EXPECT_EQ(code_of(small_sentence_piece(R"({"post_processor": {"type": "Strange"}})")), Code::unsupported);
  EXPECT_EQ(code_of(R"({"model": {"type": "Strange", "vocab": {}}})"), Code::unsupported);
  EXPECT_EQ(code_of(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}})"),
            Code::unsupported);
  EXPECT_EQ(code_of(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}})"), Code::invalid_argument);
  EXPECT_EQ(code_of(R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})"), Code::invalid_argument);
  EXPECT_EQ(code_of(R"({"model": {"type": "BPE", "vocab": {"a": 99999999}, "merges": []}})"), Code::invalid_argument);
}

TEST(Tokenizer, WordPieceCoversOrGivesUp) {
  const auto tokenizer = load_tokenizer_json(R"({
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 10,
      "vocab": {"[UNK]": 0, "play": 1, "##ing": 2, "##ed": 3, ",": 4, "中": 5}}})");
  EXPECT_EQ(tokenizer->encode("PLAYing, pláyed 中中"), (Ids{1, 2, 4, 1, 3, 5, 5}));
  EXPECT_EQ(tokenizer->encode("playx playplayplay"), (Ids{0, 0}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 2, 4, 1, 3}), "playing, played");
}

TEST(Tokenizer, DecodesOnlyKnownIds) {
  const auto tokenizer = load_tokenizer_json(small_sentence_piece());
  EXPECT_EQ(tokenizer->decode(Ids{-1, 100000, 260}), "a");
  EXPECT_EQ(tokenizer->token(-1), "");
  EXPECT_EQ(tokenizer->decode({}), "");
}

}  // namespace
}  // namespace lyceum::text
