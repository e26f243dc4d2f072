// log.h: spdlog to stderr, one line per event. Level from LYCEUM_LOG (trace, debug, info, warn, error; info by default).
// Never log a token, a password or a request body.
#pragma once

#include <spdlog/spdlog.h>

namespace lyceum {

namespace log = spdlog;

void init_log();  // once, from main

}  // namespace lyceum
