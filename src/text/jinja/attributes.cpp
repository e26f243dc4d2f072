// object.name, object[key], slices, and the methods of strings, lists and dictionaries. As in transformers' sandbox,
// methods that would change a list or dictionary are refused, and names with a leading underscore do not exist.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "text/jinja/context.h"
#include "text/jinja/text_functions.h"
#include "text/unicode.h"

namespace lyceum::text::jinja {
namespace {

Value texts(std::vector<std::string> parts, Budget& budget) {
  budget.step(parts.size());
  std::vector<Value> items;
  for (std::string& part : parts) items.emplace_back(std::move(part));
  return Value::list(std::move(items));
}

const std::string& need_text(const Value& value, std::string_view method) {
  if (value.as_string() == nullptr)
    throw Error(Code::invalid_argument, std::string(method) + " needs a string, not " + std::string(value.type_name()));
  return *value.as_string();
}

using TextMethod = Value (*)(Context&, const std::string&, Arguments&);

template <Side side>
Value strip_method(Context&, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "strip()", {"chars"});
  if (given.find(0) == nullptr || given.find(0)->is_none()) return strip(text, side);
  return strip(text, side, need_text(*given.find(0), "strip()"));
}

template <bool from_right>
Value split_method(Context& context, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "split()", {"sep", "maxsplit"});
  context.budget.text(text.size());
  const int64_t limit = given.whole(1, -1);
  if (given.find(0) == nullptr || given.find(0)->is_none())
    return texts(split_spaces(text, limit, from_right), context.budget);
  return texts(split(text, need_text(*given.find(0), "split()"), limit, from_right), context.budget);
}

template <bool at_end>
Value affix_method(Context&, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, at_end ? "endswith()" : "startswith()", {"prefix"});
  const auto fits = [&](const Value& affix) {
    const std::string& part = need_text(affix, "startswith()");
    return at_end ? text.ends_with(part) : text.starts_with(part);
  };
  const List* several = given.require(0).as_list();
  return several != nullptr && several->tuple ? std::ranges::any_of(several->items, fits) : fits(given.require(0));
}

template <bool at_end>
Value remove_affix_method(Context&, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "removeprefix()", {"prefix"});
  const std::string& part = need_text(given.require(0), "removeprefix()");
  if (at_end) return text.ends_with(part) ? text.substr(0, text.size() - part.size()) : text;
  return text.starts_with(part) ? text.substr(part.size()) : text;
}

Value replace_method(Context& context, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "replace()", {"old", "new", "count"});
  return replace(text, need_text(given.require(0), "replace()"), need_text(given.require(1), "replace()"),
                 given.whole(2, -1), context.budget);
}

template <bool from_right>
Value find_method(Context& context, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "find()", {"sub"});
  context.budget.text(text.size());
  const std::string& part = need_text(given.require(0), "find()");
  const size_t found = from_right ? text.rfind(part) : text.find(part);
  if (found == std::string::npos) return int64_t{-1};
  return static_cast<int64_t>(character_count(std::string_view(text).substr(0, found)));
}

Value count_method(Context& context, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "count()", {"sub"});
  context.budget.text(text.size());
  const std::string& part = need_text(given.require(0), "count()");
  if (part.empty()) return static_cast<int64_t>(character_count(text) + 1);
  int64_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

Value join_method(Context& context, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "join()", {"iterable"});
  std::string out;
  bool first = true;
  for (const Value& item : to_items(given.require(0), context.budget)) {
    if (!std::exchange(first, false)) out += text;
    out += need_text(item, "join()");
    if (out.size() > Budget::kTextBytesMax) break;
  }
  context.budget.text(out.size());
  return out;
}

Value split_lines_method(Context& context, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "splitlines()", {"keepends"});
  context.budget.text(text.size());
  return texts(split_lines(text, given.flag(0, false)), context.budget);
}

template <bool from_right>
Value partition_method(Context&, const std::string& text, Arguments& arguments) {
  const Parameters given(arguments, "partition()", {"sep"});
  const std::string& mark = need_text(given.require(0), "partition()");
  if (mark.empty()) throw Error(Code::invalid_argument, "empty separator");
  const size_t found = from_right ? text.rfind(mark) : text.find(mark);
  if (found == std::string::npos) {
    return from_right ? Value::list({Value(""), Value(""), Value(text)}, true)
                      : Value::list({Value(text), Value(""), Value("")}, true);
  }
  return Value::list({Value(text.substr(0, found)), Value(mark), Value(text.substr(found + mark.size()))}, true);
}

template <std::string (*function)(std::string_view)>
Value plain_method(Context&, const std::string& text, Arguments& arguments) {
  const Parameters none(arguments, "a string method", {});
  return function(text);
}

template <bool (*test)(char32_t)>
Value every_method(Context&, const std::string& text, Arguments& arguments) {
  const Parameters none(arguments, "a string method", {});
  for (size_t i = 0; i < text.size();) {
    if (!test(next_code_point(text, i))) return false;
  }
  return !text.empty();
}

