// response_format.h: what the text of an answer must be: `response_format` (OpenAI's) and `grammar` (GBNF, as llama.cpp's server takes it).
#pragma once

#include <memory>

#include "api/openai/fields.h"
#include "engine/engine.h"

namespace lyceum::api {

// Null: any text. Throws RequestError naming the field and, for a schema, the keyword and its place.
std::shared_ptr<grammar::Constraint> read_response_format(const Fields& fields, engine::Engine& engine);

// engine.constraints().get(), whose Errors become RequestErrors that name `param`.
std::shared_ptr<grammar::Constraint> make_constraint(engine::Engine& engine, const char* param, const std::string& key, const std::function<grammar::Grammar()>& make);

}  // namespace lyceum::api
