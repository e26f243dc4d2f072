// json_schema.h: a JSON schema (2020-12) as a grammar whose every text is a JSON value that the schema holds for. Not every such value can be
// written: members come in the order of `properties`, white space is bounded (json_rules.h), and an object that names its properties has no
// others unless it says `additionalProperties`.
//
// type (one or several), properties, required, additionalProperties; items, prefixItems, minItems, maxItems; enum, const; anyOf, oneOf
// (read as anyOf); allOf (merged); $ref within the document, also recursive; minLength, maxLength, pattern (pattern.h), format (date, time,
// date-time, uuid, ipv4, email, hostname, uri); minimum, maximum, exclusiveMinimum, exclusiveMaximum of integers. Annotations and names that
// begin with x- are ignored; any other keyword is Error(invalid_argument) with its name and place: none is left out silently.
#pragma once

#include <map>
#include <string>

#include "base/json.h"
#include "grammar/json_rules.h"

namespace lyceum::grammar {

// The rule for one schema document inside a larger grammar. what: begins the names of its rules and the places in errors.
// Throws Error(invalid_argument | too_large).
ExprId add_json_schema(JsonRules& rules, const json::value& schema, const std::string& what);

// A whole grammar: {"type": "json_schema"} and {"type": "json_object"} of OpenAI's response_format.
Grammar json_schema_grammar(const json::value& schema);
Grammar json_object_grammar();

}  // namespace lyceum::grammar
