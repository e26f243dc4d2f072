// event_log.h: log lines with named fields, as text for people ("message name=value …") or as one JSON object a line for collectors.
// Never a token, a password, a query or a request body as a field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/log.h"

namespace lyceum {

struct LogField {
  std::string_view name;  // plain: it is written as it is
  std::variant<std::string_view, int64_t, double> value;
};

// Every line from now on, also those of plain log::… calls, is {"time","level","message",…}. Once, before threads start.
void use_json_log();

void log_event(log::level::level_enum level, std::string_view message, std::initializer_list<LogField> fields);

}  // namespace lyceum
