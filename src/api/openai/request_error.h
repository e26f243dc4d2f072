// request_error.h: errors in OpenAI's shape: {"error": {"message", "type", "param", "code"}}.
#pragma once

#include <string>

#include "base/error.h"

namespace lyceum::api {

// Names the field of the request that is wrong. The tag becomes "code".
class RequestError : public Error {
 public:
  RequestError(const std::string& param, const std::string& message, const std::string& code = {}) : Error(Code::invalid_argument, message, code), param_(param) {}
  const std::string& param() const noexcept { return param_; }

 private:
  std::string param_;
};

std::string openai_error_text(const Error& error);       // the JSON text

}  // namespace lyceum::api
