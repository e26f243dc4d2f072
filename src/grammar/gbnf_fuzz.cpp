// First line up to a zero byte: a text; the rest: a GBNF grammar. It is refused, or it reads the text without harm.
#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "grammar/constraint.h"
#include "grammar/gbnf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  static const auto trie = std::make_shared<const grammar::TokenTrie>(std::vector<std::string>{"a", "b", "ab", "\"", " ", "\n", "é", "0", "12", "{", "}"});
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), size);
  try {
    grammar::Matcher matcher(std::make_shared<grammar::Constraint>(grammar::compile(grammar::parse_gbnf(input.substr(std::min(end + 1, size)))), trie));
    uint64_t mask[1];
    for (const char c : input.substr(0, end)) {
      matcher.fill(mask);
      LYCEUM_CHECK(mask[0] < uint64_t{1} << trie->vocab_end(), "only tokens that exist are allowed");
      for (int32_t id = 0; id < static_cast<int32_t>(trie->vocab_end()); ++id) {
        grammar::Matcher other = matcher;
        LYCEUM_CHECK(other.accept(id) == (mask[0] >> id & 1), "a token is accepted if and only if the mask allows it");
      }
      if (!matcher.accept_text(std::string_view(&c, 1))) break;
    }
  } catch (const Error&) {
  }
  return 0;
}
