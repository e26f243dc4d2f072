// schema_merge.h: two JSON schemas as one that both hold for: what allOf, and keywords beside $ref and anyOf, mean.
#pragma once

#include <functional>
#include <string>

#include "base/json.h"

namespace lyceum::grammar {

// resolve: what a "$ref" points to. Throws Error(invalid_argument) with `where` and the keyword that cannot be merged.
json::value merge_schemas(const json::value& a, const json::value& b, const std::string& where, const std::function<const json::value&(const std::string&)>& resolve);

}  // namespace lyceum::grammar
