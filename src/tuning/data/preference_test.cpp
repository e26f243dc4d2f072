// Preference pairs: every form people write them in, what is labelled, what is refused; the loss by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "text/bpe_trainer.h"
#include "tuning/data/pack.h"
#include "tuning/data/preference_pairs.h"
#include "tuning/data/prepare.h"
#include "tuning/model/preference.h"
#include "tuning/write/model_writer.h"

namespace lyceum::tuning {
namespace {

constexpr std::string_view kTemplate =
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

std::shared_ptr<const text::Tokenizer> tiny_tokenizer() {
  text::BpeTrainerOptions options{.vocab_size = 300, .special_tokens = {}};
  for (const std::string_view special : kPretrainSpecials) options.special_tokens.emplace_back(special);
  return text::load_tokenizer_json(text::train_bpe({"hello there, what is it? user assistant\n"}, options));
}

class Preferences : public testing::Test {
 protected:
  std::vector<PreferencePair> load(const std::string& line) {
    write_file_durable(folder_.path() / "pairs.jsonl", line + "\n");
    return load_preferences(folder_.path() / "pairs.jsonl");
  }
  std::string error_of(const std::string& line) {
    try {
      load(line);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  TempFolder folder_;
};

TEST_F(Preferences, EveryFormGivesTheSamePair) {
  const std::string wanted_prompt = R"([{"role":"user","content":"hi"}])";
  for (const char* line : {R"({"prompt": "hi", "chosen": "good", "rejected": "bad"})",
                           R"({"prompt": [{"role": "user", "content": "hi"}], "chosen": [{"role": "assistant", "content": "good"}], "rejected": [{"role": "assistant", "content": "bad"}]})",
                           R"({"chosen": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "good"}], "rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "bad"}]})",
                           R"({"conversations": [{"from": "human", "value": "hi"}], "chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}})",
                           R"({"instruction": "hi", "input": "", "chosen": "good", "rejected": "bad"})"}) {
    const auto pairs = load(line);
    ASSERT_EQ(pairs.size(), 1u) << line;
    EXPECT_EQ(json::serialize(pairs[0].prompt), wanted_prompt) << line;
    EXPECT_EQ(pairs[0].chosen.at("content").as_string(), "good") << line;
    EXPECT_EQ(pairs[0].rejected.at("content").as_string(), "bad") << line;
  }
}

TEST_F(Preferences, WrongPairsAreRefusedByLineAndReason) {
  EXPECT_NE(error_of(R"({"prompt": "hi", "chosen": "good"})").find("line 1: a preference pair needs the keys 'chosen' and 'rejected'"), std::string::npos);
  EXPECT_NE(error_of(R"({"prompt": "hi", "chosen": "", "rejected": "x"})").find("an answer is empty"), std::string::npos);
  EXPECT_NE(error_of(R"({"chosen": "a", "rejected": "b"})").find("whole chats"), std::string::npos);
  EXPECT_NE(error_of(R"({"chosen": [{"role": "assistant", "content": "a"}], "rejected": [{"role": "assistant", "content": "b"}]})").find("no prompt"), std::string::npos);
  EXPECT_NE(error_of(R"({"prompt": "hi", "chosen": [{"role": "user", "content": "a"}], "rejected": "b"})").find("assistant's turns"), std::string::npos);
}

std::string learned(const Sample& sample, const text::Tokenizer& tokenizer) {
  std::string out;
  for (const json::value& span : marked_sample(sample, tokenizer)) {
    if (span.at("learned").as_bool()) out += std::string(span.at("text").as_string()) + "|";
  }
  return out;
}

TEST_F(Preferences, OnlyAnswersAreLearnedAndTheTwoDocumentsNeverMeet) {
  const auto tokenizer = tiny_tokenizer();
  // An earlier answer of the assistant is part of the prompt, not learned again.
  const auto pairs = load(R"({"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "hi"}], "chosen": "good", "rejected": "bad"})");
  PreferenceCounts counts;
  const text::ChatTemplate chat(kTemplate);
  const auto source = make_preference_source(pairs, &chat, *tokenizer, {}, {.sequence_length = 128}, counts);
  const Sample sample = source->make(0, 0);
  EXPECT_EQ(learned(sample, *tokenizer), "good<|im_end|>|bad<|im_end|>|");
  Row row;
  append_sample(row, sample);
  ASSERT_EQ(row.segments.size(), 2u);
  EXPECT_EQ(row.segments[0].end, sample.split);
  EXPECT_EQ(row.segments[1].begin, sample.split);
  EXPECT_EQ(row.targets[sample.split - 1], kNoTarget);
  size_t targets = 0;
  for (const int32_t target : row.targets) targets += target != kNoTarget;
  EXPECT_EQ(targets, sample.labels());
}

