#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/budget.h"
#include "text/unicode.h"

namespace lyceum::text::jinja {
namespace {

int deeper(int depth) {
  if (depth >= kValueDepthMax)
    throw Error(Code::unprocessable, "the chat template builds a value nested over 100 levels deep");
  return depth + 1;
}

[[noreturn]] void type_error(const std::string& message) { throw Error(Code::invalid_argument, message); }

}  // namespace

const std::string* Value::as_string() const {
  const auto* held = std::get_if<std::shared_ptr<const std::string>>(&storage_);
  return held == nullptr ? nullptr : held->get();
}
const List* Value::as_list() const {
  const auto* held = std::get_if<std::shared_ptr<const List>>(&storage_);
  return held == nullptr ? nullptr : held->get();
}
const Dict* Value::as_dict() const {
  const auto* held = std::get_if<std::shared_ptr<const Dict>>(&storage_);
  return held == nullptr ? nullptr : held->get();
}
Namespace* Value::as_namespace() const {
  const auto* held = std::get_if<std::shared_ptr<Namespace>>(&storage_);
  return held == nullptr ? nullptr : held->get();
}
const Callable* Value::as_callable() const {
  const auto* held = std::get_if<std::shared_ptr<const Callable>>(&storage_);
  return held == nullptr ? nullptr : held->get();
}

Value Value::list(std::vector<Value> items, bool tuple) {
  auto list = std::make_shared<List>();
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  list->depth = deeper(depth);
  list->items = std::move(items);
  list->tuple = tuple;
  return Value(Storage(std::shared_ptr<const List>(std::move(list))));
}

Value Value::dict(std::vector<std::pair<Value, Value>> items) {
  auto dict = std::make_shared<Dict>();
  int depth = 0;
  for (auto& [key, value] : items) {
    depth = std::max({depth, key.depth(), value.depth()});
    const auto [entry, added] = dict->index.try_emplace(key_text(key), dict->items.size());
    if (added)
      dict->items.emplace_back(std::move(key), std::move(value));
    else
      dict->items[entry->second].second = std::move(value);
  }
  dict->depth = deeper(depth);
  return Value(Storage(std::shared_ptr<const Dict>(std::move(dict))));
}

Value Value::from_json(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return None{};
    case json::kind::bool_:
      return value.get_bool();
    case json::kind::int64:
      return value.get_int64();
    case json::kind::uint64:
      type_error("a whole number in the chat inputs is over 64 bits");
    case json::kind::double_:
      return value.get_double();
    case json::kind::string:
      return std::string(value.get_string());
    case json::kind::array: {
      std::vector<Value> items;
      for (const json::value& item : value.get_array()) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case json::kind::object: {
      std::vector<std::pair<Value, Value>> items;
      for (const auto& [key, item] : value.get_object()) items.emplace_back(std::string(key), from_json(item));
      return dict(std::move(items));
    }
  }
  return None{};
}

bool Value::truthy() const {
  if (const auto* value = as_bool()) return *value;
  if (const auto* value = as_int()) return *value != 0;
  if (const auto* value = as_float()) return *value != 0;
  if (const auto* value = as_string()) return !value->empty();
  if (const auto* value = as_list()) return !value->items.empty();
  if (const auto* value = as_dict()) return !value->items.empty();
  return as_namespace() != nullptr || as_callable() != nullptr;
}

int Value::depth() const {
  if (const auto* value = as_list()) return value->depth;
  if (const auto* value = as_dict()) return value->depth;
  return 0;
}

std::string_view Value::type_name() const {
  static constexpr std::string_view kNames[] = {"Undefined", "NoneType", "bool", "int",       "float",
                                                "str",       "list",     "dict", "Namespace", "function"};
  if (const auto* list = as_list(); list != nullptr && list->tuple) return "tuple";
  return kNames[storage_.index()];
}

std::string key_text(const Value& key) {
  if (const auto* text = key.as_string()) return "s" + *text;
  if (key.is_whole()) return "n" + std::to_string(key.whole());
  if (const auto* number = key.as_float()) {
    const bool whole = std::abs(*number) < 9e15 && *number == std::floor(*number);
    return whole ? "n" + std::to_string(static_cast<int64_t>(*number)) : "f" + float_text(*number);
  }
  if (key.is_none()) return "N";
  if (const auto* list = key.as_list(); list != nullptr && list->tuple) {
    std::string text = "t";
    for (const Value& item : list->items) {
      const std::string part = key_text(item);
      text += std::to_string(part.size()) + ":" + part;
    }
    return text;
  }
  type_error("a value of type '" + std::string(key.type_name()) + "' cannot be a dictionary key");
}

const Value* find_item(const Dict& dict, const Value& key) {
  const auto found = dict.index.find(key_text(key));
  return found == dict.index.end() ? nullptr : &dict.items[found->second].second;
}

const Value* find_item(const Dict& dict, std::string_view key) {
  const auto found = dict.index.find("s" + std::string(key));
  return found == dict.index.end() ? nullptr : &dict.items[found->second].second;
}

bool equal(const Value& left, const Value& right, Budget& budget) {
  budget.step();
  if (left.is_number() && right.is_number()) {
    return left.is_whole() && right.is_whole() ? left.whole() == right.whole() : left.number() == right.number();
  }
  if (left.as_string() != nullptr && right.as_string() != nullptr) return *left.as_string() == *right.as_string();
  if (const auto* a = left.as_list(), *b = right.as_list(); a != nullptr && b != nullptr) {
    if (a->tuple != b->tuple || a->items.size() != b->items.size()) return false;
    for (size_t i = 0; i < a->items.size(); ++i) {
      if (!equal(a->items[i], b->items[i], budget)) return false;
    }
    return true;
  }
  if (const auto* a = left.as_dict(), *b = right.as_dict(); a != nullptr && b != nullptr) {
    if (a->items.size() != b->items.size()) return false;
    return std::ranges::all_of(a->items, [&](const auto& item) {
      const Value* other = find_item(*b, item.first);
      return other != nullptr && equal(item.second, *other, budget);
    });
  }
  if (left.as_namespace() != nullptr || left.as_callable() != nullptr) {
    return left.as_namespace() == right.as_namespace() && left.as_callable() == right.as_callable();
  }
  return (left.is_none() && right.is_none()) || (left.is_undefined() && right.is_undefined());
}

int compare(const Value& left, const Value& right, Budget& budget) {
  budget.step();
  const auto sign = [](auto a, auto b) { return a < b ? -1 : b < a ? 1 : 0; };
  if (left.is_whole() && right.is_whole()) return sign(left.whole(), right.whole());
  if (left.is_number() && right.is_number()) return sign(left.number(), right.number());
  if (left.as_string() != nullptr && right.as_string() != nullptr) return sign(*left.as_string(), *right.as_string());
  if (const auto* a = left.as_list(), *b = right.as_list(); a != nullptr && b != nullptr && a->tuple == b->tuple) {
    for (size_t i = 0; i < std::min(a->items.size(), b->items.size()); ++i) {
      if (!equal(a->items[i], b->items[i], budget)) return compare(a->items[i], b->items[i], budget);
    }
    return sign(a->items.size(), b->items.size());
  }
  type_error("'<' is not supported between '" + std::string(left.type_name()) + "' and '" +
             std::string(right.type_name()) + "'");
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  if (const auto* text = container.as_string()) {
    const auto* part = item.as_string();
    if (part == nullptr)
      type_error("'in <string>' requires string as left operand, not " + std::string(item.type_name()));
    budget.text(text->size());
    return text->find(*part) != std::string::npos;
  }
  if (const auto* list = container.as_list()) {
    return std::ranges::any_of(list->items, [&](const Value& each) { return equal(each, item, budget); });
  }
  if (const auto* dict = container.as_dict()) return find_item(*dict, item) != nullptr;
  if (container.is_undefined()) return false;
  type_error("argument of type '" + std::string(container.type_name()) + "' is not iterable");
}

std::vector<Value> to_items(const Value& value, Budget& budget) {
  std::vector<Value> items;
  if (const auto* list = value.as_list()) {
    items = list->items;
  } else if (const auto* dict = value.as_dict()) {
    for (const auto& [key, unused] : dict->items) items.push_back(key);
  } else if (const auto* text = value.as_string()) {
    for (const std::string_view character : characters(*text)) items.emplace_back(character);
  } else if (!value.is_undefined()) {
    type_error("'" + std::string(value.type_name()) + "' object is not iterable");
  }
  budget.step(items.size());
  return items;
}

size_t character_count(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < text.size();) {
    const size_t length = std::min(utf8_length(static_cast<unsigned char>(text[i])), text.size() - i);
    out.push_back(text.substr(i, length));
    i += length;
  }
  return out;
}

}  // namespace lyceum::text::jinja
