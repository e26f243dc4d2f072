// gbnf.h: GBNF, the grammar text of llama.cpp: `name ::= "text" [a-z] (group | other)* other-name{2,3} .` and # comments.
#pragma once

#include <string_view>

#include "grammar/grammar.h"

namespace lyceum::grammar {

// The rule `root` begins. Escapes: \n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH. A rule ends with its line, unless a group is open
// or the line ends (or the next begins) with `|`. Limits: 256 KiB, groups 100 deep, {n} up to 10,000.
// Throws Error(invalid_argument) with the line, also for a rule that is used but not defined, and for token references (<[1]>).
Grammar parse_gbnf(std::string_view text);

}  // namespace lyceum::grammar
