#include "text/bpe_trainer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/tokenizer.h"

namespace lyceum::text {
namespace {

const std::string kDocument =
    "def add(a, b):\n    return a + b\n\ndef sub(a, b):\n    return a - b\n# 你好 \xF0\x9F\x98\x80\n";

TEST(BpeTrainer, TrainedTokenizerRoundTrips) {
  BpeTrainerOptions options{.vocab_size = 300, .special_tokens = {"<|endoftext|>", "<|fim|>"}, .min_frequency = 2};
  const auto tokenizer = load_tokenizer_json(train_bpe({kDocument, kDocument}, options));
  const auto ids = tokenizer->encode(kDocument + "<|endoftext|>");
  EXPECT_LT(ids.size(), kDocument.size());
  EXPECT_EQ(ids.back(), 0);
  EXPECT_EQ(tokenizer->find_id("<|fim|>"), 1);
  EXPECT_EQ(tokenizer->decode(ids), kDocument);
  EXPECT_EQ(tokenizer->decode(ids, false), kDocument + "<|endoftext|>");
  EXPECT_LE(tokenizer->vocab_size(), 300u);
}

TEST(BpeTrainer, IsDeterministic) {
  const BpeTrainerOptions options{.vocab_size = 290, .special_tokens = {}, .min_frequency = 1};
  const std::string first = train_bpe({kDocument, "other text"}, options);
  EXPECT_EQ(first, train_bpe({"other text", kDocument}, options));
}

TEST(BpeTrainer, MergesTheCommonestPairFirst) {
  const BpeTrainerOptions options{.vocab_size = 258, .special_tokens = {}, .min_frequency = 1};
  const auto tokenizer = load_tokenizer_json(train_bpe({"xy xy xy zw zw"}, options));
  EXPECT_EQ(tokenizer->token(256), "xy");
}

TEST(BpeTrainer, StreamsWholeCharacters) {
  const BpeTrainerOptions options{.vocab_size = 256, .special_tokens = {}, .min_frequency = 2};
  const auto tokenizer = load_tokenizer_json(train_bpe({}, options));
  const std::string text =
      "a\xF0\x9F\x98\x80"
      "b\xE4\xBD\xA0";
  StreamDecoder stream(*tokenizer);
  std::vector<std::string> parts;
  for (const int32_t id : tokenizer->encode(text)) {
    if (std::string part = stream.push(id); !part.empty()) parts.push_back(part);
  }
  EXPECT_EQ(parts, (std::vector<std::string>{"a", "\xF0\x9F\x98\x80", "b", "\xE4\xBD\xA0"}));
  EXPECT_EQ(stream.finish(), "");
}

TEST(BpeTrainer, StreamsBrokenBytesLikeDecode) {
  const BpeTrainerOptions options{.vocab_size = 256, .special_tokens = {}, .min_frequency = 2};
  const auto tokenizer = load_tokenizer_json(train_bpe({}, options));
  uint64_t state = 1;
  for (int round = 0; round < 300; ++round) {
    std::vector<int32_t> ids;
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      ids.push_back(static_cast<int32_t>((state >> 40) % 256));
    }
    StreamDecoder stream(*tokenizer);
    std::string text;
    for (const int32_t id : ids) text += stream.push(id);
    EXPECT_EQ(text + stream.finish(), tokenizer->decode(ids)) << round;
  }
}

TEST(BpeTrainer, RefusesImpossibleOptions) {
  EXPECT_THROW(train_bpe({}, {.vocab_size = 100, .special_tokens = {}}), Error);
  EXPECT_THROW(train_bpe({}, {.vocab_size = 300, .special_tokens = {"<a>", "<a>"}}), Error);
}

}  // namespace
}  // namespace lyceum::text
