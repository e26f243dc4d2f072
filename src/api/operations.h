// operations.h: what /metrics, /healthz and /readyz tell of the running program. Filled by app; outlives the server's requests.
#pragma once

#include <atomic>

#include "api/metrics.h"

namespace lyceum::api {

struct Operations {
  Metrics metrics;
  std::atomic<const http::Server*> server{nullptr};  // null until it listens
  std::atomic<bool> draining{false};                 // told to stop: finish, take nothing new
};

}  // namespace lyceum::api
