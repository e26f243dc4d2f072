// json.h: Boost.JSON with limits on outside text, and getters whose errors name the key.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lyceum {

namespace json = boost::json;

// Throws Error(invalid_argument, "<what>: …") on malformed text, over-deep nesting (64) or text over limit_bytes.
json::value parse_json(std::string_view text, std::string_view what, size_t limit_bytes = 256u << 20);

// get_…: throws Error(invalid_argument) naming the key when absent or of another type. find_…: nullopt when absent or null,
// throws when present with another type.
const json::object& get_object(const json::value& value, std::string_view what);
std::string get_string(const json::object& object, std::string_view key);
int64_t get_int(const json::object& object, std::string_view key);
std::optional<std::string> find_string(const json::object& object, std::string_view key);
std::optional<int64_t> find_int(const json::object& object, std::string_view key);
std::optional<double> find_number(const json::object& object, std::string_view key);
std::optional<bool> find_bool(const json::object& object, std::string_view key);
const json::object* find_object(const json::object& object, std::string_view key);
const json::array* find_array(const json::object& object, std::string_view key);

// Two-space indented text with keys in stored order, and a final newline.
std::string pretty_json(const json::value& value);

}  // namespace lyceum
