#include "grammar/json_schema.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "grammar/constraint.h"

namespace lyceum::grammar {
namespace {

std::shared_ptr<Constraint> constraint_of(const std::string& schema) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  static const auto trie = std::make_shared<const TokenTrie>(std::move(bytes));
  return std::make_shared<Constraint>(compile(json_schema_grammar(parse_json(schema, "schema"))), trie);
}

bool allows(const std::shared_ptr<Constraint>& constraint, const std::string& text) {
  Matcher matcher(constraint);
  return matcher.accept_text(text) && matcher.may_end();
}

// schema; texts it allows; texts it does not, one line each.
struct Case {
  const char* schema;
  std::vector<std::string> good, bad;
};

std::string refusal(const std::string& schema) {
  try {
    constraint_of(schema);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"true", {"1", "\"a\"", "{\"a\":[1,null]}", "[true, false]", "-1.5e+10"}, {"", "01", "{a:1}", "[1,]", "nul", "\"\n\"", "+1", "1.", ".5"}},
      {R"({"type":"string"})", {R"("")", R"("é😀")", R"("\n\"\\\/")", R"("\u00e9\ud83d\ude00")"}, {R"("\ud83d")", R"("\x")", "\"\x01\"", R"("a)", "a"}},
      {R"({"type":"string","minLength":2,"maxLength":3})", {R"("ab")", R"("é😀c")", R"("\n\n")"}, {R"("a")", R"("abcd")"}},
      {R"({"type":"string","pattern":"^[A-Z]{2,3}-\\d+$"})", {R"("AB-1")", R"("ABC-007")"}, {R"("A-1")", R"("AB-")", R"("xAB-1")", R"("AB-1x")"}},
      {R"({"type":"string","pattern":"b\\\\?|^c"})", {R"("abc")", R"("c")", R"("ca")", R"("b\\")", R"("\"b\n")"}, {R"("a")", R"("ac")"}},
      {R"({"type":"string","pattern":"^[^a-z\"]\\.(?:x|y)*$"})", {R"("A.")", R"("\n.xy")", R"("é.x")"}, {R"("a.")", R"("\".")", R"("A..")"}},
      {R"({"type":"string","format":"date"})", {R"("2024-02-29")", R"("2023-12-31")", R"("2000-02-29")"}, {R"("2023-02-29")", R"("1900-02-29")", R"("2023-04-31")", R"("2023-13-01")"}},
      {R"({"format":"date-time"})", {R"("2024-02-29T23:59:59Z")", R"("2024-01-01T00:00:00.5+02:00")"}, {R"("2024-01-01T24:00:00Z")", R"("2024-01-01")"}},
      {R"({"type":"string","format":"uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123e4567")"}},
      {R"({"type":"integer"})", {"0", "-12", "7"}, {"1.0", "007", "-", "1e3"}},
      {R"({"type":"integer","minimum":-5,"maximum":123})", {"-5", "-1", "0", "9", "10", "99", "100", "123"}, {"-6", "124", "-0", "200", "1000", "01"}},
      {R"({"type":"integer","exclusiveMinimum":8,"exclusiveMaximum":30.5})", {"9", "30"}, {"8", "31", "10.0"}},
      {R"({"type":"integer","minimum":1000})", {"1000", "99999"}, {"999", "-1"}},
      {R"({"type":"number"})", {"0.5", "-1e-7", "3"}, {"1.", "1e999", "NaN"}},
      {R"({"enum":["a\"b",1.5,null,{"k":[1,2]},3]})", {R"("a\"b")", "1.5", "null", R"({"k":[1,2]})", "3"}, {"\"a\"", "2", R"({"k":[1]})"}},
      {R"({"type":"string","enum":["x",1]})", {"\"x\""}, {"1"}},
      {R"({"const":"only"})", {"\"only\""}, {"\"other\""}},
      {R"({"type":["integer","null"]})", {"1", "null"}, {"\"1\"", "true"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})", {"[1]", "[1,2,3]", "[1, 2]", "[\n  1,\n  2]"}, {"[]", "[1,2,3,4]", "[1 ,2]", "[\"a\"]", "[  1]"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"type":"boolean"},"minItems":1})",
       {"[1]", "[1,\"a\"]", "[1,\"a\",true,false]"}, {"[]", "[\"a\"]", "[1,true]", "[1,\"a\",1]"}},
      {R"({"prefixItems":[{"const":1},{"const":2}],"items":false})", {"[]", "[1]", "[1,2]"}, {"[1,2,3]", "[2]"}},
      {R"({"type":"array","items":false})", {"[]"}, {"[1]"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a","b"],"additionalProperties":false})",
       {R"({"a":1,"b":"x"})", R"({ "a": 1, "b": "x" })"}, {R"({"a":1})", R"({"b":"x","a":1})", R"({"a":1,"b":"x","c":2})", R"({})"}},
      {R"({"properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}},"required":["b"]})",
       {R"({"b":2})", R"({"a":1,"b":2})", R"({"b":2,"c":3})", R"({"a":1,"b":2,"c":3})"}, {R"({})", R"({"a":1})", R"({"a":1,"c":3})", R"({,"b":2})", R"({"b":2,})"}},
      {R"({"properties":{"a":{"const":1},"b":{"const":2}}})", {R"({})", R"({ })", R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"}, {R"({"b":2,"a":1})", R"({"z":1})"}},
      {R"({"properties":{"ab":{"const":1},"a":{"const":2}},"additionalProperties":{"type":"boolean"}})",
       {R"({"ab":1,"a":2,"abc":true})", R"({"abc":true,"b":false})", R"({"":true})"}, {R"({"ab":true})", R"({"a":true})", R"({"abc":1})", R"({"a\u0062":true})"}},
      {R"({"type":"object","additionalProperties":{"type":"integer"}})", {"{}", R"({"x":1,"y":2})"}, {R"({"x":"1"})"}},
      {R"({"type":"object","required":["k"]})", {R"({"k":[1]})"}, {"{}", R"({"j":1})"}},
      {R"({"anyOf":[{"type":"integer"},{"type":"object","properties":{"kind":{"const":"x"}},"required":["kind"]}]})", {"5", R"({"kind":"x"})"}, {R"({"kind":"y"})", "\"5\""}},
      {R"({"type":"object","properties":{"a":{"type":"integer"}},"anyOf":[{"required":["a"]},{"properties":{"b":{"const":1}},"required":["b"]}]})",
       {R"({"a":1})", R"({"b":1})", R"({"a":1,"b":1})"}, {"{}", R"({"a":"x"})"}},
      {R"({"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":{"type":"string"},"a":{"minimum":3}},"required":["b"]}]})",
       {R"({"a":3,"b":""})"}, {R"({"a":2,"b":""})", R"({"a":3})"}},
      {R"({"allOf":[{"type":"object","properties":{"a":true},"additionalProperties":false},{"properties":{"a":{"const":1},"b":{"const":2}}}]})", {R"({"a":1})", "{}"}, {R"({"a":1,"b":2})"}},
      {R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["next"]}}})",
       {R"({"next":null})", R"({"next":{"next":null}})"}, {"{}", R"({"next":1})"}},
      {R"({"properties":{"p":{"$ref":"#/definitions/n","maximum":5,"description":"d"}},"required":["p"],"definitions":{"n":{"type":"integer","minimum":4}}})", {R"({"p":4})", R"({"p":5})"}, {R"({"p":3})", R"({"p":6})"}},
      {R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]"}},
  };
  return kCases;
}

