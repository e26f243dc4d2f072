#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "engine/fim.h"
#include "text/bpe_trainer.h"
#include "tuning/data/chat.h"
#include "tuning/data/code_files.h"
#include "tuning/data/code_samples.h"
#include "tuning/data/prepare.h"
#include "tuning/write/model_writer.h"

namespace lyceum::tuning {
namespace {

const std::string kSource = "def add(first, second):\n    \"\"\"Añade dos números.\"\"\"\n    return first + second\n\n\nclass Käse:\n    pass\n";

std::shared_ptr<const text::Tokenizer> tiny_tokenizer() {
  text::BpeTrainerOptions options{.vocab_size = 320, .special_tokens = {}};
  for (const std::string_view special : kPretrainSpecials) options.special_tokens.emplace_back(special);
  return text::load_tokenizer_json(text::train_bpe({kSource, kSource}, options));
}

std::string decode(const text::Tokenizer& tokenizer, const std::vector<int32_t>& ids) { return tokenizer.decode(ids, false); }

TEST(Fim, BothOrdersHoldTheWholeText) {
  const auto tokenizer = tiny_tokenizer();
  const auto tokens = find_fim_tokens(*tokenizer);
  ASSERT_TRUE(tokens.has_value());
  const FimParts parts = {"ab", "cd", "ef"};
  EXPECT_EQ(decode(*tokenizer, fim_sample(*tokenizer, *tokens, parts, {.end = 0}).ids), "<|fim_prefix|>ab<|fim_suffix|>ef<|fim_middle|>cd<|endoftext|>");
  EXPECT_EQ(decode(*tokenizer, fim_sample(*tokenizer, *tokens, parts, {.spm = true, .end = 0}).ids), "<|fim_prefix|><|fim_suffix|>ef<|fim_middle|>abcd<|endoftext|>");
}

// What a model learns at a cut must be what it meets when it is asked there: a space that belongs to the next word's token is that token's.
TEST(Fim, SuffixFirstPrefixAndMiddleAreTokenisedAsOneText) {
  const auto tokenizer = tiny_tokenizer();
  const auto tokens = find_fim_tokens(*tokenizer);
  const text::EncodeOptions plain{false, false};
  const FimParts parts = {"def add(first, second):\n    ", "return first + second", "\n"};
  const auto text = tokenizer->encode("def add(first, second):\n    return first + second", plain), suffix = tokenizer->encode("\n", plain);
  std::vector<int32_t> wanted = {tokens->prefix, tokens->suffix};
  wanted.insert(wanted.end(), suffix.begin(), suffix.end());
  wanted.push_back(tokens->middle);
  wanted.insert(wanted.end(), text.begin(), text.end());
  wanted.push_back(0);
  EXPECT_EQ(fim_sample(*tokenizer, *tokens, parts, {.spm = true, .end = 0}).ids, wanted);
  EXPECT_NE(fim_sample(*tokenizer, *tokens, parts, {.spm = true, .whole_tokens = false, .end = 0}).ids, wanted);
  // And as the engine asks it.
  std::vector<int32_t> stops;
  const auto asked = engine::find_fim_prompt(*tokenizer, -1, {.order = engine::FimOrder::suffix_first}, parts.prefix, parts.suffix, stops);
  ASSERT_TRUE(asked.has_value());
  EXPECT_TRUE(std::equal(asked->ids.begin(), asked->ids.end(), wanted.begin()));
  EXPECT_EQ(asked->given, " ");
}

TEST(Fim, MiddleOnlyLabelsTheMiddleAndTheEnd) {
  const auto tokenizer = tiny_tokenizer();
  for (const bool spm : {false, true}) {
    const Sample sample = fim_sample(*tokenizer, *find_fim_tokens(*tokenizer), {"a.", "b", "c"}, {.spm = spm, .middle_only = true, .end = 0});
    EXPECT_EQ(sample.labels(), 2u);
    EXPECT_TRUE(sample.labelled.back());
  }
}

TEST(Fim, BlocksAreCutWhole) {
  const std::string text = "import os\n\n\ndef first(a):\n    if a:\n        b = 1\n\n        return b\n    return 2\n\n\ndef second():\n    pass\n";
  Rng rng(2);
  std::map<std::string, int> seen;
  for (int i = 0; i < 400; ++i) {
    const FimParts parts = cut_block(text, rng);
    EXPECT_EQ(std::string(parts.prefix) + std::string(parts.middle) + std::string(parts.suffix), text);
    ++seen[std::string(parts.middle)];
  }
  EXPECT_GT(seen["if a:\n        b = 1\n\n        return b\n    return 2"], 20) << "a function's body";
  EXPECT_GT(seen["b = 1\n\n        return b"], 20) << "the inner block";
  EXPECT_GT(seen["return b"], 2) << "a line";
}

TEST(CodeSource, SmallDataGivesSeveralMiddlesAPiece) {
  const auto tokenizer = tiny_tokenizer();
  std::string text;
  for (int i = 0; i < 60; ++i) text += kSource;
  const auto middles = [&](uint64_t rules) {
    const auto source = make_code_source(tokenizer, {text}, {.sequence_length = 256, .fim_rate = 0.5, .fim_rules = rules, .seed = 3});
    size_t count = 0;
    for (size_t epoch = 0; epoch < 20; ++epoch) {
      for (size_t i = 0; i < source->count(); ++i) {
        const Sample sample = source->make(i, epoch);
        EXPECT_LE(sample.ids.size(), 256u);
        count += !sample.ids.empty() && sample.ids[0] == 1;
      }
    }
    return count;
  };
  EXPECT_GT(middles(2), 2 * middles(1));
}

TEST(Fim, CutsLieBetweenCharacters) {
  Rng rng(1);
  for (int i = 0; i < 500; ++i) {
    for (const FimParts& parts : {cut_uniform(kSource, rng), cut_lines(kSource, rng), cut_block(kSource, rng)}) {
      EXPECT_EQ(std::string(parts.prefix) + std::string(parts.middle) + std::string(parts.suffix), kSource);
      for (const std::string_view part : {parts.middle, parts.suffix}) EXPECT_TRUE(part.empty() || (part[0] & 0xC0) != 0x80);
    }
  }
}

TEST(CodeSource, PiecesFitAndAreTheSameAgain) {
  const auto tokenizer = tiny_tokenizer();
  std::string text;
  for (int i = 0; i < 30; ++i) text += kSource;
  const CodeSampleOptions options = {.sequence_length = 64, .fim_rate = 0.5, .seed = 3};
  const auto source = make_code_source(tokenizer, {text, kSource}, options);
  const auto again = make_code_source(tokenizer, {text, kSource}, options);
  size_t samples = 0, with_fim = 0, changed = 0;
  for (size_t i = 0; i < source->count(); ++i) {
    const Sample sample = source->make(i, 0);
    EXPECT_LE(sample.ids.size(), 64u);
    EXPECT_EQ(sample.ids, again->make(i, 0).ids);
    if (sample.ids.empty()) continue;
    ++samples;
    with_fim += sample.ids[0] == 1;
    changed += sample.ids != source->make(i, 1).ids;
  }
  EXPECT_GT(with_fim, samples / 5);
  EXPECT_LT(with_fim, samples * 9 / 10);
  EXPECT_GT(changed, 0u);
}

TEST(CodeSource, TokenizerWithoutFimTokensIsRefused) {
  const std::shared_ptr<const text::Tokenizer> plain =
      text::load_tokenizer_json(text::train_bpe({kSource}, {.vocab_size = 300, .special_tokens = {"<|endoftext|>"}}));
  EXPECT_THROW(make_code_source(plain, {kSource}, {}), Error);
  EXPECT_EQ(make_code_source(plain, {kSource}, {.fim_rate = 0})->count(), 1u);
}

void write(const fs::path& path, const std::string& content) { write_file_durable(path, content); }

TEST(CodeFiles, EachDropHasItsReason) {
  const TempFolder folder;
  write(folder.path() / "a.py", kSource);
  write(folder.path() / "copy.py", kSource);
  write(folder.path() / "b.py", "x = 1\n# a second file, long enough\n");
  write(folder.path() / "binary.py", std::string("abc\0defghijklmnopqrstu", 22));
  write(folder.path() / "long.py", std::string(5000, 'x'));
  write(folder.path() / "image.png", "not source but long enough");
  write(folder.path() / "node_modules/m.js", "var x = 'vendored code';\n");
  write(folder.path() / "gen_pb2.py", "# some generated code here\n");
  write(folder.path() / "made.py", "# This file is @generated by a tool\n");
  const CodeFiles files = collect_code_files(folder.path(), {});
  ASSERT_EQ(files.train.size(), 2u);
  EXPECT_EQ(files.train[0].path, "a.py");
  EXPECT_EQ(files.dropped.at("exact duplicate"), 1u);
  EXPECT_EQ(files.dropped.at("not UTF-8 text"), 1u);
  EXPECT_EQ(files.dropped.at("has an over-long line"), 1u);
  EXPECT_EQ(files.dropped.at("marked as generated"), 1u);
  EXPECT_EQ(files.dropped.at("generated, minified or a lock file"), 1u);
  EXPECT_EQ(files.manifest_sha256, collect_code_files(folder.path(), {}).manifest_sha256);
}

TEST(CodeFiles, HoldoutByPathIsStable) {
  const TempFolder folder;
  for (int i = 0; i < 60; ++i) write(folder.path() / ("f" + std::to_string(i) + ".py"), "value = " + std::to_string(i) + "  # padding\n");
  const CodeFilter filter = {.holdout_fraction = 0.25};
  const CodeFiles before = collect_code_files(folder.path(), filter);
  EXPECT_GT(before.held_out.size(), 5u);
  EXPECT_LT(before.held_out.size(), 30u);
  write(folder.path() / "new.py", "value = 'a new file does not move the others'\n");
  const CodeFiles after = collect_code_files(folder.path(), filter);
  for (const CodeFile& file : before.held_out) {
    EXPECT_TRUE(std::any_of(after.held_out.begin(), after.held_out.end(), [&](const CodeFile& other) { return other.path == file.path; }));
  }
}

TEST(CodeFiles, HoldoutByTimeTakesTheLastChanged) {
  const TempFolder folder;
  const std::string git = "git -C " + folder.path().string() + " -c user.name=t -c user.email=t@t ";
  write(folder.path() / "old.py", "old = 'an old file of the project'\n");
  write(folder.path() / "older.py", "older = 'another old file here'\n");
  ASSERT_EQ(std::system((git + "init -q && " + git + "add . && GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' " + git + "commit -qm one").c_str()), 0);
  write(folder.path() / "new.py", "new = 'the newest file of them all'\n");
  ASSERT_EQ(std::system((git + "add . && " + git + "commit -qm two").c_str()), 0);
  write(folder.path() / "untracked.py", "x = 'git does not know this one'\n");
  const CodeFiles files = collect_code_files(folder.path(), {.holdout = Holdout::by_time, .holdout_fraction = 0.34});
  ASSERT_EQ(files.held_out.size(), 1u);
  EXPECT_EQ(files.held_out[0].path, "new.py");
  EXPECT_EQ(files.train.size(), 2u);
}

constexpr std::string_view kTemplate =
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

json::array chat(std::initializer_list<std::pair<const char*, const char*>> turns) {
  json::array out;
  for (const auto& [role, content] : turns) out.push_back(json::object{{"role", role}, {"content", content}});
  return out;
}

std::string learned_text(const Sample& sample, const text::Tokenizer& tokenizer) {
  std::string out;
  for (const json::value& span : marked_sample(sample, tokenizer)) {
    if (span.at("learned").as_bool()) out += std::string(span.at("text").as_string()) + "|";
  }
  return out;
}

TEST(Chat, OnlyAssistantTurnsAndTheirEndTokenAreLearned) {
  const auto tokenizer = tiny_tokenizer();
  const auto samples = chat_samples(chat({{"system", "sys"}, {"user", "hi"}, {"assistant", "hello"}, {"user", "more"}, {"assistant", "bye"}}),
                                    text::ChatTemplate(kTemplate), *tokenizer, {}, {}, "test");
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(learned_text(samples[0], *tokenizer), "hello<|im_end|>|bye<|im_end|>|");
}

TEST(Chat, TemplateThatRewritesHistoryGivesOneSamplePerTurn) {
  const auto tokenizer = tiny_tokenizer();
  const std::string shortening = "{{ messages|length }}" + std::string(kTemplate);
  EXPECT_THROW(chat_samples(chat({{"user", "a"}, {"assistant", "b"}}), text::ChatTemplate(shortening), *tokenizer, {}, {}, "test"), Error);
  const std::string last_only =
      "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if not loop.last or add_generation_prompt %}old {% endif %}"
      "{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  const auto samples = chat_samples(chat({{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}}), text::ChatTemplate(last_only), *tokenizer, {}, {}, "test");
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(learned_text(samples[0], *tokenizer), "b<|im_end|>|");
  EXPECT_EQ(learned_text(samples[1], *tokenizer), "d<|im_end|>|");
}

TEST(Chat, WithoutEndTokenOrAssistantIsRefused) {
  const auto tokenizer = tiny_tokenizer();
  const std::string no_end = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
  EXPECT_THROW(chat_samples(chat({{"user", "a"}, {"assistant", "b"}}), text::ChatTemplate(no_end), *tokenizer, {}, {}, "test"), Error);
  EXPECT_THROW(chat_samples(chat({{"user", "a"}}), text::ChatTemplate(kTemplate), *tokenizer, {}, {}, "test"), Error);
}

TEST(Chat, SamplesWhoseLabelsAreCutAwayAreDroppedAndAnEmptyRestIsAnError) {
  const auto tokenizer = tiny_tokenizer();
  const std::string longest(300, 'x');
  ChatCounts counts;
  const std::vector<json::array> chats = {chat({{"user", longest.c_str()}, {"assistant", "b"}}), chat({{"user", "a"}, {"assistant", "b"}})};
  EXPECT_EQ(make_chat_source(chats, text::ChatTemplate(kTemplate), *tokenizer, {}, {.sequence_length = 64}, counts)->count(), 1u);
  EXPECT_EQ(counts.dropped, 1u);
  EXPECT_THROW(make_chat_source({chats[0]}, text::ChatTemplate(kTemplate), *tokenizer, {}, {.sequence_length = 64}, counts), Error);
}

}  // namespace
}  // namespace lyceum::tuning
