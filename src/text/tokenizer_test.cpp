#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "text/bpe_trainer.h"

namespace lyceum::text {
namespace {

TEST(BpeTrainer, TrainedTokenizerRoundTrips) {
  const std::string document = "def add(a, b):\n    return a + b\n\ndef sub(a, b):\n    return a - b\n";
  BpeTrainerOptions options;
  options.vocab_size = 300;
  options.special_tokens = {"<|endoftext|>"};
  const std::string json = train_bpe({document, document}, options);
  EXPECT_EQ(json, train_bpe({document, document}, options));
  const auto tokenizer = load_tokenizer_json(json);
  const auto ids = tokenizer->encode(document + "<|endoftext|>");
  EXPECT_LT(ids.size(), document.size());
  EXPECT_EQ(ids.back(), 0);
  EXPECT_EQ(tokenizer->decode(ids), document);
  EXPECT_EQ(tokenizer->decode(ids, false), document + "<|endoftext|>");
}

}  // namespace
}  // namespace lyceum::text
