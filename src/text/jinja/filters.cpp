// The filters that chat templates use, as Jinja defines them, with transformers' tojson. Filters that give a generator
// in Python give a list here.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "text/jinja/context.h"
#include "text/jinja/text_functions.h"
#include "text/unicode.h"

namespace lyceum::text::jinja {

Value filter_join(Context&, const Value&, Arguments&);
Value filter_sort(Context&, const Value&, Arguments&);
Value filter_unique(Context&, const Value&, Arguments&);
Value filter_dictsort(Context&, const Value&, Arguments&);
Value filter_map(Context&, const Value&, Arguments&);
Value filter_select(Context&, const Value&, Arguments&);
Value filter_reject(Context&, const Value&, Arguments&);
Value filter_selectattr(Context&, const Value&, Arguments&);
Value filter_rejectattr(Context&, const Value&, Arguments&);
Value filter_sum(Context&, const Value&, Arguments&);
Value filter_min(Context&, const Value&, Arguments&);
Value filter_max(Context&, const Value&, Arguments&);
Value filter_batch(Context&, const Value&, Arguments&);
Value filter_groupby(Context&, const Value&, Arguments&);

namespace {

template <std::string (*function)(std::string_view)>
Value by_text(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "a string filter", {});
  const std::string text = to_text(value, context.budget);
  context.budget.text(text.size());
  return function(text);
}

Value trim(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "trim", {"chars"});
  const std::string text = to_text(value, context.budget);
  if (given.find(0) == nullptr || given.find(0)->is_none()) return strip(text, Side::both);
  return strip(text, Side::both, given.text(0, "", context.budget));
}

Value to_json(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = given.flag(0, false);
  style.sort_keys = given.flag(3, false);
  if (const Value* indent = given.find(1); indent != nullptr && !indent->is_none()) {
    style.pretty = true;
    style.item_separator = ",";
    if (indent->as_string() != nullptr)
      style.indent = *indent->as_string();
    else
      style.indent.assign(static_cast<size_t>(std::clamp<int64_t>(given.whole(1, 0), 0, 1024)), ' ');
  }
  if (const Value* separators = given.find(2); separators != nullptr && !separators->is_none()) {
    const List* pair = separators->as_list();
    if (pair == nullptr || pair->items.size() != 2)
      throw Error(Code::invalid_argument, "tojson's separators must be two strings");
    style.item_separator = to_text(pair->items[0], context.budget);
    style.key_separator = to_text(pair->items[1], context.budget);
  }
  return to_json_text(value, style, context.budget);
}

Value length(Context&, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "length", {});
  if (const auto* text = value.as_string()) return static_cast<int64_t>(character_count(*text));
  if (const auto* list = value.as_list()) return static_cast<int64_t>(list->items.size());
  if (const auto* dict = value.as_dict()) return static_cast<int64_t>(dict->items.size());
  if (value.is_undefined()) return int64_t{0};
  throw Error(Code::invalid_argument, "object of type '" + std::string(value.type_name()) + "' has no len()");
}

Value fallback(Context&, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "default", {"default_value", "boolean"});
  const bool missing = value.is_undefined() || (given.flag(1, false) && !value.truthy());
  if (!missing) return value;
  return given.find(0) == nullptr ? Value("") : *given.find(0);
}

// Jinja's own: every word begins with a capital, where words are parted by white space, hyphens and opening brackets.
std::string title_words(std::string_view text) {
  std::string out;
  bool begins = true;
  for (size_t i = 0; i < text.size();) {
    const size_t at = i;
    const char32_t c = next_code_point(text, i);
    const std::string_view character = text.substr(at, i - at);
    const bool parts = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_python_space(c);
    out += parts ? std::string(character) : begins ? upper(character) : lower(character);
    begins = parts;
  }
  return out;
}

template <bool last>
Value end_item(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, last ? "last" : "first", {});
  const std::vector<Value> items = to_items(value, context.budget);
  if (items.empty())
    return Undefined{last ? "No last item, sequence was empty." : "No first item, sequence was empty.", ""};
  return last ? items.back() : items.front();
}

Value to_list(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "list", {});
  return Value::list(to_items(value, context.budget));
}

Value items(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "items", {});
  if (value.is_undefined()) return Value::list({});
  const Dict* dict = value.as_dict();
  if (dict == nullptr) throw Error(Code::invalid_argument, "Can only get item pairs from a mapping.");
  context.budget.step(dict->items.size());
  std::vector<Value> pairs;
  for (const auto& [key, item] : dict->items) pairs.push_back(Value::list({key, item}, true));
  return Value::list(std::move(pairs));
}

Value replaced(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "replace", {"old", "new", "count"});
  given.require(0);
  given.require(1);
  return replace(to_text(value, context.budget), given.text(0, "", context.budget), given.text(1, "", context.budget),
                 given.whole(2, -1), context.budget);
}

Value to_string(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "string", {});
  return to_text(value, context.budget);
}

std::optional<double> parse_float(const Value& value) {
  if (value.is_number()) return value.number();
  if (value.as_string() == nullptr) return std::nullopt;
  const std::string text(strip(*value.as_string(), Side::both));
  const bool plain = !text.empty() && text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (!plain || end != text.c_str() + text.size()) return std::nullopt;
  return number;
}

