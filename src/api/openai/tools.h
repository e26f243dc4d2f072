// tools.h: the functions a chat request offers (`tools`, `tool_choice`, `parallel_tool_calls`), checked and turned into a constraint.
#pragma once

#include <memory>
#include <optional>

#include "api/openai/fields.h"
#include "api/openai/tool_format.h"
#include "engine/engine.h"

namespace lyceum::api {

struct ToolOffer {
  const ToolFormat* format = nullptr;
  json::array shown;                                 // as the template gets them
  std::shared_ptr<grammar::Constraint> constraint;   // on the whole answer
};

// Nullopt: none are offered, or tool_choice is "none". Throws RequestError naming the field: malformed, a kind of tool or choice that is not
// supported, a model whose template has no format for calls that we know, a schema that cannot be kept to.
std::optional<ToolOffer> read_tools(const Fields& fields, engine::Engine& engine);

}  // namespace lyceum::api
