// Receiving shards. Version 1 answers when all is done; version 2 streams what is going on, one JSON object per line, so that a
// client sees progress on large files and never takes a long silence for a dead server.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "api/answer.h"
#include "api/services.h"
#include "api/xet/handlers.h"
#include "api/xet/register_shard.h"
#include "api/xet/staging.h"
#include "base/log.h"

namespace lyceum::api {
namespace {

constexpr auto kHeartbeat = std::chrono::seconds(10);
constexpr auto kProgressStep = std::chrono::milliseconds(500);

xet::Shard receive_shard(Context& context) {
  if (!context.request.body) throw Error(Code::invalid_argument, "A shard upload needs a body.");
  const std::string body = context.request.body->read_all(xet::kShardBytesMax);
  return xet::parse_shard(as_bytes(body));
}

// The registration runs on a thread of its own; the thread that owns the connection passes on what it reports.
class Report {
 public:
  void set_progress(const ShardProgress& progress) {
    const std::scoped_lock lock(mutex_);
    progress_ = progress;
  }
  void finish(json::object last) {
    const std::scoped_lock lock(mutex_);
    last_ = std::move(last);
    changed_.notify_all();
  }
  // The next line to send: the last one as soon as there is one, otherwise the progress when it moved or the heartbeat is due.
  json::object next(bool& is_last) {
    std::unique_lock lock(mutex_);
    const auto heartbeat = std::chrono::steady_clock::now() + kHeartbeat;
    while (!last_ && progress_.bytes_done == told_ && std::chrono::steady_clock::now() < heartbeat) changed_.wait_for(lock, kProgressStep);
    if (!last_ && progress_.bytes_done != told_) changed_.wait_for(lock, kProgressStep);
    is_last = last_.has_value();
    if (is_last) return *last_;
    told_ = progress_.bytes_done;
    if (told_ == progress_.bytes_total && told_ > 0) return {{"type", "committing"}, {"stage", "uploading"}};
    return {{"type", "validating"}, {"verified", progress_.bytes_done}, {"total", progress_.bytes_total}};
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  ShardProgress progress_;
  uint64_t told_ = UINT64_MAX;
  std::optional<json::object> last_;
};

json::object run(hub::Hub& hub, const hub::Repo& repo, const xet::Shard& shard, Report& report) {
  const auto failed = [](const std::string& message, bool retryable) { return json::object{{"type", "error"}, {"message", message}, {"retryable", retryable}}; };
  try {
    const bool fresh = register_shard(hub, repo, shard, [&](const ShardProgress& progress) { report.set_progress(progress); });
    return {{"type", "result"}, {"result", fresh ? 1 : 0}};
  } catch (const Error& error) {
    if (http_status(error.code()) >= 500) log::error("Xet shard for {}: {}", repo.repo_id.full_name(), error.what());
    return failed(error.what(), error.code() == Code::unavailable);
  } catch (const std::exception& error) {
    log::error("Xet shard for {}: {}", repo.repo_id.full_name(), error.what());
    return failed("The server failed while it wrote the files; its log says why.", false);
  }
}

}  // namespace

http::Response post_shard_v1(Context& context) {
  const XetCaller caller = require_xet_caller(context, hub::Scope::write);
  const xet::Shard shard = receive_shard(context);
  Staging(context.services.hub).remove_older_than(kStagedLifetimeMs);
  const bool fresh = register_shard(context.services.hub, caller.repo, shard, [](const ShardProgress&) {});
  return json_answer(json::object{{"result", fresh ? 1 : 0}});
}

http::Response post_shard_v2(Context& context) {
  const XetCaller caller = require_xet_caller(context, hub::Scope::write);
  const auto shard = std::make_shared<const xet::Shard>(receive_shard(context));
  hub::Hub& hub = context.services.hub;
  Staging(hub).remove_older_than(kStagedLifetimeMs);
  http::Response response;
  response.headers.set("Content-Type", "application/x-ndjson");
  response.headers.set("Cache-Control", "no-cache");
  response.stream = [&hub, repo = caller.repo, shard](http::BodyWriter& writer) {
    Report report;
    const std::jthread worker([&] { report.finish(run(hub, repo, *shard, report)); });
    for (bool is_last = false; !is_last;) writer.write(json::serialize(report.next(is_last)) + "\n");
  };
  return response;
}

}  // namespace lyceum::api
