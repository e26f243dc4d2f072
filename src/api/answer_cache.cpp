#include "api/answer_cache.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kRefused[] = {"Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Cookie",
                                         "Content-Length", "Transfer-Encoding", "Expect", "Origin"};

bool is_refused(std::string_view name) {
  for (const std::string_view one : kRefused)
    if (http::equal_no_case(name, one)) return true;
  return false;
}

bool starts_with_no_case(std::string_view text, std::string_view start) { return http::equal_no_case(text.substr(0, start.size()), start); }

std::string key_of(const http::Request& request) {
  std::string key = request.base_url;
  const auto credential = request.headers.find("Authorization");
  return key.append(1, '\n').append(request.target).append(1, '\n').append(credential.value_or(""));
}

size_t bytes_of(const std::string& key, const AnswerCache::Answer& answer) {
  size_t bytes = 1500 + 2 * key.size() + answer.response.body.size();
  for (const auto& [name, value] : answer.response.headers.all()) bytes += 64 + name.size() + value.size();
  return bytes;
}

}  // namespace

bool AnswerCache::takes(const http::Request& request) {
  if (request.method != "GET" && request.method != "HEAD") return false;
  for (const auto& [name, value] : request.headers.all()) {
    if (is_refused(name)) return false;
    if (http::equal_no_case(name, "Authorization") && !starts_with_no_case(value, "bearer ")) return false;
    if (http::equal_no_case(name, "Accept") && value.find("application/vnd.") != std::string::npos) return false;
  }
  return true;
}

std::shared_ptr<const AnswerCache::Answer> AnswerCache::find(const http::Request& request, uint64_t version, int64_t now_ms) {
  const std::string key = key_of(request);
  const std::lock_guard lock(mutex_);
  const auto* const kept = answers_.find(key);
  if (!kept) return nullptr;
  if ((*kept)->version == version && (*kept)->until_ms > now_ms) return *kept;
  answers_.remove(key);
  return nullptr;
}

void AnswerCache::put(const http::Request& request, Answer answer) {
  const http::Response& response = answer.response;
  if (response.status != 200 || response.stream || !response.parts.empty() || response.body.size() > kBodyBytesMax) return;
  std::string key = key_of(request);
  const size_t bytes = bytes_of(key, answer);
  answer.repo.card.clear();  // nobody asks
  answer.repo.tags.clear();
  auto kept = std::make_shared<const Answer>(std::move(answer));
  const std::lock_guard lock(mutex_);
  answers_.put(std::move(key), std::move(kept), bytes);
}

}  // namespace lyceum::api
