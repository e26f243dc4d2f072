// parser.h: tokens to tree. Precedence and grammar are Jinja 3's. Throws Error(invalid_argument) for malformed
// templates and Error(unsupported) for tags, filters and tests that are not known, each with its line.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace lyceum::text::jinja {

Body parse(std::string_view source);

}  // namespace lyceum::text::jinja
