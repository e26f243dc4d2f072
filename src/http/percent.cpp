#include "base/error.h"
#include "http/message.h"

namespace lyceum::http {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

Query parse_pairs(std::string_view text) {
  Query pairs;
  while (!text.empty()) {
    const size_t ampersand = text.find('&');
    const std::string_view pair = text.substr(0, ampersand);
    if (!pair.empty()) {
      const size_t equals = pair.find('=');
      const std::string_view value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
      pairs.emplace_back(percent_decode(pair.substr(0, equals), true), percent_decode(value, true));
    }
    if (ampersand == std::string_view::npos) break;
    text.remove_prefix(ampersand + 1);
  }
  return pairs;
}

}  // namespace

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) throw Error(Code::invalid_argument, "Bad percent escape in the address at character " + std::to_string(i));
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

Query parse_query(std::string_view query) { return parse_pairs(query); }

Query parse_form(std::string_view body) { return parse_pairs(body); }

}  // namespace lyceum::http
