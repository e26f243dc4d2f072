#include "api/community/delivery.h"

#include <array>
#include <chrono>

#include "api/answer.h"
#include "base/hash.h"
#include "base/log.h"
#include "http/client.h"

namespace lyceum::api {
namespace {

constexpr unsigned kReadTimeout_s = 10;
constexpr double kWholeTimeout_s = 30;
constexpr size_t kAnswerKept = 2048;
constexpr auto kLookEvery = std::chrono::milliseconds(500);

struct Target {
  std::string base, path;
};

Target split_url(const std::string& url) {
  const std::string whole = url.substr(0, url.find('#'));
  const size_t host = whole.find("://") + 3, end = std::min(whole.find_first_of("/?", host), whole.size());
  std::string path = whole.substr(end);
  if (!path.starts_with('/')) path.insert(0, "/");
  return {whole.substr(0, end), std::move(path)};
}

}  // namespace

std::string payload_with_links(const std::string& payload, const std::string& base_url) {
  json::value value = parse_json(payload, "stored payload");
  json::object& out = value.as_object();
  json::object& repo = out.at("repo").as_object();
  const auto type = hub::find_repo_type(get_string(repo, "type")).value_or(hub::RepoType::model);
  const std::string name = escape_path(get_string(repo, "name"));
  const std::string web = base_url + "/" + web_prefix(type) + name, api = base_url + "/api/" + std::string(hub::plural(type)) + "/" + name;
  repo["url"] = json::object{{"web", web}, {"api", api}};
  if (auto* discussion = out.if_contains("discussion")) {
    const std::string tail = "/discussions/" + std::to_string(get_int(discussion->as_object(), "num"));
    discussion->as_object()["url"] = json::object{{"web", web + tail}, {"api", api + tail}};
    if (auto* comment = out.if_contains("comment")) comment->as_object()["url"] = json::object{{"web", web + tail + "#" + get_string(comment->as_object(), "id")}};
  }
  return json::serialize(value);
}

std::string webhook_signature(const std::string& secret, int64_t now_s, const std::string& body) {
  const std::string time = std::to_string(now_s);
  return "t=" + time + ",v1=" + hmac_sha256_hex(secret, time + "." + body);
}

WebhookSender::WebhookSender(hub::Hub& hub, const Clock& clock, const WebhookSenderOptions& options)
    : hub_(hub), clock_(clock), options_(options), guard_(options.outgoing_allow) {
  for (unsigned i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { run(); });
}

WebhookSender::~WebhookSender() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  woken_.notify_all();
}

void WebhookSender::wake() { woken_.notify_one(); }

void WebhookSender::run() {
  while (true) {
    std::optional<hub::Webhooks::Due> due;
    try {
      due = hub_.webhooks().take_due();
      if (due) hub_.webhooks().record(*due, send(*due));
    } catch (const std::exception& error) {
      log::error("webhooks: {}", error.what());  // the claim runs out and the delivery comes again
      due.reset();
    }
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    if (!due) woken_.wait_for(lock, kLookEvery);
    if (stopping_) return;
  }
}

hub::DeliveryResult WebhookSender::send(const hub::Webhooks::Due& due) const {
  const double begin = monotonic_seconds();
  hub::DeliveryResult out;
  try {
    const Target target = split_url(due.webhook.url);
    http::Client client(target.base, kReadTimeout_s, &guard_);
    http::ClientRequest request{.method = "POST", .target = target.path};
    request.body = payload_with_links(due.delivery.payload, options_.public_url.empty() ? due.webhook.base_url : options_.public_url);
    request.headers.set("Content-Type", "application/json");
    request.headers.set("User-Agent", "lyceum-webhook");
    request.headers.set("Connection", "close");
    request.headers.set("X-Lyceum-Delivery", due.delivery.id);
    if (!due.webhook.secret.empty()) {
      request.headers.set("X-Webhook-Secret", due.webhook.secret);
      request.headers.set("X-Lyceum-Signature", webhook_signature(due.webhook.secret, clock_.now_ms() / 1000, request.body));
    }
    const auto in_time = [begin] { return monotonic_seconds() - begin < kWholeTimeout_s; };
    request.keep_waiting = in_time;
    out.http_status = client.begin(request).status;
    std::array<char, kAnswerKept> piece;
    while (out.answer.size() < kAnswerKept && in_time()) {
      const size_t got = client.read(std::as_writable_bytes(std::span(piece).first(kAnswerKept - out.answer.size())));
      if (got == 0) break;
      out.answer.append(piece.data(), got);
    }
  } catch (const Error& error) {
    if (out.http_status == 0) out.answer = error.what();
  }
  return out;
}

}  // namespace lyceum::api