TEST(JsonSchema, AllowsWhatItMeansAndNothingElse) {
  for (const Case& one : cases()) {
    const auto constraint = constraint_of(one.schema);
    for (const std::string& text : one.good) EXPECT_TRUE(allows(constraint, text)) << one.schema << "\n" << text;
    for (const std::string& text : one.bad) EXPECT_FALSE(allows(constraint, text)) << one.schema << "\n" << text;
  }
}

TEST(JsonSchema, RefusesByNameAndPlace) {
  const auto names = [](const std::string& schema, const std::string& what) {
    const std::string message = refusal(schema);
    EXPECT_NE(message.find(what), std::string::npos) << schema << "\n" << message;
  };
  names(R"({"properties":{"a":{"type":"object","patternProperties":{}}}})", "#/properties/a: the keyword \"patternProperties\" is not supported");
  for (const char* keyword : {"not", "if", "uniqueItems", "multipleOf", "minProperties", "contains", "unevaluatedProperties", "$dynamicRef", "dependentRequired", "propertyNames", "anything"}) {
    names(std::string(R"({"type":"object",")") + keyword + R"(":true})", std::string("\"") + keyword + "\" is not supported");
  }
  names(R"({"type":"number","minimum":1})", "integers only");
  names(R"({"type":"string","format":"duration"})", "\"duration\" is not supported");
  names(R"x({"type":"string","pattern":"a(?=b)"})x", "look-around");
  names(R"x({"type":"string","pattern":"(a)\\1"})x", "\\1 is not supported");
  names(R"({"type":"string","pattern":"a^b"})", "beginning and the end only");
  names(R"({"type":"string","pattern":"[a"})", "not closed");
  names(R"({"type":"string","pattern":"a","maxLength":3})", "do not go together");
  names(R"({"type":"strin"})", "type must be");
  names(R"({"$ref":"http://example.com/x"})", "not within the document");
  names(R"({"$ref":"#/$defs/x"})", "leads nowhere");
  names(R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})", "matches no text");
  names(R"({"allOf":[{"$ref":"#"}]})", "more than 128 deep");
  names(R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", "two different values of \"pattern\"");
  names(R"({"type":"array","items":[{}]})", "prefixItems");
  names(R"({"type":"string","maxLength":1000000})", "over 10,000");
  names(R"({"type":"integer","minimum":3,"maximum":2})", "matches no text");
  names(R"({"properties":{"a":false},"required":["a"]})", "matches no text");
  names("false", "matches no text");
  names("[]", "must be an object");
}

TEST(JsonSchema, AnnotationsChangeNothing) {
  EXPECT_TRUE(allows(constraint_of(R"({"title":"T","description":"d","default":3,"examples":[1],"$schema":"s","$comment":"c","deprecated":true,"x-order":1,"uniqueItems":false,"type":"integer"})"), "3"));
}

// Whatever way is taken, it can be brought to an end, and the end is JSON.
TEST(JsonSchema, RandomWalksEndAsJson) {
  Rng rng(3);
  for (const Case& one : cases()) {
    const auto constraint = constraint_of(one.schema);
    for (int walk = 0; walk < 20; ++walk) {
      Matcher matcher(constraint);
      std::string text;
      for (int step = 0; step < 400 && !matcher.must_end(); ++step) {
        if (matcher.may_end() && rng.below(4) == 0) break;
        uint64_t mask[4];
        matcher.fill(mask);
        std::vector<int32_t> allowed;
        for (int32_t id = 0; id < 256; ++id) {
          if (mask[id / 64] >> (id % 64) & 1) allowed.push_back(id);
        }
        ASSERT_FALSE(allowed.empty()) << one.schema << "\n" << text;
        const int32_t next = rng.below(3) == 0 && mask[0] >> '"' & 1 ? '"' : allowed[rng.below(allowed.size())];
        ASSERT_TRUE(matcher.accept(next));
        text.push_back(static_cast<char>(next));
      }
      if (matcher.may_end()) {
        EXPECT_NO_THROW(parse_json(text, "text")) << one.schema << "\n" << text;
      }
    }
  }
}

TEST(JsonSchema, LongStringsAndListsStaySmall) {
  const auto constraint = constraint_of(R"({"type":"array","maxItems":5000,"items":{"type":"string","maxLength":2000}})");
  EXPECT_TRUE(allows(constraint, "[\"" + std::string(2000, 'x') + "\"]"));
  EXPECT_FALSE(allows(constraint, "[\"" + std::string(2001, 'x') + "\"]"));
}

}  // namespace
}  // namespace lyceum::grammar
