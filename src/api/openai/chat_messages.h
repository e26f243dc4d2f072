// chat_messages.h: a request's messages, from OpenAI's shape to the one that chat templates are written for.
#pragma once

#include "api/openai/fields.h"

namespace lyceum::api {

// Parts of text are joined; fields that are null are dropped; "developer" becomes "system"; the arguments of tool calls become objects.
// with_tools: false refuses tool calls and results, for a template that would leave them out. Throws RequestError naming the message.
json::array read_messages(const Fields& fields, bool with_tools);

}  // namespace lyceum::api
