#include "grammar/schema_merge.h"

#include <algorithm>
#include <array>

namespace lyceum::grammar {
namespace {

using Resolve = std::function<const json::value&(const std::string&)>;

json::array both_of(const json::value& a, const json::value& b) { return {a, b}; }
json::object all_of(const json::value& a, const json::value& b) { return {{"allOf", both_of(a, b)}}; }

bool is_type(const json::value& types, std::string_view type) {
  if (types.is_string()) return types.get_string() == type;
  return types.is_array() && std::ranges::any_of(types.get_array(), [type](const json::value& one) { return one.is_string() && one.get_string() == type; });
}

class Merger {
 public:
  Merger(const std::string& where, const Resolve& resolve) : where_(where), resolve_(resolve) {}

  json::value merge(const json::value& a, const json::value& b) {
    if (a.is_bool()) return a.get_bool() ? b : a;
    if (b.is_bool()) return b.get_bool() ? a : b;
    if (!a.is_object() || !b.is_object()) fail("a schema must be an object, true or false");
    json::object left = without_ref(a.get_object()), right = without_ref(b.get_object());
    json::object out = left;
    keep_closed(left, right, out);
    for (const auto& [key, value] : right) {
      if (!out.contains(key)) {
        out[key] = value;
      } else if (out[key] != value) {
        merge_key(std::string_view(key), out[key], value, out);
      }
    }
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(Code::invalid_argument, "the schema at " + where_ + ": " + what); }

  // A schema that is a reference becomes what it refers to, merged with what is beside it.
  json::object without_ref(json::object schema) {
    for (int steps = 0; schema.contains("$ref"); ++steps) {
      if (steps > 50 || !schema["$ref"].is_string()) fail("$ref leads nowhere");
      const json::value target = resolve_(std::string(schema["$ref"].get_string()));
      schema.erase("$ref");
      json::value merged = merge(target, schema);
      if (merged.is_bool()) return merged.get_bool() ? json::object{} : json::object{{"enum", json::array{}}};
      schema = std::move(merged.get_object());
    }
    return schema;
  }

  // additionalProperties of one part speaks of the properties that only the other part names.
  static void keep_closed(const json::object& left, const json::object& right, json::object& out) {
    const auto properties_of = [](const json::object& schema) {
      const json::value* value = schema.if_contains("properties");
      return value != nullptr && value->is_object() ? value->get_object() : json::object{};
    };
    json::object merged = properties_of(left);
    const json::object other = properties_of(right);
    for (const auto& [name, schema] : other) {
      const json::value* there = merged.if_contains(name);
      merged[name] = there == nullptr || *there == schema ? schema : json::value(all_of(*there, schema));
    }
    const auto apply = [&merged](const json::object& own, const json::object& closed) {
      const json::value* rest = closed.if_contains("additionalProperties");
      if (rest == nullptr || (rest->is_bool() && rest->get_bool())) return;
      const json::value* named = closed.if_contains("properties");
      for (const auto& [name, schema] : own) {
        if (named != nullptr && named->is_object() && named->get_object().contains(name)) continue;
        merged[name] = rest->is_bool() ? json::value(false) : json::value(all_of(merged[name], *rest));
      }
    };
    apply(properties_of(left), right);
    apply(other, left);
    if (!merged.empty()) out["properties"] = std::move(merged);
  }

  void merge_key(std::string_view key, json::value& mine, const json::value& other, json::object& out) {
    static constexpr std::array<std::string_view, 5> kLargest = {"minLength", "minItems", "minimum", "exclusiveMinimum", "minProperties"};
    static constexpr std::array<std::string_view, 5> kSmallest = {"maxLength", "maxItems", "maximum", "exclusiveMaximum", "maxProperties"};
    const auto number = [&](const json::value& value) {
      if (!value.is_number()) fail(std::string(key) + " must be a number");
      return value.to_number<double>();
    };
    if (key == "properties") return;   // done
    if (key == "title" || key == "description" || key == "default" || key == "examples" || key == "$defs" || key == "definitions" || key == "$schema" || key == "$id" || key == "$comment") return;
    if (key == "required") return merge_required(mine, other);
    if (key == "type") return merge_types(mine, other);
    if (key == "enum") return merge_enums(mine, other);
    if (key == "additionalProperties" || key == "items") {
      mine = mine == json::value(false) || other == json::value(false) ? json::value(false) : json::value(all_of(mine, other));
    } else if (key == "allOf") {
      if (!mine.is_array() || !other.is_array()) fail("allOf must be a list");
      for (const json::value& one : other.get_array()) mine.get_array().push_back(one);
    } else if (key == "anyOf" || key == "oneOf") {
      json::value& all = out["allOf"];
      if (!all.is_array()) all = json::array{};
      all.get_array().push_back(json::object{{key, other}});
    } else if (std::ranges::find(kLargest, key) != kLargest.end()) {
      if (number(other) > number(mine)) mine = other;
    } else if (std::ranges::find(kSmallest, key) != kSmallest.end()) {
      if (number(other) < number(mine)) mine = other;
    } else {
      fail("two different values of \"" + std::string(key) + "\" apply at once (allOf, or beside $ref); write one schema that means both");
    }
  }

  void merge_required(json::value& mine, const json::value& other) {
    if (!mine.is_array() || !other.is_array()) fail("required must be a list of names");
    for (const json::value& name : other.get_array()) {
      if (std::ranges::find(mine.get_array(), name) == mine.get_array().end()) mine.get_array().push_back(name);
    }
  }

  static void merge_types(json::value& mine, const json::value& other) {
    json::array both;
    for (const char* type : {"object", "array", "string", "boolean", "null"}) {
      if (is_type(mine, type) && is_type(other, type)) both.emplace_back(type);
    }
    const auto numeric = [](const json::value& types) { return is_type(types, "number") || is_type(types, "integer"); };
    if (is_type(mine, "number") && is_type(other, "number")) {
      both.emplace_back("number");
    } else if (numeric(mine) && numeric(other)) {
      both.emplace_back("integer");
    }
    mine = std::move(both);
  }

  void merge_enums(json::value& mine, const json::value& other) {
    if (!mine.is_array() || !other.is_array()) fail("enum must be a list");
    json::array both;
    for (const json::value& one : mine.get_array()) {
      if (std::ranges::find(other.get_array(), one) != other.get_array().end()) both.push_back(one);
    }
    mine = std::move(both);
  }

  const std::string& where_;
  const Resolve& resolve_;
};

}  // namespace

json::value merge_schemas(const json::value& a, const json::value& b, const std::string& where, const Resolve& resolve) { return Merger(where, resolve).merge(a, b); }

}  // namespace lyceum::grammar
