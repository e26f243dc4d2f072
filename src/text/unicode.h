// unicode.h: UTF-8 in and out, the character classes that tokenizers ask for, and the normal forms (utf8proc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lyceum::text {

constexpr char32_t kReplacementCharacter = 0xFFFD;

// Ill-formed bytes become U+FFFD, one for each maximal part of a broken sequence: what Python's
// bytes.decode("utf-8", errors="replace") and the WHATWG decoder do.
std::string replace_invalid_utf8(std::string_view bytes);
bool is_valid_utf8(std::string_view bytes) noexcept;

void append_utf8(std::string& out, char32_t code_point);
// Reads one character at `offset` and moves past it. REQUIRES: valid UTF-8, offset < text.size().
char32_t next_code_point(std::string_view text, size_t& offset) noexcept;
// Bytes of the character that starts with `lead`. REQUIRES: the first byte of a valid sequence.
inline size_t utf8_length(unsigned char lead) noexcept {
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}
bool is_ascii(std::string_view text) noexcept;

bool is_white_space(char32_t c) noexcept;  // property White_Space
bool is_word(char32_t c) noexcept;         // Alphabetic, M, Nd, Pc and the join controls: \w
bool is_punctuation(char32_t c) noexcept;  // category P, or ASCII punctuation
bool is_numeric(char32_t c) noexcept;      // categories Nd, Nl, No
bool is_mark(char32_t c) noexcept;         // category M
bool is_nonspacing_mark(char32_t c) noexcept;
bool is_other(char32_t c) noexcept;           // category C: control, format, private, unassigned
std::string to_lower(std::string_view text);  // full mapping of each character, without context

enum class NormalForm { nfc, nfd, nfkc, nfkd };
std::string normalize(std::string_view text, NormalForm form);  // REQUIRES: valid UTF-8

}  // namespace lyceum::text
