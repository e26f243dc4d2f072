#include "api/openai/fields.h"

#include <fmt/format.h>

#include <cmath>

#include "api/openai/request_error.h"

namespace lyceum::api {

const json::object& object_of(const json::value& value, const std::string& param) {
  if (!value.is_object()) throw RequestError(param, param + " must be an object");
  return value.get_object();
}

std::string text_at(const json::object& object, const char* key, const std::string& param) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) throw RequestError(param, fmt::format("{}.{} must be a string", param, key));
  return std::string(value->get_string());
}

std::optional<int64_t> find_integer(const json::value& value) {
  if (const auto* number = value.if_int64()) return *number;
  if (const auto* number = value.if_double(); number != nullptr && std::abs(*number) < 9e15 && std::trunc(*number) == *number) return static_cast<int64_t>(*number);
  return std::nullopt;
}

const json::value* Fields::find(std::string_view key) const {
  const json::value* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<double> Fields::number(const char* key, double min, double max) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) throw RequestError(key, fmt::format("{} must be a number", key));
  const double number = value->to_number<double>();
  if (!(number >= min && number <= max)) throw RequestError(key, fmt::format("{} must lie between {} and {}, not {}", key, min, max, number));
  return number;
}

std::optional<int64_t> Fields::integer(const char* key, int64_t min, int64_t max) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto integer = find_integer(*value);
  if (!integer) throw RequestError(key, fmt::format("{} must be an integer", key));
  if (*integer < min || *integer > max) throw RequestError(key, fmt::format("{} must lie between {} and {}, not {}", key, min, max, *integer));
  return integer;
}

std::optional<bool> Fields::flag(const char* key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) throw RequestError(key, fmt::format("{} must be true or false", key));
  return value->get_bool();
}

std::optional<std::string> Fields::text(const char* key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) throw RequestError(key, fmt::format("{} must be a string", key));
  return std::string(value->get_string());
}

}  // namespace lyceum::api
