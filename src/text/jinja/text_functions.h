// text_functions.h: Python's string operations that both methods ("x".strip()) and filters ("x"|trim) need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/budget.h"

namespace lyceum::text::jinja {

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);  // str.title(): a letter after a non-letter

enum class Side { left, right, both };
std::string_view strip(std::string_view text, Side side);  // white space
std::string_view strip(std::string_view text, Side side, std::string_view characters);
std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count,
                    Budget& budget);  // count < 0: all
std::vector<std::string> split_spaces(std::string_view text, int64_t limit, bool from_right);
std::vector<std::string> split(std::string_view text, std::string_view separator, int64_t limit, bool from_right);
std::vector<std::string> split_lines(std::string_view text, bool keep_ends = false);
bool is_python_space(char32_t c);

}  // namespace lyceum::text::jinja