Value to_int(Context&, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "int", {"default", "base"});
  const Value otherwise = given.find(0) == nullptr ? Value(int64_t{0}) : *given.find(0);
  if (value.is_whole()) return value.whole();
  if (const std::string* held = value.as_string()) {
    const std::string text(strip(*held, Side::both));
    char* end = nullptr;
    const auto base = static_cast<int>(std::clamp<int64_t>(given.whole(1, 10), 0, 36));
    errno = 0;
    const long long number = std::strtoll(text.c_str(), &end, base == 1 ? 10 : base);
    if (!text.empty() && end == text.c_str() + text.size() && errno == 0) return static_cast<int64_t>(number);
  }
  const auto number = parse_float(value);
  if (!number || !std::isfinite(*number) || std::abs(*number) > 9e18) return otherwise;
  return static_cast<int64_t>(*number);
}

Value to_float(Context&, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "float", {"default"});
  if (const auto number = parse_float(value)) return *number;
  return given.find(0) == nullptr ? Value(0.0) : *given.find(0);
}

Value rounded(Context&, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "round", {"precision", "method"});
  Budget unused;
  const std::string method = given.text(1, "common", unused);
  if (method != "common" && method != "ceil" && method != "floor")
    throw Error(Code::invalid_argument, "round's method must be common, ceil or floor");
  if (!value.is_number())
    throw Error(Code::invalid_argument, "round needs a number, not " + std::string(value.type_name()));
  const int64_t precision = std::clamp<int64_t>(given.whole(0, 0), -300, 300);
  if (method == "common" && value.is_whole() && precision >= 0) return value.whole();
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.number() * scale;
  if (!std::isfinite(scaled)) return value.number();
  if (method != "common") return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
  // Python rounds the exact decimal value, halves to even; printing with that many digits does the same.
  if (precision < 0) return std::nearbyint(scaled) / scale;
  char buffer[700];
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), value.number());
  return std::strtod(buffer, nullptr);
}

Value as_is(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "safe", {});
  return to_text(value, context.budget);
}

Value escape(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "escape", {});
  std::string out;
  for (const char c : to_text(value, context.budget)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out.push_back(c);
    }
  }
  context.budget.text(out.size());
  return out;
}

Value indent(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "indent", {"width", "first", "blank"});
  std::string pad(4, ' ');
  if (given.find(0) != nullptr && given.find(0)->as_string() != nullptr)
    pad = *given.find(0)->as_string();
  else
    pad.assign(static_cast<size_t>(std::clamp<int64_t>(given.whole(0, 4), 0, 1024)), ' ');
  const bool blank = given.flag(2, false);
  const std::vector<std::string> lines = split_lines(to_text(value, context.budget) + "\n");
  std::string out = given.flag(1, false) ? pad : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += "\n";
    if (i > 0 && (blank || !lines[i].empty())) out += pad;
    out += lines[i];
    if (out.size() > Budget::kTextBytesMax) break;
  }
  context.budget.text(out.size());
  return out;
}

Value reversed(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "reverse", {});
  std::vector<Value> items = to_items(value, context.budget);
  std::ranges::reverse(items);
  if (value.as_string() == nullptr) return Value::list(std::move(items));
  std::string out;
  for (const Value& item : items) out += *item.as_string();
  return out;
}

Value absolute(Context&, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "abs", {});
  if (!value.is_number())
    throw Error(Code::invalid_argument, "bad operand type for abs(): '" + std::string(value.type_name()) + "'");
  if (!value.is_whole()) return std::abs(value.number());
  if (value.whole() == INT64_MIN)
    throw Error(Code::unsupported, "a whole number beyond 64 bits in a chat template is not supported");
  return std::abs(value.whole());
}

Value attribute(Context& context, const Value& value, Arguments& arguments) {
  const Parameters given(arguments, "attr", {"name"});
  const std::string name = given.text(0, "", context.budget);
  const Value found = get_attribute(context, value, name);
  if (value.as_dict() == nullptr || found.as_callable() != nullptr) return found;
  return Undefined{name, "dict object"};  // attributes only, not items
}

Value word_count(Context& context, const Value& value, Arguments& arguments) {
  const Parameters none(arguments, "wordcount", {});
  int64_t words = 0;
  bool inside = false;
  const std::string text = to_text(value, context.budget);
  for (size_t i = 0; i < text.size();) {
    const bool word = is_word(next_code_point(text, i));
    words += word && !inside;
    inside = word;
  }
  return words;
}

struct Entry {
  std::string_view name;
  Filter filter;
};
constexpr std::array<Entry, 42> kFilters = {{
    {"trim", trim},
    {"tojson", to_json},
    {"length", length},
    {"count", length},
    {"join", filter_join},
    {"default", fallback},
    {"d", fallback},
    {"upper", by_text<upper>},
    {"lower", by_text<lower>},
    {"title", by_text<title_words>},
    {"capitalize", by_text<capitalize>},
    {"first", end_item<false>},
    {"last", end_item<true>},
    {"list", to_list},
    {"items", items},
    {"dictsort", filter_dictsort},
    {"map", filter_map},
    {"select", filter_select},
    {"reject", filter_reject},
    {"selectattr", filter_selectattr},
    {"rejectattr", filter_rejectattr},
    {"replace", replaced},
    {"string", to_string},
    {"int", to_int},
    {"float", to_float},
    {"round", rounded},
    {"safe", as_is},
    {"escape", escape},
    {"e", escape},
    {"forceescape", escape},
    {"indent", indent},
    {"sort", filter_sort},
    {"unique", filter_unique},
    {"reverse", reversed},
    {"abs", absolute},
    {"sum", filter_sum},
    {"min", filter_min},
    {"max", filter_max},
    {"batch", filter_batch},
    {"groupby", filter_groupby},
    {"attr", attribute},
    {"wordcount", word_count},
}};

}  // namespace

Filter find_filter(std::string_view name) {
  for (const Entry& entry : kFilters) {
    if (entry.name == name) return entry.filter;
  }
  return nullptr;
}

}  // namespace lyceum::text::jinja
