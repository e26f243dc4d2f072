#include "grammar/json_schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "grammar/pattern.h"
#include "grammar/schema_merge.h"

namespace lyceum::grammar {
namespace {

constexpr int kDepthMax = 128;
constexpr size_t kSchemasMax = 20'000;   // counted as often as they are read
constexpr uint32_t kCountMax = 10'000;   // maxItems, maxLength
constexpr size_t kNameBytesMax = 1000;

enum class Group { object, array, string, number };
struct Keyword {
  std::string_view name;
  Group group;
};
// Assertions that speak of one type of value.
constexpr std::array<Keyword, 15> kAssertions = {{{"properties", Group::object},
                                                  {"required", Group::object},
                                                  {"additionalProperties", Group::object},
                                                  {"items", Group::array},
                                                  {"prefixItems", Group::array},
                                                  {"minItems", Group::array},
                                                  {"maxItems", Group::array},
                                                  {"minLength", Group::string},
                                                  {"maxLength", Group::string},
                                                  {"pattern", Group::string},
                                                  {"format", Group::string},
                                                  {"minimum", Group::number},
                                                  {"maximum", Group::number},
                                                  {"exclusiveMinimum", Group::number},
                                                  {"exclusiveMaximum", Group::number}}};
constexpr std::array<std::string_view, 8> kCombining = {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs"};
constexpr std::array<std::string_view, 15> kAnnotations = {"title",    "description", "default",   "examples",      "$schema",         "$id",              "$comment", "deprecated",
                                                           "readOnly", "writeOnly",   "definitions", "discriminator", "contentEncoding", "contentMediaType", "example"};

#define LYCEUM_HOUR_TO_SECOND "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define LYCEUM_DAY                                                                                                                \
  "([1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))" \
  "|([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)"
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kFormats = {{
    {"date", "^" LYCEUM_DAY "$"},
    {"time", "^" LYCEUM_HOUR_TO_SECOND "$"},
    {"date-time", "^" LYCEUM_DAY "T" LYCEUM_HOUR_TO_SECOND "$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    {"ipv4", "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"},
    {"email", "^[A-Za-z0-9_+-]{1,30}(\\.[A-Za-z0-9_+-]{1,20})?@([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\\.){1,3}[a-z]{2,10}$"},
    {"hostname", "^([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\\.){0,4}[a-z]{2,10}$"},
    {"uri", "^(https?|ftp)://([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\\.){0,4}[a-z]{2,10}(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~-]{0,60}){0,20}(\\?[A-Za-z0-9._~=&-]{0,200})?$"},
}};
#undef LYCEUM_DAY
#undef LYCEUM_HOUR_TO_SECOND

class SchemaReader {
 public:
  SchemaReader(JsonRules& rules, const json::value& document, const std::string& what) : rules_(rules), grammar_(rules.grammar()), document_(document), what_(what) {}

  ExprId read_document() { return read_reference("#"); }

 private:
  [[noreturn]] void fail(const std::string& where, const std::string& what) const { throw Error(Code::invalid_argument, "the schema at " + where + ": " + what); }

  // --- references ---------------------------------------------------------------------------------------------------------
  const json::value& resolve(const std::string& pointer, const std::string& where) const {
    if (pointer == "#") return document_;
    if (!pointer.starts_with("#/")) fail(where, "$ref \"" + pointer.substr(0, 100) + "\" is not within the document; write #/$defs/name");
    boost::system::error_code error;
    const json::value* found = document_.find_pointer(pointer.substr(1), error);
    if (found == nullptr) fail(where, "$ref \"" + pointer.substr(0, 100) + "\" leads nowhere");
    return *found;
  }

  // Each target is a rule, made once: that is what makes recursion possible.
  ExprId read_reference(const std::string& pointer, const std::string& where = "#") {
    const json::value& target = resolve(pointer, where);
    const auto [entry, added] = by_pointer_.try_emplace(pointer);
    if (added) {
      entry->second = grammar_.add_rule(what_ + pointer);
      const RuleId rule = entry->second;
      grammar_.define(rule, read(target, pointer));
    }
    return grammar_.reference(by_pointer_.at(pointer));
  }

  json::value merge(const json::value& a, const json::value& b, const std::string& where) const {
    return merge_schemas(a, b, where, [&](const std::string& pointer) -> const json::value& { return resolve(pointer, where); });
  }

  // --- any schema ---------------------------------------------------------------------------------------------------------
  ExprId read(const json::value& schema, const std::string& where) {
    if (++read_ > kSchemasMax) fail(where, "there are over 20,000 schemas, counted where they are used");
    if (depth_ >= kDepthMax) fail(where, "schemas are nested (or merged with themselves) more than 128 deep");
    ++depth_;
    const ExprId out = read_any(schema, where);
    --depth_;
    return out;
  }

  ExprId read_any(const json::value& schema, const std::string& where) {
    if (schema.is_bool()) return schema.get_bool() ? rules_.value() : nothing();
    if (!schema.is_object()) fail(where, "a schema must be an object, true or false");
    const json::object& object = schema.get_object();
    check_keywords(object, where);
    if (const json::value* all = object.if_contains("allOf")) return read_all_of(object, *all, where);
    if (const json::value* ref = object.if_contains("$ref")) return read_ref(object, *ref, where);
    for (const char* key : {"anyOf", "oneOf"}) {
      if (const json::value* any = object.if_contains(key)) return read_any_of(object, *any, key, where);
    }
    if (object.contains("enum") || object.contains("const")) return read_enum(object, where);
    return read_types(object, where);
  }

  ExprId nothing() { return grammar_.choice({}); }

  void check_keywords(const json::object& object, const std::string& where) const {
    for (const auto& member : object) {
      const std::string_view key = member.key();
      const auto is = [key](std::string_view name) { return name == key; };
      if (std::ranges::any_of(kAssertions, is, &Keyword::name) || std::ranges::any_of(kCombining, is) || std::ranges::any_of(kAnnotations, is) || key.starts_with("x-")) continue;
      if (key == "uniqueItems" && member.value() == json::value(false)) continue;
      fail(where, "the keyword \"" + std::string(key.substr(0, 60)) + "\" is not supported; leave it out and check the answer, or say the same with type, properties, items, enum, pattern, anyOf or $ref");
    }
  }

  // What remains of a schema without one of its keywords: is there anything else that must hold?
  static bool asserts(const json::object& object) {
    return std::ranges::any_of(object, [](const auto& member) {
      const std::string_view key = member.key();
      const auto is = [key](std::string_view name) { return name == key; };
      return key != "$defs" && (std::ranges::any_of(kAssertions, is, &Keyword::name) || std::ranges::any_of(kCombining, is));
    });
  }

  ExprId read_all_of(const json::object& object, const json::value& all, const std::string& where) {
    if (!all.is_array() || all.get_array().empty()) fail(where, "allOf must be a list of schemas");
    json::object rest = object;
    rest.erase("allOf");
    json::value merged = rest;
    for (const json::value& one : all.get_array()) merged = merge(merged, one, where);
    return read(merged, where);
  }

  ExprId read_ref(const json::object& object, const json::value& ref, const std::string& where) {
    if (!ref.is_string()) fail(where, "$ref must be a string");
    json::object rest = object;
    rest.erase("$ref");
    const std::string pointer(ref.get_string());
    if (!asserts(rest)) return read_reference(pointer, where);
    return read(merge(resolve(pointer, where), rest, where), where);
  }

  ExprId read_any_of(const json::object& object, const json::value& any, const char* key, const std::string& where) {
    if (!any.is_array() || any.get_array().empty()) fail(where, std::string(key) + " must be a list of schemas");
    json::object rest = object;
    rest.erase(key);
    const bool more = asserts(rest);
    std::vector<ExprId> choices;
    for (size_t i = 0; i < any.get_array().size(); ++i) {
      const json::value& one = any.get_array()[i];
      const std::string place = where + "/" + key + "/" + std::to_string(i);
      choices.push_back(more ? read(merge(rest, one, place), place) : read(one, place));
    }
    return grammar_.choice(std::move(choices));
  }

  // --- values and types ---------------------------------------------------------------------------------------------------
  static std::string_view type_of(const json::value& value) {
    switch (value.kind()) {
      case json::kind::object: return "object";
      case json::kind::array: return "array";
      case json::kind::string: return "string";
      case json::kind::bool_: return "boolean";
      case json::kind::null: return "null";
      default: break;
    }
    return value.is_double() && value.get_double() != std::floor(value.get_double()) ? "number" : "integer";
  }

  ExprId read_enum(const json::object& object, const std::string& where) {
    json::array values;
    if (const json::value* list = object.if_contains("enum")) {
      if (!list->is_array()) fail(where, "enum must be a list");
      values = list->get_array();
    }
    if (const json::value* only = object.if_contains("const")) {
      const bool among = !object.contains("enum") || std::ranges::find(values, *only) != values.end();
      values = among ? json::array{*only} : json::array{};
    }
    for (const Keyword& keyword : kAssertions) {
      if (object.contains(keyword.name)) fail(where, "\"" + std::string(keyword.name) + "\" beside enum or const is not supported; leave out the values it forbids");
    }
    const std::vector<std::string> types = types_of(object, where);
    std::vector<ExprId> choices;
    for (const json::value& value : values) {
      const std::string_view type = type_of(value);
      const auto fits = [type](const std::string& one) { return one == type || (one == "number" && type == "integer"); };
      if (types.empty() || std::ranges::any_of(types, fits)) choices.push_back(rules_.exactly(value));
    }
    return grammar_.choice(std::move(choices));
  }

  std::vector<std::string> types_of(const json::object& object, const std::string& where) const {
    const json::value* type = object.if_contains("type");
    if (type == nullptr) return {};
    std::vector<std::string> out;
    const auto add = [&](const json::value& one) {
      static constexpr std::array<std::string_view, 7> kTypes = {"object", "array", "string", "number", "integer", "boolean", "null"};
      if (!one.is_string() || std::ranges::find(kTypes, std::string_view(one.get_string())) == kTypes.end()) fail(where, "type must be object, array, string, number, integer, boolean or null, or a list of these");
      out.emplace_back(one.get_string());
    };
    if (!type->is_array()) {
      add(*type);
    } else {
      for (const json::value& one : type->get_array()) add(one);
      if (out.empty()) out.emplace_back("nothing");
    }
    return out;
  }

  // Without a type, keywords that speak of one mean it: the values of that type are among those the schema holds for.
  ExprId read_types(const json::object& object, const std::string& where) {
    std::vector<std::string> types = types_of(object, where);
    if (types.empty()) {
      static constexpr std::array<std::string_view, 4> kTypeOfGroup = {"object", "array", "string", "number"};
      for (const Keyword& keyword : kAssertions) {
        if (object.contains(keyword.name)) types.emplace_back(kTypeOfGroup[static_cast<size_t>(keyword.group)]);
      }
      if (types.empty()) return rules_.value();
      std::ranges::sort(types);
      types.erase(std::unique(types.begin(), types.end()), types.end());
    }
    std::vector<ExprId> choices;
    for (const std::string& type : types) choices.push_back(read_type(object, type, where));
    return choices.size() == 1 ? choices[0] : grammar_.choice(std::move(choices));
  }

  ExprId read_type(const json::object& object, std::string_view type, const std::string& where) {
    if (type == "object") return read_object(object, where);
    if (type == "array") return read_array(object, where);
    if (type == "string") return read_string(object, where);
    if (type == "boolean") return rules_.boolean();
    if (type == "null") return rules_.null();
    return type == "nothing" ? nothing() : read_number(object, type == "integer", where);
  }

  std::optional<uint32_t> count(const json::object& object, const char* key, const std::string& where) const {
    const json::value* value = object.if_contains(key);
    if (value == nullptr) return std::nullopt;
    const double number = value->is_number() ? value->to_number<double>() : -1;
    if (number < 0 || number != std::floor(number)) fail(where, std::string(key) + " must be a whole number, 0 or more");
    if (number > kCountMax) fail(where, std::string(key) + " is over 10,000; leave it out and check the answer");
    return static_cast<uint32_t>(number);
  }

  ExprId read_string(const json::object& object, const std::string& where) {
    const auto min = count(object, "minLength", where), max = count(object, "maxLength", where);
    const json::value* pattern = object.if_contains("pattern");
    const json::value* format = object.if_contains("format");
    if ((pattern != nullptr ? 1 : 0) + (format != nullptr ? 1 : 0) + (min || max ? 1 : 0) > 1) fail(where, "pattern, format and minLength or maxLength do not go together; say it all in one pattern");
    if (max && *max < min.value_or(0)) return nothing();
    if (min || max) return rules_.string(min.value_or(0), max.value_or(kUnbounded));
    if (pattern == nullptr && format == nullptr) return rules_.string();
    const json::value& given = pattern != nullptr ? *pattern : *format;
    if (!given.is_string()) fail(where, "pattern and format must be strings");
    try {
      const std::string_view text = pattern != nullptr ? std::string_view(given.get_string()) : pattern_of_format(given.get_string(), where);
      return rules_.as_rule(where, rules_.quoted(pattern_in_string(rules_, text)));
    } catch (const Error& error) {
      if (pattern == nullptr) throw;
      fail(where, error.what());
    }
  }

  std::string_view pattern_of_format(std::string_view format, const std::string& where) const {
    for (const auto& [name, pattern] : kFormats) {
      if (name == format) return pattern;
    }
    fail(where, "the format \"" + std::string(format.substr(0, 60)) + "\" is not supported (date, time, date-time, uuid, ipv4, email, hostname and uri are); write a pattern instead");
  }

  // --- numbers ------------------------------------------------------------------------------------------------------------
  std::optional<double> bound(const json::object& object, const char* key, const std::string& where) const {
    const json::value* value = object.if_contains(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) fail(where, std::string(key) + " must be a number");
    const double number = value->to_number<double>();
    if (std::abs(number) > 9e15) fail(where, std::string(key) + " is beyond 9·10^15; leave it out");
    return number;
  }

  ExprId read_number(const json::object& object, bool integer, const std::string& where) {
    std::optional<double> min = bound(object, "minimum", where), max = bound(object, "maximum", where);
    const auto above = bound(object, "exclusiveMinimum", where), below = bound(object, "exclusiveMaximum", where);
    if (!integer) {
      if (min || max || above || below) fail(where, "bounds are supported for integers only; use type integer, or leave them out and check the answer");
      return rules_.number();
    }
    if (min) min = std::ceil(*min);
    if (max) max = std::floor(*max);
    if (above) min = std::max(min.value_or(-1e16), std::floor(*above) + 1);
    if (below) max = std::min(max.value_or(1e16), std::ceil(*below) - 1);
    if (min && max && *min > *max) return nothing();
    const auto whole = [](std::optional<double> value) { return value ? std::optional<int64_t>(static_cast<int64_t>(*value)) : std::nullopt; };
    return rules_.integer(whole(min), whole(max));
  }

  // --- arrays -------------------------------------------------------------------------------------------------------------
  ExprId read_array(const json::object& object, const std::string& where) {
    const uint32_t min = count(object, "minItems", where).value_or(0), max = count(object, "maxItems", where).value_or(kUnbounded);
    if (max < min) return nothing();
    const json::value* items = object.if_contains("items");
    if (items != nullptr && items->is_array()) fail(where, "items is a list: that is prefixItems now");
    const json::value* prefix = object.if_contains("prefixItems");
    if (prefix != nullptr && !prefix->is_array()) fail(where, "prefixItems must be a list of schemas");
    const size_t first = prefix == nullptr ? 0 : prefix->get_array().size();
    const bool closed = items != nullptr && items->is_bool() && !items->get_bool();
    if (closed && min > first) return nothing();
    if (first == 0) return closed ? rules_.list("[", grammar_.literal(""), 0, 0, "]") : rules_.list("[", read_item(items, where), min, max, "]");
    return read_tuple(prefix->get_array(), closed ? std::nullopt : std::optional(read_item(items, where)), min, max, where);
  }

  ExprId read_item(const json::value* items, const std::string& where) {
    return items == nullptr ? rules_.value() : rules_.as_rule(where + "/items", read(*items, where + "/items"));
  }

  // From the back: what may follow when i items are there.
  ExprId read_tuple(const json::array& prefix, std::optional<ExprId> item, uint32_t min, uint32_t max, const std::string& where) {
    const auto count = static_cast<uint32_t>(prefix.size());
    ExprId rest = grammar_.literal("");
    if (item && max > count) {
      const ExprId more = rules_.as_rule("more", grammar_.sequence({rules_.comma(), *item}));
      rest = grammar_.repeat(more, min > count ? min - count : 0, max == kUnbounded ? max : max - count);
    }
    for (uint32_t i = std::min(count, max); i-- > 0;) {
      const std::string place = where + "/prefixItems/" + std::to_string(i);
      std::vector<ExprId> parts;
      if (i > 0) parts.push_back(rules_.comma());
      parts.push_back(read(prefix[i], place));
      parts.push_back(rest);
      if (i == 0) parts.push_back(rules_.space());
      const ExprId from_here = grammar_.sequence(std::move(parts));
      rest = i < min ? from_here : grammar_.optional(from_here);
    }
    return grammar_.sequence({grammar_.literal("["), rules_.space(), rest, grammar_.literal("]")});
  }

  // --- objects ------------------------------------------------------------------------------------------------------------
  struct Member {
    ExprId text;
    bool required;
  };

  ExprId read_object(const json::object& object, const std::string& where) {
    const json::object properties = properties_of(object, where);
    const std::set<std::string, std::less<>> required = required_of(object, where);
    const json::value* rest = object.if_contains("additionalProperties");
    if (!object.contains("properties") && required.empty() && rest == nullptr) return rules_.object();
    std::vector<Member> members;
    std::vector<std::string_view> names;
    for (const auto& [name, schema] : properties) {
      if (name.size() > kNameBytesMax) fail(where, "a property's name is over 1,000 bytes");
      const bool needed = required.contains(std::string_view(name));
      names.emplace_back(name);
      if (schema == json::value(false) && !needed) continue;
      members.push_back({member(name, read(schema, where + "/properties/" + std::string(name))), needed});
    }
    // A required name that no property describes is like any other additional one.
    for (const std::string& name : required) {
      if (properties.contains(name)) continue;
      names.emplace_back(name);
      members.push_back({member(name, rest == nullptr ? rules_.value() : read(*rest, where + "/additionalProperties")), true});
    }
    const bool open = rest != nullptr && !(rest->is_bool() && !rest->get_bool());
    std::optional<ExprId> other;
    if (open) {
      const ExprId value = read(*rest, where + "/additionalProperties");
      other = rules_.as_rule(where + "/additionalProperties", grammar_.sequence({names.empty() ? rules_.string() : rules_.key_but(names), grammar_.literal(":"), rules_.space(), value}));
    }
    return grammar_.sequence({grammar_.literal("{"), rules_.space(), members_in_order(members, other), grammar_.literal("}")});
  }

  json::object properties_of(const json::object& object, const std::string& where) const {
    const json::value* properties = object.if_contains("properties");
    if (properties != nullptr && !properties->is_object()) fail(where, "properties must be an object");
    return properties == nullptr ? json::object{} : properties->get_object();
  }

  std::set<std::string, std::less<>> required_of(const json::object& object, const std::string& where) const {
    std::set<std::string, std::less<>> out;
    const json::value* required = object.if_contains("required");
    if (required == nullptr) return out;
    if (!required->is_array()) fail(where, "required must be a list of names");
    for (const json::value& name : required->get_array()) {
      if (!name.is_string() || name.get_string().size() > kNameBytesMax) fail(where, "required must be a list of names of at most 1,000 bytes");
      out.emplace(name.get_string());
    }
    return out;
  }

  ExprId member(std::string_view name, ExprId value) {
    return grammar_.sequence({grammar_.literal(json::serialize(json::value(name)) + ":"), rules_.space(), value});
  }

  // rest(i): the members from i on when one is there before; first(i): when none is. From the back, each a rule, so that nothing is copied.
  ExprId members_in_order(const std::vector<Member>& members, std::optional<ExprId> other) {
    const ExprId nothing_more = grammar_.literal("");
    ExprId rest = other ? grammar_.repeat(grammar_.sequence({rules_.comma(), *other}), 0) : nothing_more;
    ExprId first = other ? grammar_.optional(grammar_.sequence({*other, rest, rules_.space()})) : nothing_more;
    for (size_t i = members.size(); i-- > 0;) {
      const ExprId tail = rules_.as_rule("members", rest);
      const ExprId begin = grammar_.sequence({members[i].text, tail, rules_.space()});
      first = members[i].required ? begin : rules_.as_rule("members", grammar_.choice({begin, first}));
      const ExprId more = grammar_.sequence({rules_.comma(), members[i].text, tail});
      rest = members[i].required ? more : grammar_.choice({more, tail});
    }
    return first;
  }

  JsonRules& rules_;
  Grammar& grammar_;
  const json::value& document_;
  std::string what_;
  std::map<std::string, RuleId> by_pointer_;
  int depth_ = 0;
  size_t read_ = 0;
};

}  // namespace

ExprId add_json_schema(JsonRules& rules, const json::value& schema, const std::string& what) { return SchemaReader(rules, schema, what).read_document(); }

Grammar json_schema_grammar(const json::value& schema) {
  Grammar grammar;
  JsonRules rules(grammar);
  grammar.set_root(grammar.add_rule("root", add_json_schema(rules, schema, "")));
  return grammar;
}

Grammar json_object_grammar() {
  Grammar grammar;
  JsonRules rules(grammar);
  grammar.set_root(grammar.add_rule("root", rules.object()));
  return grammar;
}

}  // namespace lyceum::grammar
