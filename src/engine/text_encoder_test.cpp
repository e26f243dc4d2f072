#include "engine/text_encoder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace lyceum::engine {
namespace {

constexpr uint64_t kHidden = 8, kMiddle = 12, kVocab = 40, kPositions = 12;

// A cross-encoder of two layers with random weights, whose tokenizer knows letters.
class TinyEncoder : public testing::Test {
 protected:
  TinyEncoder() {
    json::object config{{"architectures", {"BertForSequenceClassification"}}, {"model_type", "bert"}, {"num_hidden_layers", 2}, {"hidden_size", kHidden}, {"intermediate_size", kMiddle},
                        {"num_attention_heads", 2}, {"vocab_size", kVocab}, {"max_position_embeddings", kPositions}, {"type_vocab_size", 2}, {"id2label", {{"0", "LABEL_0"}}}};
    write("config.json", config);
    json::object vocab{{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}};
    for (int i = 0; i < 26; ++i) vocab[std::string(1, static_cast<char>('a' + i))] = 3 + i;
    write("tokenizer.json", json::object{{"added_tokens", json::array{}}, {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}}, {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                                         {"post_processor", {{"type", "BertProcessing"}, {"sep", {"[SEP]", 2}}, {"cls", {"[CLS]", 1}}}},
                                         {"model", {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"continuing_subword_prefix", "##"}, {"max_input_chars_per_word", 10}, {"vocab", vocab}}}});
    write_weights();
  }

  void write_weights() {
    std::vector<formats::SafetensorsSpec> specs;
    const auto add = [&](const std::string& name, std::vector<uint64_t> shape) { specs.push_back({name, "F32", std::move(shape)}); };
    const auto linear = [&](const std::string& name, uint64_t rows, uint64_t columns) {
      add(name + ".weight", {rows, columns});
      add(name + ".bias", {rows});
    };
    const auto norm = [&](const std::string& name) {
      add(name + ".weight", {kHidden});
      add(name + ".bias", {kHidden});
    };
    const std::string embeddings = "bert.embeddings.";
    add(embeddings + "word_embeddings.weight", {kVocab, kHidden});
    add(embeddings + "position_embeddings.weight", {kPositions, kHidden});
    add(embeddings + "token_type_embeddings.weight", {2, kHidden});
    norm(embeddings + "LayerNorm");
    for (int i = 0; i < 2; ++i) {
      const std::string layer = "bert.encoder.layer." + std::to_string(i) + ".";
      for (const char* name : {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"}) linear(layer + name, kHidden, kHidden);
      norm(layer + "attention.output.LayerNorm");
      linear(layer + "intermediate.dense", kMiddle, kHidden);
      linear(layer + "output.dense", kHidden, kMiddle);
      norm(layer + "output.LayerNorm");
    }
    linear("bert.pooler.dense", kHidden, kHidden);
    linear("classifier", 1, kHidden);
    std::vector<float> values(kVocab * kHidden);
    uint32_t state = 1;
    formats::write_safetensors(folder_.path() / "model.safetensors", specs, {}, [&](const formats::SafetensorsSpec& spec) {
      size_t count = 1;
      for (const uint64_t size : spec.shape) count *= size;
      for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>((state = state * 1664525u + 1013904223u) >> 16) / 65536.0f - 0.5f;
      return std::as_bytes(std::span(values.data(), count));
    });
  }

  void write(const std::string& name, const json::value& value) { write_file_durable(folder_.path() / name, json::serialize(value)); }
  std::unique_ptr<TextEncoder> open(unsigned threads = 1) { return TextEncoder::open(folder_.path(), threads); }

  TempFolder folder_;
};

TEST_F(TinyEncoder, GivesATextTheSameVectorWhateverIsBesideIt) {
  const auto encoder = open(), other = open(3);
  const std::vector<EncoderInput> texts{encoder->encode("a b c", false), encoder->encode("z", false), encoder->encode("q w e r t y", false)};
  const auto together = encoder->embed(texts);
  EXPECT_EQ(other->embed(texts), together);
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(encoder->embed({&texts[i], 1})[0], together[i]);
  EXPECT_NE(together[0], together[1]);
}

TEST_F(TinyEncoder, CutsAsTheReference) {
  const auto encoder = open();
  EXPECT_EQ(encoder->encode("a b", false).ids, (std::vector<int32_t>{1, 3, 4, 2}));
  EXPECT_EQ(encoder->encode("a b c d e f g h i j k l", true).ids, (std::vector<int32_t>{1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 2}));
  const EncoderInput pair = encoder->encode_pair("a b", "c d e f g h i j k l", true);   // the longer of the two gives way
  EXPECT_EQ(pair.ids, (std::vector<int32_t>{1, 3, 4, 2, 5, 6, 7, 8, 9, 10, 11, 2}));
  EXPECT_EQ(pair.second, 4u);
  const EncoderInput whole = encoder->encode("a b c d e f g h i j k l", false);
  EXPECT_THROW(encoder->embed({&whole, 1}), Error);
}

TEST_F(TinyEncoder, NormalisesWhenItsModulesSaySo) {
  const auto plain = open()->embed(std::vector{open()->encode("a b", false)})[0];
  write("modules.json", json::array{{{"idx", 0}, {"path", ""}, {"type", "sentence_transformers.models.Transformer"}}, {{"idx", 1}, {"path", ""}, {"type", "sentence_transformers.models.Normalize"}}});
  const auto encoder = open();
  const auto unit = encoder->embed(std::vector{encoder->encode("a b", false)})[0];
  double squares = 0, length = 0;
  for (size_t i = 0; i < unit.size(); ++i) {
    squares += static_cast<double>(unit[i]) * static_cast<double>(unit[i]);
    length += static_cast<double>(plain[i]) * static_cast<double>(plain[i]);
  }
  EXPECT_NEAR(squares, 1, 1e-6);
  EXPECT_NEAR(plain[0] / std::sqrt(length), static_cast<double>(unit[0]), 1e-6);
  write("modules.json", json::array{{{"idx", 0}, {"path", "2_Dense"}, {"type", "sentence_transformers.models.Dense"}}});
  EXPECT_THROW(open(), Error);
  write("modules.json", json::array{{{"idx", 0}, {"path", "../x"}, {"type", "sentence_transformers.models.Pooling"}}});
  EXPECT_THROW(open(), Error);
}

TEST_F(TinyEncoder, RanksPairsByTheirOrder) {
  const auto encoder = open();
  ASSERT_TRUE(encoder->ranks());
  const std::vector<EncoderInput> pairs{encoder->encode_pair("a", "b c", false), encoder->encode_pair("b c", "a", false)};
  const auto scores = encoder->rank(pairs);
  EXPECT_NE(scores[0], scores[1]);
  EXPECT_EQ(encoder->rank({&pairs[1], 1})[0], scores[1]);
}

TEST(EncoderConfig, NamesWhatIsNotImplemented) {
  const auto read = [](const std::string& more) { return models::read_encoder_config(R"({"architectures":["BertModel"])" + more + "}"); };
  EXPECT_EQ(read("").hidden, 768u);
  EXPECT_EQ(read(R"(,"max_position_embeddings":64)").context(), 64u);
  for (const char* bad : {R"(,"hidden_act":"relu")", R"(,"position_embedding_type":"relative_key")", R"(,"is_decoder":true)", R"(,"hidden_size":770)", R"(,"num_hidden_layers":0)"}) EXPECT_THROW(read(bad), Error) << bad;
  EXPECT_THROW(models::read_encoder_config(R"({"architectures":["DebertaModel"]})"), Error);
}

}  // namespace
}  // namespace lyceum::engine
