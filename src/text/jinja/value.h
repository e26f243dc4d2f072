// value.h: what a template computes with: Python's values, as far as chat templates use them, printed as Python prints
// them.
//
// Strings, lists and dictionaries are immutable and shared; only a namespace can change. Nesting is bounded, so that
// printing, comparing and destroying a value cannot exhaust the stack.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace lyceum::text::jinja {

class Value;
class Budget;

constexpr int kValueDepthMax = 100;

struct Undefined {
  std::string name;   // what was looked up
  std::string owner;  // "str object", "" for a variable
};
struct None {};

struct List {
  std::vector<Value> items;
  bool tuple = false;
  int depth = 1;
};

// Insertion-ordered; keys are looked up by Python equality restricted to strings, numbers, booleans and none.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  std::map<std::string, size_t, std::less<>> index;  // by key_text() of the key
  int depth = 1;
};

struct Namespace {
  std::map<std::string, Value, std::less<>> attributes;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Callable {
  std::string name;
  std::function<Value(Arguments&)> call;
};

class Value {
 public:
  using Storage = std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
                               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
                               std::shared_ptr<const Callable>>;

  Value() : storage_(None{}) {}
  Value(None none) : storage_(none) {}
  Value(Undefined undefined) : storage_(std::move(undefined)) {}
  Value(bool value) : storage_(value) {}
  Value(int64_t value) : storage_(value) {}
  Value(double value) : storage_(value) {}
  Value(std::string text) : storage_(std::make_shared<const std::string>(std::move(text))) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(std::shared_ptr<Namespace> value) : storage_(std::move(value)) {}
  Value(std::shared_ptr<const Callable> value) : storage_(std::move(value)) {}

  static Value list(std::vector<Value> items, bool tuple = false);  // throws when nested too deeply
  static Value dict(
      std::vector<std::pair<Value, Value>> items);  // the later of two equal keys wins, in the earlier's place
  static Value from_json(const json::value& value);

  bool is_undefined() const { return std::holds_alternative<Undefined>(storage_); }
  bool is_none() const { return std::holds_alternative<None>(storage_); }
  const bool* as_bool() const { return std::get_if<bool>(&storage_); }
  const int64_t* as_int() const { return std::get_if<int64_t>(&storage_); }  // not for booleans
  const double* as_float() const { return std::get_if<double>(&storage_); }
  const std::string* as_string() const;
  const List* as_list() const;
  const Dict* as_dict() const;
  Namespace* as_namespace() const;
  const Callable* as_callable() const;
  const Undefined* as_undefined() const { return std::get_if<Undefined>(&storage_); }

  bool is_number() const { return as_bool() != nullptr || as_int() != nullptr || as_float() != nullptr; }
  bool is_whole() const { return as_bool() != nullptr || as_int() != nullptr; }
  int64_t whole() const { return as_bool() != nullptr ? (*as_bool() ? 1 : 0) : *as_int(); }  // REQUIRES: is_whole()
  double number() const {
    return as_float() != nullptr ? *as_float() : static_cast<double>(whole());
  }  // REQUIRES: is_number()

  bool truthy() const;
  int depth() const;
  std::string_view type_name() const;  // as Python's error messages say: "str", "NoneType"

 private:
  explicit Value(Storage storage) : storage_(std::move(storage)) {}
  Storage storage_;
};

// The text of a dictionary key, equal for keys that Python calls equal (1, 1.0 and True). Throws for unhashable keys.
std::string key_text(const Value& key);
const Value* find_item(const Dict& dict, const Value& key);
const Value* find_item(const Dict& dict, std::string_view key);

std::string to_text(const Value& value, Budget& budget);  // str()
std::string to_repr(const Value& value, Budget& budget);  // repr()
std::string float_text(double value);

struct JsonStyle {
  bool ascii = false;
  std::string indent;  // one level; used when `pretty`
  bool pretty = false;
  std::string item_separator = ", ", key_separator = ": ";
  bool sort_keys = false;
};
std::string to_json_text(const Value& value, const JsonStyle& style, Budget& budget);  // json.dumps()

bool equal(const Value& left, const Value& right, Budget& budget);
int compare(const Value& left, const Value& right,
            Budget& budget);  // <0, 0, >0; throws for types Python does not order
bool contains(const Value& container, const Value& item, Budget& budget);
std::vector<Value> to_items(const Value& value,
                            Budget& budget);  // what a for loop goes through; throws when not iterable

size_t character_count(std::string_view text);
std::vector<std::string_view> characters(std::string_view text);

}  // namespace lyceum::text::jinja