bool is_digit(char32_t c) { return is_numeric(c); }
bool is_letter(char32_t c) {
  return is_word(c) && !is_numeric(c) && !is_mark(c) && c != '_' && c != 0x200C && c != 0x200D;
}
bool is_letter_or_digit(char32_t c) { return is_letter(c) || is_numeric(c); }

template <std::string (*function)(std::string_view)>
Value case_method(Context&, const std::string& text, Arguments& arguments) {
  const Parameters none(arguments, "a string method", {});
  return function(text) == text && lower(text) != upper(text);
}

struct TextEntry {
  std::string_view name;
  TextMethod method;
};
constexpr std::array<TextEntry, 29> kTextMethods = {{
    {"strip", strip_method<Side::both>},
    {"lstrip", strip_method<Side::left>},
    {"rstrip", strip_method<Side::right>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"startswith", affix_method<false>},
    {"endswith", affix_method<true>},
    {"replace", replace_method},
    {"upper", plain_method<upper>},
    {"lower", plain_method<lower>},
    {"title", plain_method<title>},
    {"capitalize", plain_method<capitalize>},
    {"find", find_method<false>},
    {"rfind", find_method<true>},
    {"index", find_method<false>},
    {"count", count_method},
    {"join", join_method},
    {"splitlines", split_lines_method},
    {"removeprefix", remove_affix_method<false>},
    {"removesuffix", remove_affix_method<true>},
    {"partition", partition_method<false>},
    {"rpartition", partition_method<true>},
    {"isdigit", every_method<is_digit>},
    {"isnumeric", every_method<is_digit>},
    {"isalpha", every_method<is_letter>},
    {"isalnum", every_method<is_letter_or_digit>},
    {"isspace", every_method<is_python_space>},
    {"isupper", case_method<upper>},
    {"islower", case_method<lower>},
}};

Value text_attribute(Context& context, const Value& object, std::string_view name) {
  for (const TextEntry& entry : kTextMethods) {
    if (entry.name != name) continue;
    return make_callable(
        std::string(name),
        [&context, object, method = entry.method, is_index = name == "index"](Arguments& arguments) -> Value {
          Value result = method(context, *object.as_string(), arguments);
          if (is_index && result.whole() < 0) throw Error(Code::invalid_argument, "substring not found");
          return result;
        });
  }
  return Undefined{std::string(name), "str object"};
}

Value dict_items(const Dict& dict, bool keys, bool values) {
  std::vector<Value> items;
  for (const auto& [key, value] : dict.items) {
    if (keys && values)
      items.push_back(Value::list({key, value}, true));
    else
      items.push_back(keys ? key : value);
  }
  return Value::list(std::move(items));
}

