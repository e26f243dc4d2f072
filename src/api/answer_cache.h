// answer_cache.h: whole answers of the small files and file heads that clients ask for over and over, so that the next one costs neither
// SQL, nor git, nor a change of thread.
//
// An answer is good for the same address, target and credential while the store has not changed at all (Hub::version()), and for half a
// minute at most. So it can say nothing that a fresh look would not have said, but for the moment at which a token expires or is used.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/lru_cache.h"
#include "http/message.h"
#include "hub/hub.h"

namespace lyceum::api {

// Any thread. The least recently used leave first.
class AnswerCache {
 public:
  struct Answer {
    uint64_t version = 0;    // of the store, from before anything else was read
    int64_t until_ms = 0;
    hub::Caller caller;
    hub::Repo repo;
    std::string path;        // of the file, for the count of downloads
    std::string_view route;
    http::Response response; // without the headers of rate limits
  };

  static constexpr int64_t kLifeMs = 30'000;
  static constexpr size_t kBodyBytesMax = 64u << 10;

  explicit AnswerCache(size_t bytes_max = 32u << 20) : answers_(bytes_max) {}

  // Is it a plain GET or HEAD, without conditions, ranges, a body or cookies?
  static bool takes(const http::Request& request);
  std::shared_ptr<const Answer> find(const http::Request& request, uint64_t version, int64_t now_ms);
  void put(const http::Request& request, Answer answer);  // ignores what is not worth a place: streams, parts, large bodies, all but 200

 private:
  std::mutex mutex_;
  LruCache<std::shared_ptr<const Answer>> answers_;
};

}  // namespace lyceum::api
