#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>

namespace lyceum {

void init_log() {
  auto logger = spdlog::stderr_color_mt("lyceum");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_default_logger(logger);
  const char* level = std::getenv("LYCEUM_LOG");
  spdlog::set_level(level == nullptr ? spdlog::level::info : spdlog::level::from_str(level));
}

}  // namespace lyceum
