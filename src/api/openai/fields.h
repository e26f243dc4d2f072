// fields.h: typed, range-checked reading of a request's JSON object. A field that is absent or null is nullopt; one of another type or
// out of range is a RequestError (request_error.h) that names it. Unknown fields are nobody's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"

namespace lyceum::api {

class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}

  const json::value* find(std::string_view key) const;  // null if absent or null
  std::optional<double> number(const char* key, double min, double max) const;
  std::optional<int64_t> integer(const char* key, int64_t min, int64_t max) const;
  std::optional<bool> flag(const char* key) const;
  std::optional<std::string> text(const char* key) const;

 private:
  const json::object& object_;
};

// The object that `value` is, and the text under `key` of `object`; a RequestError that names `param`, the place in the request, if not.
const json::object& object_of(const json::value& value, const std::string& param);
std::string text_at(const json::object& object, const char* key, const std::string& param);

// A JSON value as an integer, also when written 3.0; nullopt otherwise.
std::optional<int64_t> find_integer(const json::value& value);

}  // namespace lyceum::api
