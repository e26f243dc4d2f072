#include "text/jinja/text_functions.h"

#include <utf8proc.h>

#include <algorithm>

#include "text/unicode.h"

namespace lyceum::text::jinja {
namespace {

void append_upper(std::string& out, char32_t c) {
  if (c == 0xDF)
    out += "SS";  // the one common letter whose upper case is two
  else
    append_utf8(out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
}

bool is_cased(char32_t c) {
  const auto code = static_cast<utf8proc_int32_t>(c);
  return utf8proc_toupper(code) != code || utf8proc_tolower(code) != code;
}

size_t last_character(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

template <typename Drop>
std::string_view strip_if(std::string_view text, Side side, Drop drop) {
  while (side != Side::right && !text.empty()) {
    size_t end = 0;
    if (!drop(next_code_point(text, end))) break;
    text.remove_prefix(end);
  }
  while (side != Side::left && !text.empty()) {
    const size_t begin = last_character(text);
    size_t at = begin;
    if (!drop(next_code_point(text, at))) break;
    text = text.substr(0, begin);
  }
  return text;
}

std::vector<std::string> reversed(std::vector<std::string> parts) {
  std::ranges::reverse(parts);
  return parts;
}

}  // namespace

bool is_python_space(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

std::string upper(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) append_upper(out, next_code_point(text, i));
  return out;
}

std::string lower(std::string_view text) { return to_lower(text); }

std::string capitalize(std::string_view text) {
  std::string out;
  size_t i = 0;
  if (!text.empty()) append_upper(out, next_code_point(text, i));
  return out + lower(text.substr(i));
}

std::string title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const char32_t c = next_code_point(text, i);
    if (inside)
      out += lower(text.substr(begin, i - begin));
    else
      append_upper(out, c);
    inside = is_cased(c);
  }
  return out;
}

std::string_view strip(std::string_view text, Side side) { return strip_if(text, side, is_python_space); }

std::string_view strip(std::string_view text, Side side, std::string_view characters) {
  return strip_if(text, side, [characters](char32_t c) {
    std::string one;
    append_utf8(one, c);
    return characters.find(one) != std::string_view::npos;
  });
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count, Budget& budget) {
  std::string out;
  size_t copied = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    // An empty pattern stands before every character and at the end.
    const bool past_end = from.empty() && copied > text.size();
    const size_t found = past_end ? std::string_view::npos : text.find(from, copied);
    if (found == std::string_view::npos) break;
    out.append(text, copied, found - copied).append(to);
    copied = found + from.size();
    if (from.empty()) {
      const size_t length = found < text.size() ? utf8_length(static_cast<unsigned char>(text[found])) : 1;
      if (found < text.size()) out.append(text, found, length);
      copied = found + length;
    }
    if (out.size() > Budget::kTextBytesMax) break;
  }
  if (copied < text.size()) out.append(text, copied);
  budget.text(out.size());
  return out;
}

std::vector<std::string> split_spaces(std::string_view text, int64_t limit, bool from_right) {
  std::vector<std::string> parts;
  text = strip(text, Side::both);
  while (!text.empty()) {
    const bool last = limit >= 0 && static_cast<int64_t>(parts.size()) >= limit;
    size_t cut = from_right ? text.size() : 0;
    if (last) {
      parts.emplace_back(text);
      break;
    }
    if (from_right) {
      while (cut > 0) {
        const size_t begin = last_character(text.substr(0, cut));
        size_t at = begin;
        if (is_python_space(next_code_point(text, at))) break;
        cut = begin;
      }
      parts.emplace_back(text.substr(cut));
      text = strip(text.substr(0, cut), Side::right);
    } else {
      while (cut < text.size()) {
        size_t at = cut;
        if (is_python_space(next_code_point(text, at))) break;
        cut = at;
      }
      parts.emplace_back(text.substr(0, cut));
      text = strip(text.substr(cut), Side::left);
    }
  }
  return from_right ? reversed(std::move(parts)) : parts;
}

std::vector<std::string> split(std::string_view text, std::string_view separator, int64_t limit, bool from_right) {
  if (separator.empty()) throw Error(Code::invalid_argument, "empty separator");
  std::vector<std::string> parts;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t found = from_right ? text.rfind(separator) : text.find(separator);
    if (found == std::string_view::npos) break;
    if (from_right) {
      parts.emplace_back(text.substr(found + separator.size()));
      text = text.substr(0, found);
    } else {
      parts.emplace_back(text.substr(0, found));
      text = text.substr(found + separator.size());
    }
  }
  parts.emplace_back(text);
  return from_right ? reversed(std::move(parts)) : parts;
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t at = i;
    const char32_t c = next_code_point(text, i);
    const bool ends = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!ends) continue;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    lines.emplace_back(text.substr(begin, (keep_ends ? i : at) - begin));
    begin = i;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

}  // namespace lyceum::text::jinja
