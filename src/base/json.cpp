#include "base/json.h"

namespace lyceum {
namespace {

[[noreturn]] void fail(std::string_view key, std::string_view problem) {
  throw Error(Code::invalid_argument, "field '" + std::string(key) + "' " + std::string(problem));
}

const json::value* find_present(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<int64_t> whole_number(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64() && value.get_uint64() <= INT64_MAX) return static_cast<int64_t>(value.get_uint64());
  if (value.is_double()) {
    const double number = value.get_double();
    if (number > -9e15 && number < 9e15 && number == static_cast<double>(static_cast<int64_t>(number))) {
      return static_cast<int64_t>(number);
    }
  }
  return std::nullopt;
}

void write_pretty(const json::value& value, std::string& out, size_t indent);

template <typename Container, typename WriteItem>
void write_group(const Container& items, char open, char close, std::string& out, size_t indent, WriteItem write_item) {
  out.push_back(open);
  bool first = true;
  for (const auto& item : items) {
    out += first ? "\n" : ",\n";
    first = false;
    out.append(indent + 2, ' ');
    write_item(item);
  }
  out.push_back('\n');
  out.append(indent, ' ');
  out.push_back(close);
}

void write_pretty(const json::value& value, std::string& out, size_t indent) {
  if (value.is_object() && !value.get_object().empty()) {
    write_group(value.get_object(), '{', '}', out, indent, [&](const json::key_value_pair& pair) {
      out += json::serialize(json::string_view(pair.key())) + ": ";
      write_pretty(pair.value(), out, indent + 2);
    });
  } else if (value.is_array() && !value.get_array().empty()) {
    write_group(value.get_array(), '[', ']', out, indent, [&](const json::value& item) { write_pretty(item, out, indent + 2); });
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

json::value parse_json(std::string_view text, std::string_view what, size_t limit_bytes) {
  if (text.size() > limit_bytes) {
    throw Error(Code::too_large, std::string(what) + ": JSON text of " + std::to_string(text.size()) +
                                     " bytes is over the limit of " + std::to_string(limit_bytes));
  }
  json::parse_options options;
  options.max_depth = 64;
  json::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error) throw Error(Code::invalid_argument, std::string(what) + ": not valid JSON (" + error.message() + ")");
  return value;
}

const json::object& get_object(const json::value& value, std::string_view what) {
  if (!value.is_object()) throw Error(Code::invalid_argument, std::string(what) + ": expected a JSON object");
  return value.get_object();
}

std::string get_string(const json::object& object, std::string_view key) {
  auto value = find_string(object, key);
  if (!value) fail(key, "is missing");
  return *value;
}

int64_t get_int(const json::object& object, std::string_view key) {
  const auto value = find_int(object, key);
  if (!value) fail(key, "is missing");
  return *value;
}

std::optional<std::string> find_string(const json::object& object, std::string_view key) {
  const json::value* value = find_present(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail(key, "must be a string");
  return std::string(value->get_string());
}

std::optional<int64_t> find_int(const json::object& object, std::string_view key) {
  const json::value* value = find_present(object, key);
  if (value == nullptr) return std::nullopt;
  const auto number = whole_number(*value);
  if (!number) fail(key, "must be a whole number");
  return number;
}

std::optional<double> find_number(const json::object& object, std::string_view key) {
  const json::value* value = find_present(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) fail(key, "must be a number");
  return value->to_number<double>();
}

std::optional<bool> find_bool(const json::object& object, std::string_view key) {
  const json::value* value = find_present(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) fail(key, "must be true or false");
  return value->get_bool();
}

const json::object* find_object(const json::object& object, std::string_view key) {
  const json::value* value = find_present(object, key);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) fail(key, "must be an object");
  return &value->get_object();
}

const json::array* find_array(const json::object& object, std::string_view key) {
  const json::value* value = find_present(object, key);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) fail(key, "must be a list");
  return &value->get_array();
}

std::string pretty_json(const json::value& value) {
  std::string out;
  write_pretty(value, out, 0);
  out.push_back('\n');
  return out;
}

}  // namespace lyceum
