// pattern.h: the regular expressions of JSON schemas (ECMA 262), as far as they are regular: characters, classes, groups, alternatives and
// repetitions, ^ at the beginning and $ at the end. \d, \w and \s are ASCII's, and so are their complements: what every reader of a schema
// understands by them. As in JSON Schema, a pattern without ^ or $ may match anywhere in the string.
#pragma once

#include <string_view>

#include "grammar/json_rules.h"

namespace lyceum::grammar {

// The inside of a JSON string (without quotation marks) whose text the pattern matches.
// Throws Error(invalid_argument) naming what is not supported (look-around, back-references, \b, \p, anchors elsewhere) or malformed.
// Limits: 4,096 bytes, groups 50 deep, {n} up to 10,000.
ExprId pattern_in_string(JsonRules& rules, std::string_view pattern);

}  // namespace lyceum::grammar
