// services.h: what the handlers share. Built by app, alive as long as the server.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hub/hub.h"

namespace lyceum::http {
class Client;
}

namespace lyceum::api {

// Engine processes: starts, reuses, restarts and stops them. Implemented in api/openai/engine_manager.cpp.
class EngineManager;
class XetIndexer;  // api/xet/xet.h
class RateLimits;  // api/rate_limits.h
class AnswerCache;  // api/answer_cache.h
class WebhookSender;  // api/community/delivery.h
struct Operations;  // api/operations.h

struct Services {
  hub::Hub& hub;
  EngineManager& engines;
  const Clock& clock;
  std::filesystem::path web_folder;      // built web assets (index.html, assets/)
  std::string version;
  bool anonymous_inference = true;       // may a caller without a token use public models on /v1?
  uint64_t lfs_part_bytes = 2048ull << 20;  // larger LFS uploads go in parts of this size, with clients that can
  WebhookSender* webhook_sender = nullptr;  // null: deliveries stay queued
  XetIndexer* xet_indexer = nullptr;     // gives large files that came through LFS or git a Xet hash; null: they stay without
  RateLimits* limits = nullptr;          // null: none
  AnswerCache* answers = nullptr;        // null: every request is answered anew
  Operations* operations = nullptr;      // metrics and readiness; null: none are kept
};

}  // namespace lyceum::api
