// A JSON schema: it is refused, or it becomes a grammar in which some walk of tokens ends or goes on, and what it writes is JSON.
#include <cstdint>

#include "base/error.h"
#include "base/random.h"
#include "grammar/constraint.h"
#include "grammar/json_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  static const auto trie = [] {
    std::vector<std::string> texts;
    for (int byte = 0; byte < 256; ++byte) texts.emplace_back(1, static_cast<char>(byte));
    return std::make_shared<const grammar::TokenTrie>(std::move(texts));
  }();
  try {
    const json::value schema = parse_json({reinterpret_cast<const char*>(data), size}, "schema", 1u << 20);
    grammar::Matcher matcher(std::make_shared<grammar::Constraint>(grammar::compile(grammar::json_schema_grammar(schema)), trie));
    Rng rng(size);
    std::string text;
    uint64_t mask[4];
    for (int step = 0; step < 200 && !matcher.must_end(); ++step) {
      matcher.fill(mask);
      const auto first = static_cast<int32_t>(rng.below(256));
      int32_t token = -1;
      for (int32_t i = 0; i < 256 && token < 0; ++i) {
        const int32_t id = (first + i) % 256;
        if (mask[id / 64] >> (id % 64) & 1) token = id;
      }
      LYCEUM_CHECK(token >= 0 || matcher.may_end(), "there is always a way on");
      if (token < 0) break;
      LYCEUM_CHECK(matcher.accept(token), "what the mask allows is accepted");
      text.push_back(static_cast<char>(token));
    }
    if (matcher.must_end()) parse_json(text, "written under the grammar");
  } catch (const Error& error) {
    LYCEUM_CHECK(std::string_view(error.what()).find("written under the grammar") == std::string_view::npos, "what the grammar writes is JSON");
  }
  return 0;
}
