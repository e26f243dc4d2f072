#include "text/components.h"

#include "text/unicode.h"

namespace lyceum::text {
namespace {

constexpr size_t kComponentsMax = 256;

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> make_alphabet() {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = stands_for_itself(byte) ? byte : next++;
  return table;
}
constexpr std::array<char32_t, 256> kAlphabet = make_alphabet();

constexpr std::array<int16_t, 0x144> make_inverse() {
  std::array<int16_t, 0x144> table{};
  for (auto& entry : table) entry = -1;
  for (unsigned byte = 0; byte < 256; ++byte) table[kAlphabet[byte]] = static_cast<int16_t>(byte);
  return table;
}
constexpr std::array<int16_t, 0x144> kInverse = make_inverse();

}  // namespace

const std::array<char32_t, 256>& byte_alphabet() { return kAlphabet; }

int byte_of_alphabet(char32_t c) noexcept { return c < kInverse.size() ? kInverse[c] : -1; }

void append_byte_alphabet(std::string_view bytes, std::string& out) {
  for (const char c : bytes) append_utf8(out, kAlphabet[static_cast<unsigned char>(c)]);
}

Regex pattern_regex(const json::object& spec) {
  const json::object* pattern = find_object(spec, "pattern");
  if (pattern == nullptr) throw Error(Code::invalid_argument, "a tokenizer component lacks its 'pattern'");
  if (const auto text = find_string(*pattern, "String")) return Regex(escape_regex(*text));
  return Regex(get_string(*pattern, "Regex"));
}

const json::array& component_list(const json::object& spec, std::string_view key) {
  const json::array* list = find_array(spec, key);
  if (list == nullptr)
    throw Error(Code::invalid_argument, "a Sequence in the tokenizer lacks '" + std::string(key) + "'");
  if (list->size() > kComponentsMax) throw Error(Code::too_large, "a Sequence in the tokenizer has over 256 parts");
  return *list;
}

char32_t single_character(const json::object& spec, std::string_view key) {
  const std::string text = get_string(spec, key);
  size_t end = 0;
  const char32_t c = text.empty() || !is_valid_utf8(text) ? 0 : next_code_point(text, end);
  if (text.empty() || end != text.size()) {
    throw Error(Code::invalid_argument, "'" + std::string(key) + "' of a tokenizer component must be one character");
  }
  return c;
}

}  // namespace lyceum::text