TEST_F(Preferences, PlainTextWithoutATemplateAndDropsThatAreCounted) {
  const auto tokenizer = tiny_tokenizer();
  auto pairs = load(R"({"prompt": "hi", "chosen": "good", "rejected": "bad"})");
  PreferenceCounts counts;
  EXPECT_EQ(learned(make_preference_source(pairs, nullptr, *tokenizer, {}, {.sequence_length = 64, .end_token = 0}, counts)->make(0, 0), *tokenizer), "good<|endoftext|>|bad<|endoftext|>|");
  pairs.push_back(load(R"({"prompt": "hi", "chosen": "same", "rejected": "same"})")[0]);
  pairs.push_back(load("{\"prompt\": \"hi\", \"chosen\": \"" + std::string(200, 'x') + "\", \"rejected\": \"bad\"}")[0]);
  counts = {};
  EXPECT_EQ(make_preference_source(pairs, nullptr, *tokenizer, {}, {.sequence_length = 64, .end_token = 0}, counts)->count(), 1u);
  EXPECT_EQ(counts.identical, 1u);
  EXPECT_EQ(counts.too_long, 1u);
  pairs.erase(pairs.begin());
  EXPECT_THROW(make_preference_source(pairs, nullptr, *tokenizer, {}, {.sequence_length = 64, .end_token = 0}, counts), Error);
  const auto messages = load(R"({"prompt": [{"role": "user", "content": "hi"}], "chosen": "good", "rejected": "bad"})");
  EXPECT_THROW(make_preference_source(messages, nullptr, *tokenizer, {}, {.sequence_length = 64, .end_token = 0}, counts), Error);
}

TEST_F(Preferences, OrpoLearnsTheChosenPromptButComparesTheAnswers) {
  const auto tokenizer = tiny_tokenizer();
  PreferenceCounts counts;
  const auto pairs = load(R"({"prompt": "hi", "chosen": "good", "rejected": "bad"})");
  const Sample sample = make_preference_source(pairs, nullptr, *tokenizer, {}, {.sequence_length = 64, .end_token = 0, .learn_chosen = true}, counts)->make(0, 0);
  EXPECT_EQ(learned(sample, *tokenizer), "hi|good<|endoftext|>|bad<|endoftext|>|");
  Row row;
  append_sample(row, sample);
  EXPECT_NE(row.targets[0], kNoTarget);
  EXPECT_EQ(row.answers[0], 0);
  EXPECT_EQ(row.answers[sample.split - 2], 1);
}

TEST(PreferenceLoss, OrpoIsTheFormulaAndItsSlopes) {
  const PreferenceOptions options = {.loss = PreferenceLoss::orpo, .beta = 0.7};
  const auto loss_at = [&](double chosen, double rejected) {
    PreferenceSums sums;
    add_pair(options, {chosen, rejected}, {}, sums);
    return sums.loss;
  };
  const auto odds = [](double logp) { return logp - std::log(1 - std::exp(logp)); };
  EXPECT_NEAR(loss_at(-0.4, -1.1), 0.7 * std::log(1 + std::exp(-(odds(-0.4) - odds(-1.1)))), 1e-12);
  PreferenceSums sums;
  const PairSlopes slopes = add_pair(options, {-0.4, -1.1}, {}, sums);
  EXPECT_NEAR(slopes.chosen, (loss_at(-0.4 + 1e-5, -1.1) - loss_at(-0.4 - 1e-5, -1.1)) / 2e-5, 1e-8);
  EXPECT_NEAR(slopes.rejected, (loss_at(-0.4, -1.1 + 1e-5) - loss_at(-0.4, -1.1 - 1e-5)) / 2e-5, 1e-8);
  add_pair(options, {0, -1e-12}, {}, sums);
  EXPECT_TRUE(std::isfinite(sums.loss));
}

