// What lies beside the weights: tokenizer, templates, end ids, fill-in-the-middle tokens.
#include "engine/assets.h"

#include <gtest/gtest.h>

#include <map>

#include "base/files.h"
#include "base/source_dir.h"
#include "engine/engine.h"
#include "engine/fim.h"
#include "engine/golden_files.h"

namespace lyceum::engine {
namespace {

// A golden model with a tokenizer of single letters and a few special tokens.
class OpenFolder : public testing::Test {
 protected:
  OpenFolder() {
    for (const char* name : {"config.json", "model.safetensors"}) fs::create_symlink(fs::canonical(goldens_folder() / "cases/llama_gqa_tied" / name), path(name));
    json::object vocab;
    for (int i = 0; i < 60; ++i) vocab[std::string(1, static_cast<char>('A' + i))] = i;
    json::array added;
    int id = 60;
    for (const char* token : {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>"}) {
      added.push_back({{"id", id++}, {"content", token}, {"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"normalized", false}, {"special", true}});
    }
    write("tokenizer.json", {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added}, {"normalizer", nullptr},
                             {"pre_tokenizer", nullptr}, {"post_processor", nullptr}, {"decoder", {{"type", "Fuse"}}},
                             {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"continuing_subword_prefix", nullptr},
                                        {"end_of_word_suffix", nullptr}, {"fuse_unk", false}, {"byte_fallback", false}, {"ignore_merges", false},
                                        {"vocab", vocab}, {"merges", json::array{}}}}});
  }

  fs::path path(const std::string& name) const { return folder_.path() / name; }
  void write(const std::string& name, const json::value& value) { write_file_durable(path(name), json::serialize(value)); }
  std::unique_ptr<Engine> open() { return Engine::open(folder_.path(), {.threads = 1}); }
  static text::ChatInputs hello() {
    text::ChatInputs inputs;
    inputs.messages = {{{"role", "user"}, {"content", "Hi"}}};
    return inputs;
  }

  TempFolder folder_;
};

constexpr const char* kTemplate =
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}";
const std::vector<int32_t> kRendered = {60, 62, 'H' - 'A', 'i' - 'A', 63, 62};

TEST_F(OpenFolder, GathersEveryEndId) {
  write("generation_config.json", {{"eos_token_id", {2, 63}}});
  write("tokenizer_config.json", {{"eos_token", {{"content", "</s>"}}}, {"bos_token", "<s>"}});
  EXPECT_EQ(open()->eos_ids(), (std::vector<int32_t>{2, 63, 61}));
}

TEST_F(OpenFolder, RendersTheTemplateOfTokenizerConfig) {
  write("tokenizer_config.json", {{"bos_token", "<s>"}, {"chat_template", kTemplate}});
  EXPECT_EQ(open()->render_chat(hello()), kRendered);
}

TEST_F(OpenFolder, TakesTheDefaultOfAListOfTemplates) {
  const json::value other = {{"name", "tool_use"}, {"template", "x"}}, normal = {{"name", "default"}, {"template", kTemplate}};
  write("tokenizer_config.json", {{"bos_token", "<s>"}, {"chat_template", json::array{other, normal}}});
  EXPECT_EQ(open()->render_chat(hello()), kRendered);
}

TEST_F(OpenFolder, PrefersTheTemplateFile) {
  write("tokenizer_config.json", {{"bos_token", "<s>"}, {"chat_template", "{{ raise_exception('the wrong one') }}"}});
  write_file_durable(path("chat_template.jinja"), kTemplate);
  EXPECT_EQ(open()->render_chat(hello()), kRendered);
}

TEST_F(OpenFolder, SaysWhenThereIsNoTemplate) {
  const auto engine = open();
  EXPECT_EQ(engine->chat_template(), nullptr);
  EXPECT_THROW(engine->render_chat(hello()), Error);
}

TEST_F(OpenFolder, SaysWhenThereIsNoTokenizer) {
  fs::remove(path("tokenizer.json"));
  EXPECT_THROW(open(), Error);
}

TEST_F(OpenFolder, FillsInTheMiddleWithPlainText) {
  std::vector<int32_t> stops;
  const auto prompt = open()->find_fim_prompt("AB", "C", {}, stops);
  ASSERT_TRUE(prompt.has_value());
  EXPECT_EQ(prompt->ids, (std::vector<int32_t>{64, 0, 1, 65, 2, 66}));
  EXPECT_NE(std::ranges::find(stops, 67), stops.end()) << "a file separator ends a middle";
}

TEST_F(OpenFolder, AsksInTheOrderThatTheModelRecords) {
  EXPECT_EQ(open()->fim_order(), FimOrder::prefix_first);
  json::object config = parse_json(read_file(path("config.json")), "config.json").as_object();
  fs::remove(path("config.json"));
  config["fim_order"] = "suffix_first";
  write("config.json", config);
  const auto engine = open();
  EXPECT_EQ(engine->fim_order(), FimOrder::suffix_first);
  std::vector<int32_t> stops;
  const auto prompt = engine->find_fim_prompt("A.", "C", {.order = engine->fim_order()}, stops);
  ASSERT_TRUE(prompt.has_value());
  EXPECT_EQ(prompt->ids, (std::vector<int32_t>{64, 65, 2, 66, 0}));   // the tokenizer knows no full stop
  config["fim_order"] = "spm";
  write("config.json", config);
  EXPECT_THROW(open(), Error);
}

TEST_F(OpenFolder, AnAnswerBeginsWithWhatIsGivenAndDoesNotShowIt) {
  const auto engine = open();
  const auto answer = [&](const std::string& given) {
    GenerateRequest request;
    request.prompt = engine->tokenizer().encode("AB");
    request.given = given;
    request.sampling.temperature = 0;
    request.max_tokens = 3;
    request.ignore_eos = true;
    std::string text;
    std::vector<int32_t> ids;
    engine->generate(request, [&](const GeneratedToken& token) {
      text += token.text;
      ids.push_back(token.id);
      return true;
    });
    return std::pair(text, ids);
  };
  const auto [text, ids] = answer("CA");
  ASSERT_GE(ids.size(), 3u);
  EXPECT_EQ(ids[0], 2);
  EXPECT_EQ(ids[1], 0);
  EXPECT_LE(text.size(), 3u);
  EXPECT_EQ(text, engine->tokenizer().decode(std::span(ids).subspan(2), true));
}

TEST(WholeTokensEnd, LeavesTheLastOpenTokenOut) {
  const auto engine = Engine::open(fs::path(kSourceDir) / "starter/model", {.threads = 1});
  const auto rest = [&](std::string_view text) { return text.substr(whole_tokens_end(engine->tokenizer(), text)); };
  EXPECT_EQ(rest("def f(x):\n    "), " ") << "a word's token begins with one space";
  EXPECT_EQ(rest("x = "), " ");
  EXPECT_EQ(rest("\t\t"), "\t");
  EXPECT_EQ(rest("self."), "");
  EXPECT_EQ(rest("f(x)\n"), "");
  EXPECT_EQ(rest(""), "");
  const std::string_view word = rest("    return self");
  EXPECT_TRUE(word == " self" || word == "self") << word;
}

// Knows a few tokens by name; every other character is one token.
class NamedTokenizer final : public text::Tokenizer {
 public:
  explicit NamedTokenizer(std::map<std::string, int32_t, std::less<>> names) : names_(std::move(names)) {}
  std::vector<int32_t> encode(std::string_view utf8, const text::EncodeOptions& options) const override {
    std::vector<int32_t> ids;
    if (options.add_special_tokens) ids.push_back(1);
    if (!utf8.empty() && names_.contains("▁<PRE>")) ids.push_back(32);  // SentencePiece's leading space
    for (const char c : utf8) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(std::span<const int32_t>, bool) const override { return ""; }
  size_t vocab_size() const override { return 400; }
  std::optional<int32_t> find_id(std::string_view token) const override {
    const auto found = names_.find(token);
    return found == names_.end() ? std::nullopt : std::optional(found->second);
  }
  std::string_view token(int32_t) const override { return ""; }
  bool is_special(int32_t) const override { return false; }

 private:
  std::map<std::string, int32_t, std::less<>> names_;
};

TEST(FimPrompt, KnowsTheFamilies) {
  const NamedTokenizer deepseek({{"<｜fim▁begin｜>", 300}, {"<｜fim▁hole｜>", 301}, {"<｜fim▁end｜>", 302}});
  const NamedTokenizer starcoder({{"<fim_prefix>", 300}, {"<fim_suffix>", 301}, {"<fim_middle>", 302}, {"<file_sep>", 303}});
  for (const NamedTokenizer* each : {&deepseek, &starcoder}) {
    std::vector<int32_t> stops;
    EXPECT_EQ(find_fim_prompt(*each, 1, {}, "p", "s", stops)->ids, (std::vector<int32_t>{1, 300, 'p', 301, 's', 302}));
    EXPECT_GE(stops.size(), 3u);
  }
}

TEST(FimPrompt, CodeLlamaSuffixGetsNoLeadingSpace) {
  const NamedTokenizer code_llama({{"▁<PRE>", 300}, {"▁<SUF>", 301}, {"▁<MID>", 302}, {"▁<EOT>", 303}});
  std::vector<int32_t> stops;
  EXPECT_EQ(find_fim_prompt(code_llama, 1, {}, "p", "s", stops)->ids, (std::vector<int32_t>{1, 300, 32, 'p', 301, 's', 302}));
  EXPECT_NE(std::ranges::find(stops, 303), stops.end());
}

TEST(FimPrompt, NeedsTheWholeSet) {
  const NamedTokenizer half({{"<fim_prefix>", 300}, {"<fim_suffix>", 301}});
  std::vector<int32_t> stops;
  EXPECT_FALSE(find_fim_prompt(half, -1, {}, "p", "s", stops).has_value());
}

}  // namespace
}  // namespace lyceum::engine
