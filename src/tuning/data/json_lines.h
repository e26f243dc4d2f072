// json_lines.h: a file of JSON Lines, an object a line. Internal to the room.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/json.h"

namespace lyceum::tuning {

// body(object, where) for every line that is not blank; where ("file line 3") is for errors. Error(invalid_argument) for what is no object.
template <typename Body>
void for_each_json_line(const std::filesystem::path& path, const Body& body) {
  const std::string text = read_file(path);
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = path.string() + " line " + std::to_string(number);
    const json::value value = parse_json(line, where);
    body(get_object(value, where), where);
  }
}

}  // namespace lyceum::tuning