TEST(PreferenceLoss, KtoIsTheFormulaAndItsSlope) {
  const PreferenceOptions options = {.loss = PreferenceLoss::kto, .beta = 0.4, .desirable_weight = 1.3, .undesirable_weight = 0.7};
  const auto loss_at = [&](double policy, bool desirable) {
    PreferenceSums sums;
    add_example(options, policy, -8.5, 0.6, desirable, sums);
    return sums.loss;
  };
  EXPECT_NEAR(loss_at(-7, true), 1.3 * (1 - 1 / (1 + std::exp(-0.4 * (1.5 - 0.6)))), 1e-12);
  EXPECT_NEAR(loss_at(-7, false), 0.7 * (1 - 1 / (1 + std::exp(-0.4 * (0.6 - 1.5)))), 1e-12);
  for (const bool desirable : {true, false}) {
    PreferenceSums sums;
    const double slope = add_example(options, -7, -8.5, 0.6, desirable, sums);
    EXPECT_NEAR(slope, (loss_at(-7 + 1e-5, desirable) - loss_at(-7 - 1e-5, desirable)) / 2e-5, 1e-8);
    EXPECT_NEAR(desirable ? sums.chosen_reward : sums.rejected_reward, 0.4 * 1.5, 1e-12);
  }
  PreferenceSums sums;
  add_example(options, -5000, -1, 0, true, sums);
  EXPECT_TRUE(std::isfinite(sums.loss));
}

TEST_F(Preferences, LabelledAnswersInEveryForm) {
  const auto examples = [&](const std::string& lines) {
    write_file_durable(folder_.path() / "kto.jsonl", lines);
    return load_labelled_answers(folder_.path() / "kto.jsonl");
  };
  const auto all = examples("{\"prompt\": \"hi\", \"completion\": \"good\", \"label\": true}\n"
                            "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"good\"}], \"kto_tag\": true}\n"
                            "{\"instruction\": \"hi\", \"output\": \"good\", \"label\": true}\n"
                            "{\"prompt\": \"hi\", \"chosen\": \"good\", \"rejected\": \"bad\"}\n");
  ASSERT_EQ(all.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(json::serialize(all[i].prompt), R"([{"role":"user","content":"hi"}])");
    EXPECT_EQ(all[i].desirable, i != 4);
    EXPECT_EQ(all[i].chosen.at("content").as_string(), i != 4 ? "good" : "bad");
  }
  EXPECT_THROW(examples("{\"prompt\": \"hi\", \"completion\": \"good\"}\n"), Error);

  const auto tokenizer = tiny_tokenizer();
  PreferenceCounts counts;
  const PreferenceSampleOptions options = {.sequence_length = 64, .end_token = 0, .examples = true};
  const auto source = make_preference_source(examples("{\"prompt\": \"hello\", \"chosen\": \"good\", \"rejected\": \"bad\"}\n{\"prompt\": \"what\", \"completion\": \"it\", \"label\": false}\n"), nullptr, *tokenizer, {}, options, counts);
  ASSERT_EQ(source->count(), 3u);
  EXPECT_EQ(counts.desirable, 1u);
  const Sample last = source->make(2, 0);
  EXPECT_FALSE(last.desirable);
  EXPECT_EQ(tokenizer->decode(last.ids, false), "whatit<|endoftext|>whatbad<|endoftext|>") << "its own answer, and the one before";
  EXPECT_EQ(tokenizer->decode(source->make(0, 0).ids, false), "hellogood<|endoftext|>helloit<|endoftext|>") << "the first takes the last one's";
  EXPECT_THROW(make_preference_source(examples("{\"prompt\": \"hello\", \"completion\": \"good\", \"label\": true}\n{\"prompt\": \"what\", \"completion\": \"it\", \"label\": true}\n"), nullptr, *tokenizer, {}, options, counts), Error);
}

TEST(PreferenceLoss, IsTheFormulaAndItsSlope) {
  const PreferenceOptions options = {.beta = 0.3, .label_smoothing = 0.1};
  const AnswerLogps reference = {-10, -12};
  const auto loss_at = [&](double chosen) {
    PreferenceSums sums;
    add_pair(options, {chosen, -11.5}, reference, sums);
    return sums.loss;
  };
  PreferenceSums sums;
  const double slope = add_pair(options, {-9, -11.5}, reference, sums).chosen;
  const double h = 0.3 * ((-9.0 + 11.5) - (-10.0 + 12.0));
  EXPECT_NEAR(sums.loss, -0.9 * std::log(1 / (1 + std::exp(-h))) - 0.1 * std::log(1 / (1 + std::exp(h))), 1e-12);
  EXPECT_NEAR(slope, (loss_at(-9 + 1e-5) - loss_at(-9 - 1e-5)) / 2e-5, 1e-8);
  EXPECT_NEAR(sums.chosen_reward, 0.3, 1e-12);
  EXPECT_NEAR(sums.rejected_reward, 0.15, 1e-12);
  EXPECT_EQ(sums.accuracy, 1.0);
  add_pair(options, {-5000, -1}, reference, sums);
  EXPECT_TRUE(std::isfinite(sums.loss));
}

}  // namespace
}  // namespace lyceum::tuning
