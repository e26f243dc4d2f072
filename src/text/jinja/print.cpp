// Values as text: Python's str() and repr(), and json.dumps().
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"
#include "text/unicode.h"

namespace lyceum::text::jinja {
namespace {

void append_hex(std::string& out, char32_t c) {
  char buffer[16];
  if (c < 0x100)
    std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned>(c));
  else if (c < 0x10000)
    std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(c));
  else
    std::snprintf(buffer, sizeof buffer, "\\U%08x", static_cast<unsigned>(c));
  out += buffer;
}

bool printable(char32_t c) {
  return c < 0x80 ? c >= 0x20 && c != 0x7F : !is_other(c) && !(is_white_space(c) && c != ' ');
}

std::string string_repr(std::string_view text) {
  const char quote = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (printable(c)) {
      append_utf8(out, c);
    } else {
      append_hex(out, c);
    }
  }
  out.push_back(quote);
  return out;
}

void write_repr(const Value& value, std::string& out, Budget& budget);

void write_list_repr(const List& list, std::string& out, Budget& budget) {
  out.push_back(list.tuple ? '(' : '[');
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out += ", ";
    write_repr(list.items[i], out, budget);
  }
  if (list.tuple && list.items.size() == 1) out.push_back(',');
  out.push_back(list.tuple ? ')' : ']');
}

void write_repr(const Value& value, std::string& out, Budget& budget) {
  budget.step();
  if (const auto* text = value.as_string()) {
    out += string_repr(*text);
  } else if (const auto* list = value.as_list()) {
    write_list_repr(*list, out, budget);
  } else if (const auto* dict = value.as_dict()) {
    out.push_back('{');
    for (size_t i = 0; i < dict->items.size(); ++i) {
      if (i > 0) out += ", ";
      write_repr(dict->items[i].first, out, budget);
      out += ": ";
      write_repr(dict->items[i].second, out, budget);
    }
    out.push_back('}');
  } else if (value.is_undefined()) {
    out += "Undefined";
  } else {
    out += to_text(value, budget);
  }
  if (out.size() > Budget::kTextBytesMax) budget.text(out.size());
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  void write(const Value& value, size_t level) {
    budget_.step();
    if (const auto* text = value.as_string())
      write_string(*text);
    else if (value.is_none())
      out += "null";
    else if (const auto* flag = value.as_bool())
      out += *flag ? "true" : "false";
    else if (const auto* number = value.as_int())
      out += std::to_string(*number);
    else if (const auto* real = value.as_float())
      out += std::isnan(*real) ? "NaN" : std::isinf(*real) ? (*real > 0 ? "Infinity" : "-Infinity") : float_text(*real);
    else if (const auto* list = value.as_list())
      write_list(*list, level);
    else if (const auto* dict = value.as_dict())
      write_dict(*dict, level);
    else
      throw Error(Code::invalid_argument,
                  "Object of type " + std::string(value.type_name()) + " is not JSON serializable");
    if (out.size() > Budget::kTextBytesMax) budget_.text(out.size());
  }

  std::string out;

 private:
  void break_line(size_t level) {
    if (!style_.pretty) return;
    out.push_back('\n');
    budget_.text(level * style_.indent.size());
    for (size_t i = 0; i < level; ++i) out += style_.indent;
  }

  void write_list(const List& list, size_t level) {
    out.push_back('[');
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out += style_.item_separator;
      break_line(level + 1);
      write(list.items[i], level + 1);
    }
    if (!list.items.empty()) break_line(level);
    out.push_back(']');
  }

  void write_dict(const Dict& dict, size_t level) {
    std::vector<size_t> order(dict.items.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (style_.sort_keys) {
      std::ranges::stable_sort(
          order, [&](size_t a, size_t b) { return compare(dict.items[a].first, dict.items[b].first, budget_) < 0; });
    }
    out.push_back('{');
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0) out += style_.item_separator;
      break_line(level + 1);
      write_key(dict.items[order[i]].first);
      out += style_.key_separator;
      write(dict.items[order[i]].second, level + 1);
    }
    if (!dict.items.empty()) break_line(level);
    out.push_back('}');
  }

  void write_key(const Value& key) {
    if (const auto* text = key.as_string()) return write_string(*text);
    out.push_back('"');
    write(key, 0);
    out.push_back('"');
  }

  void write_string(std::string_view text) {
    out.push_back('"');
    for (size_t i = 0; i < text.size();) {
      const char32_t c = next_code_point(text, i);
      switch (c) {
        case '"':
          out += "\\\"";
          break;
        case '\\':
          out += "\\\\";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        case '\b':
          out += "\\b";
          break;
        case '\f':
          out += "\\f";
          break;
        default:
          write_character(c);
      }
    }
    out.push_back('"');
  }

  void write_character(char32_t c) {
    if (c >= 0x20 && (c < 0x7F || !style_.ascii)) return append_utf8(out, c);
    if (c == 0x7F) return append_utf8(out, c);
    const auto unit = [&](char32_t u) {
      char buffer[16];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(u));
      out += buffer;
    };
    if (c >= 0x10000) {
      unit(0xD800 + ((c - 0x10000) >> 10));
      unit(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      unit(c);
    }
  }

  const JsonStyle& style_;
  Budget& budget_;
};

}  // namespace

// The shortest digits that read back as the same number; an exponent outside [-4, 16), as Python chooses.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string scientific(buffer, end);
  const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return scientific;
  end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string fixed(buffer, end);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

std::string to_text(const Value& value, Budget& budget) {
  if (const auto* text = value.as_string()) return *text;
  if (value.is_undefined()) return {};
  if (value.is_none()) return "None";
  if (const auto* flag = value.as_bool()) return *flag ? "True" : "False";
  if (const auto* number = value.as_int()) return std::to_string(*number);
  if (const auto* real = value.as_float()) return float_text(*real);
  if (value.as_list() != nullptr || value.as_dict() != nullptr) return to_repr(value, budget);
  throw Error(Code::unsupported,
              "printing a " + std::string(value.type_name()) + " in a chat template is not supported");
}

std::string to_repr(const Value& value, Budget& budget) {
  std::string out;
  write_repr(value, out, budget);
  budget.text(out.size());
  return out;
}

std::string to_json_text(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer(style, budget);
  writer.write(value, 0);
  budget.text(writer.out.size());
  return std::move(writer.out);
}

}  // namespace lyceum::text::jinja
