#include "api/openai/tool_format.h"

#include <gtest/gtest.h>

#include "api/openai/fake_engine.h"
#include "base/json.h"
#include "grammar/constraint.h"

namespace lyceum::api {
namespace {

const ToolFormat& format(const std::string& hint) {
  const ToolFormat* found = find_tool_format(text::ChatTemplate("{# tools " + hint + " #}"));
  EXPECT_NE(found, nullptr) << hint;
  return *found;
}
const ToolFormat& hermes() { return format("<tool_call>"); }
const ToolFormat& mistral() { return format("[TOOL_CALLS]["); }
const ToolFormat& llama() { return format("\"parameters\": dictionary of argument name and its value"); }

// Bytes, and two special tokens.
class MarkedTokenizer final : public text::Tokenizer {
 public:
  std::vector<int32_t> encode(std::string_view, const text::EncodeOptions&) const override { return {}; }
  std::string decode(std::span<const int32_t> ids, bool) const override {
    std::string out;
    for (const int32_t id : ids) out += static_cast<char>(id);
    return out;
  }
  size_t vocab_size() const override { return 258; }
  std::optional<int32_t> find_id(std::string_view token) const override {
    if (token == "[TOOL_CALLS]") return 256;
    return token == "<|python_tag|>" ? std::optional<int32_t>(257) : std::nullopt;
  }
  std::string_view token(int32_t id) const override { return id == 256 ? "[TOOL_CALLS]" : id == 257 ? "<|python_tag|>" : "?"; }
  bool is_special(int32_t id) const override { return id >= 256; }
};

const std::vector<ToolFunction>& functions() {
  static const std::vector<ToolFunction> kFunctions = {{"weather", parse_json(R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]})", "schema"), true},
                                                       {"now", nullptr, std::nullopt},
                                                       {"free", nullptr, false}};
  return kFunctions;
}

// \1 stands for [TOOL_CALLS], \2 for <|python_tag|> as tokens.
bool allows(const ToolFormat& format, ToolUse use, const std::string& text, bool several = true) {
  const MarkedTokenizer tokenizer;
  grammar::Matcher matcher(std::make_shared<grammar::Constraint>(grammar::compile(tool_grammar(format, tokenizer, functions(), use, several)), std::make_shared<grammar::TokenTrie>(tokenizer, 258)));
  for (const char c : text) {
    const int32_t id = c == '\1' ? 256 : c == '\2' ? 257 : static_cast<unsigned char>(c);
    if (!matcher.accept(id)) return false;
  }
  return matcher.may_end();
}

TEST(ToolFormat, HermesIsTextThenCallsWhoseArgumentsFit) {
  const std::string call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call>";
  const std::string now = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
  for (const std::string& good : {std::string(), std::string("Hello <tool_cal <tool"), call, "Well <<tool_<tool_call>\n" + call.substr(12), call + "\n" + now}) EXPECT_TRUE(allows(hermes(), ToolUse::allowed, good)) << good;
  for (const std::string& bad : {std::string("<tool_call>"), std::string("a<tool_call> and more"), call + " and more", std::string("<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>"),
                                 std::string("<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"days\": 1}}\n</tool_call>"), "\1" + call}) {
    EXPECT_FALSE(allows(hermes(), ToolUse::allowed, bad)) << bad;
  }
  EXPECT_FALSE(allows(hermes(), ToolUse::allowed, call + "\n" + now, false));
  EXPECT_TRUE(allows(hermes(), ToolUse::required, call));
  EXPECT_FALSE(allows(hermes(), ToolUse::required, ""));
  EXPECT_FALSE(allows(hermes(), ToolUse::required, "Well " + call));
  EXPECT_TRUE(allows(hermes(), ToolUse::required, "<tool_call>\n{\"name\": \"free\", \"arguments\": {\"any\": [1]}}\n</tool_call>"));
}

TEST(ToolFormat, MistralBeginsCallsWithTheSpecialTokenOnly) {
  const std::string calls = "[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"weather\", \"arguments\": {\"city\":\"x\",\"days\":2}}]";
  EXPECT_TRUE(allows(mistral(), ToolUse::allowed, "text [TOOL_CALL"));
  EXPECT_TRUE(allows(mistral(), ToolUse::allowed, "text \1" + calls));
  EXPECT_TRUE(allows(mistral(), ToolUse::required, "\1" + calls));
  EXPECT_FALSE(allows(mistral(), ToolUse::allowed, "text [TOOL_CALLS]"));
  EXPECT_FALSE(allows(mistral(), ToolUse::allowed, "\1"));
  EXPECT_FALSE(allows(mistral(), ToolUse::allowed, "\1\1" + calls));
  EXPECT_FALSE(allows(mistral(), ToolUse::required, calls));
  EXPECT_FALSE(allows(mistral(), ToolUse::required, grammar::special_token_bytes(256) + calls)) << "spelled with tokens of bytes";
}

TEST(ToolFormat, LlamaIsTextOrOneCall) {
  const std::string call = "{\"name\": \"weather\", \"parameters\": {\"city\": \"Bern\"}}";
  for (const std::string& good : {call, "\2" + call, std::string("Hello " + call), std::string("{\"name"), std::string("{\"other\": 1}"), std::string("<|python")}) EXPECT_TRUE(allows(llama(), ToolUse::allowed, good)) << good;
  for (const std::string& bad : {call + call, std::string("{\"name\": \"other\""), std::string("\2"), std::string("<|python_tag|>" + call), call + "x"}) EXPECT_FALSE(allows(llama(), ToolUse::allowed, bad)) << bad;
  EXPECT_TRUE(allows(llama(), ToolUse::required, "\2" + call));
  EXPECT_FALSE(allows(llama(), ToolUse::required, "Hello"));
}

// content as it is, [name(arguments)] for each call; the same however the text is cut.
std::string shown(const ToolFormat& format, const std::string& text) {
  std::string first;
  for (const size_t step : {text.size() + 1, size_t{1}, size_t{3}}) {
    ToolParser parser(format);
    std::vector<ToolParser::Piece> pieces;
    const auto take = [&](std::vector<ToolParser::Piece> more) { pieces.insert(pieces.end(), more.begin(), more.end()); };
    for (size_t i = 0; i < text.size(); i += step) take(parser.push(std::string_view(text).substr(i, step)));
    take(parser.finish());
    std::string out;
    size_t open = 0;
    for (const auto& piece : pieces) {
      using Kind = ToolParser::Piece::Kind;
      if (piece.kind == Kind::call) out += (open++ > 0 ? ")" : "") + std::string("|") + piece.text + "(";
      if (piece.kind != Kind::call) out += piece.text;
      if (piece.kind != Kind::content) {
        EXPECT_EQ(piece.call + 1, open);
      }
    }
    if (step > text.size()) first = out;
    EXPECT_EQ(out, first) << step;
    EXPECT_EQ(parser.calls(), open);
  }
  return first;
}

TEST(ToolParser, TakesCallsApartHoweverTheyAreCut) {
  EXPECT_EQ(shown(hermes(), "Just <text> <tool_"), "Just <text> <tool_");
  EXPECT_EQ(shown(hermes(), "Hm.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"{\", \"b\": [{}]}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>"),
            "Hm.\n|f({\"a\": \"}\\\"{\", \"b\": [{}]})|g({}");
  EXPECT_EQ(shown(hermes(), "\n <tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"), "|f({}") << "white space before a call is no content";
  EXPECT_EQ(shown(hermes(), "\n"), "\n");
  EXPECT_EQ(shown(hermes(), "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"cut"), "|f({\"cut");
  EXPECT_EQ(shown(hermes(), "<tool_call> is a tag"), "<tool_call> is a tag");
  EXPECT_EQ(shown(mistral(), "a[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"x\": 1}}, {\"name\": \"g\", \"arguments\": {}}]"), "a|f({\"x\": 1})|g({}");
  EXPECT_EQ(shown(llama(), "{\"name\": \"f\", \"parameters\": {\"x\": [1]}}"), "|f({\"x\": [1]}");
  EXPECT_EQ(shown(llama(), "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}"), "|f({}");
  EXPECT_EQ(shown(llama(), "{\"name\" is a key"), "{\"name\" is a key");
  EXPECT_EQ(shown(llama(), "say {\"name\": \"f\", \"parameters\": {}}"), "say {\"name\": \"f\", \"parameters\": {}}");
}

TEST(ToolFormat, UnknownTemplatesHaveNone) { EXPECT_EQ(find_tool_format(text::ChatTemplate("{{ messages }}")), nullptr); }

}  // namespace
}  // namespace lyceum::api