bool changes_container(std::string_view name) {
  static constexpr std::array<std::string_view, 11> kNames = {
      "append", "extend", "insert", "pop", "remove", "reverse", "sort", "clear", "update", "setdefault", "popitem"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// Undefined until it is used, as in Jinja's sandbox.
Value unsafe(std::string_view name, const Value& object) {
  return Undefined{std::string(name), std::string(kUnsafeOwner) + std::string(object.type_name()) + " object"};
}

std::optional<Value> dict_method(Context& context, const Value& object, std::string_view name) {
  if (name == "items" || name == "keys" || name == "values") {
    return make_callable(std::string(name), [&context, object, name = std::string(name)](Arguments& arguments) {
      const Parameters none(arguments, "a dict method", {});
      context.budget.step(object.as_dict()->items.size());
      return dict_items(*object.as_dict(), name != "values", name != "keys");
    });
  }
  if (name == "get") {
    return make_callable("get", [object](Arguments& arguments) -> Value {
      const Parameters given(arguments, "get()", {"key", "default"});
      const Value* found = find_item(*object.as_dict(), given.require(0));
      if (found != nullptr) return *found;
      return given.find(1) == nullptr ? Value(None{}) : *given.find(1);
    });
  }
  if (name == "copy") return make_callable("copy", [object](Arguments&) { return object; });
  if (changes_container(name) && name != "sort" && name != "reverse" && name != "append" && name != "extend" &&
      name != "insert" && name != "remove") {
    return unsafe(name, object);
  }
  return std::nullopt;
}

Value list_attribute(Context& context, const Value& object, std::string_view name) {
  if (changes_container(name)) return unsafe(name, object);
  if (name == "copy") return make_callable("copy", [object](Arguments&) { return object; });
  if (name == "count" || name == "index") {
    return make_callable(std::string(name),
                         [&context, object, counts = name == "count"](Arguments& arguments) -> Value {
                           const Parameters given(arguments, "a list method", {"value"});
                           int64_t count = 0;
                           int64_t position = 0;
                           for (const Value& item : object.as_list()->items) {
                             const bool same = equal(item, given.require(0), context.budget);
                             if (same && !counts) return position;
                             count += same;
                             ++position;
                           }
                           if (!counts) throw Error(Code::invalid_argument, "the value is not in the list");
                           return count;
                         });
  }
  return Undefined{std::string(name), "list object"};
}

// Python's rules for a slice's ends: negative counts from the end, out of range is cut.
struct Range {
  int64_t start, stop, step;
};
int64_t bound(const Value& value, int64_t fallback, int64_t low, int64_t high, int64_t size) {
  if (value.is_none()) return fallback;
  if (!value.is_whole()) throw Error(Code::invalid_argument, "slice indices must be integers or None");
  int64_t at = value.whole();
  if (at < 0) at = at < -size ? low : at + size;
  return std::clamp(at, low, high);
}
Range slice_range(int64_t size, const Value& start, const Value& stop, const Value& step) {
  if (!step.is_none() && !step.is_whole())
    throw Error(Code::invalid_argument, "slice indices must be integers or None");
  const int64_t by = step.is_none() ? 1 : step.whole();
  if (by == 0) throw Error(Code::invalid_argument, "slice step cannot be zero");
  const int64_t stride = std::clamp<int64_t>(by, -(int64_t{1} << 40), int64_t{1} << 40);
  if (by > 0) return {bound(start, 0, 0, size, size), bound(stop, size, 0, size, size), stride};
  return {bound(start, size - 1, -1, size - 1, size), bound(stop, -1, -1, size - 1, size), stride};
}

template <typename Take>
void walk(const Range& range, Take take) {
  for (int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop; i += range.step)
    take(static_cast<size_t>(i));
}

std::optional<Value> indexed(Context& context, const Value& object, int64_t index) {
  if (const List* list = object.as_list()) {
    const auto size = static_cast<int64_t>(list->items.size());
    const int64_t at = index < 0 ? index + size : index;
    if (at >= 0 && at < size) return list->items[static_cast<size_t>(at)];
  } else if (const std::string* text = object.as_string()) {
    context.budget.text(text->size());
    const auto all = characters(*text);
    const auto size = static_cast<int64_t>(all.size());
    const int64_t at = index < 0 ? index + size : index;
    if (at >= 0 && at < size) return Value(all[static_cast<size_t>(at)]);
  }
  return std::nullopt;
}

[[noreturn]] void undefined_error(const Undefined& missing) {
  throw Error(Code::invalid_argument, "'" + missing.name + "' is undefined");
}

}  // namespace

Value get_attribute(Context& context, const Value& object, std::string_view name) {
  if (const Undefined* missing = object.as_undefined()) undefined_error(*missing);
  if (name.starts_with("__")) return unsafe(name, object);
  if (const Dict* dict = object.as_dict()) {
    if (auto method = dict_method(context, object, name)) return std::move(*method);
    if (const Value* found = find_item(*dict, name)) return *found;
    return Undefined{std::string(name), "dict object"};
  }
  if (object.as_string() != nullptr) return text_attribute(context, object, name);
  if (object.as_list() != nullptr) return list_attribute(context, object, name);
  if (const Namespace* space = object.as_namespace()) {
    const auto found = space->attributes.find(name);
    if (found != space->attributes.end()) return found->second;
  }
  return Undefined{std::string(name), std::string(object.type_name()) + " object"};
}

Value get_item(Context& context, const Value& object, const Value& key) {
  if (const Undefined* missing = object.as_undefined()) undefined_error(*missing);
  if (const Dict* dict = object.as_dict()) {
    const bool hashable =
        key.as_dict() == nullptr && (key.as_list() == nullptr || key.as_list()->tuple) && !key.is_undefined();
    if (const Value* found = hashable ? find_item(*dict, key) : nullptr) return *found;
  } else if (key.is_whole()) {
    if (auto found = indexed(context, object, key.whole())) return std::move(*found);
  }
  if (const std::string* name = key.as_string()) return get_attribute(context, object, *name);
  return Undefined{key.is_undefined() ? "" : to_text(key, context.budget), std::string(object.type_name()) + " object"};
}

Value slice(Context& context, const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (const Undefined* missing = object.as_undefined()) undefined_error(*missing);
  if (const List* list = object.as_list()) {
    std::vector<Value> items;
    walk(slice_range(static_cast<int64_t>(list->items.size()), start, stop, step),
         [&](size_t i) { items.push_back(list->items[i]); });
    context.budget.step(items.size());
    return Value::list(std::move(items), list->tuple);
  }
  if (const std::string* text = object.as_string()) {
    context.budget.text(text->size());
    const auto all = characters(*text);
    std::string out;
    walk(slice_range(static_cast<int64_t>(all.size()), start, stop, step), [&](size_t i) { out += all[i]; });
    return out;
  }
  throw Error(Code::invalid_argument, "'" + std::string(object.type_name()) + "' object cannot be sliced");
}

}  // namespace lyceum::text::jinja
