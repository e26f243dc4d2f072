#include "api/openai/response_format.h"

#include "api/openai/request_error.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"

namespace lyceum::api {
namespace {

constexpr const char* kParam = "response_format";

// Other servers' names for the same: unknown fields are ignored, but these would change what the answer is.
void refuse_other_names(const Fields& fields) {
  for (const char* name : {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "json_schema"}) {
    if (fields.find(name) != nullptr) throw RequestError(name, std::string(name) + " is not supported; use response_format {\"type\": \"json_schema\", …} or grammar (GBNF)", "unsupported_parameter");
  }
}

const json::value& schema_of(const json::object& format) {
  const json::value* outer = format.if_contains("json_schema");
  const json::value* schema = outer != nullptr && outer->is_object() ? outer->get_object().if_contains("schema") : nullptr;
  if (schema == nullptr) throw RequestError(kParam, "response_format.json_schema must be {\"name\": …, \"schema\": {…}}");
  return *schema;
}

std::shared_ptr<grammar::Constraint> read_json_format(const json::value& format, engine::Engine& engine) {
  const json::object* object = format.if_object();
  const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
  if (type == nullptr || !type->is_string()) throw RequestError(kParam, "response_format must be an object with a type");
  if (type->get_string() == "text") return nullptr;
  if (type->get_string() == "json_object") return make_constraint(engine, kParam, "json_object", grammar::json_object_grammar);
  if (type->get_string() != "json_schema") {
    throw RequestError(kParam, "response_format.type must be text, json_object or json_schema; for a GBNF grammar use the field grammar", "unsupported_parameter");
  }
  const json::value& schema = schema_of(*object);
  return make_constraint(engine, kParam, "json_schema " + json::serialize(schema), [&schema] { return grammar::json_schema_grammar(schema); });
}

}  // namespace

std::shared_ptr<grammar::Constraint> make_constraint(engine::Engine& engine, const char* param, const std::string& key, const std::function<grammar::Grammar()>& make) {
  try {
    return engine.constraints().get(key, make);
  } catch (const Error& error) {
    throw RequestError(param, std::string(param) + ": " + error.what(), error.code() == Code::unsupported ? "unsupported_parameter" : "invalid_grammar");
  }
}

std::shared_ptr<grammar::Constraint> read_response_format(const Fields& fields, engine::Engine& engine) {
  refuse_other_names(fields);
  const json::value* format = fields.find(kParam);
  auto constraint = format != nullptr ? read_json_format(*format, engine) : nullptr;
  const auto gbnf = fields.text("grammar");
  if (!gbnf || gbnf->empty()) return constraint;
  if (constraint != nullptr) throw RequestError("grammar", "grammar and response_format do not go together");
  return make_constraint(engine, "grammar", "gbnf " + *gbnf, [&gbnf] { return grammar::parse_gbnf(*gbnf); });
}

}  // namespace lyceum::api
