// error.h: errors in Anthropic's shape: {"type": "error", "error": {"type", "message"}}.
#pragma once

#include <string>

#include "base/error.h"

namespace lyceum::api {

std::string anthropic_error_text(const Error& error);   // the JSON text; also the data of an `error` event

}  // namespace lyceum::api
