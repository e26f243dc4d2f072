// delivery.h: sends what hub::Webhooks has queued, in the background. A receiver is outside the hub's trust: its address is guarded, it gets
// ten seconds a read and thirty in all, redirects are not followed, and of its answer 2 KiB are kept.
//
// Sent: POST of the payload as JSON; X-Webhook-Secret with the secret, if there is one, and with it
// X-Lyceum-Signature "t=<unix seconds>,v1=<hex HMAC-SHA-256 of "<t>.<body>" under the secret>"; X-Lyceum-Delivery with an id that stays the
// same over retries. Receivers should check the signature and drop ids they have seen.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "http/address_guard.h"
#include "hub/webhooks.h"

namespace lyceum::api {

struct WebhookSenderOptions {
  std::string public_url;      // of this hub, for links in payloads; empty: the address the webhook was created through
  std::string outgoing_allow;  // http/address_guard.h
  unsigned threads = 4;        // a slow receiver must not hold up the others
};

class WebhookSender {
 public:
  WebhookSender(hub::Hub& hub, const Clock& clock, const WebhookSenderOptions& options);
  ~WebhookSender();            // waits for calls under way, thirty seconds at most
  void wake();                 // something new is queued: do not wait for the next look (twice a second)

  hub::DeliveryResult send(const hub::Webhooks::Due& due) const;  // one attempt

 private:
  void run();

  hub::Hub& hub_;
  const Clock& clock_;
  const WebhookSenderOptions options_;
  const http::AddressGuard guard_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

// The payload with the links that its receiver expects: repo.url, discussion.url, comment.url.
std::string payload_with_links(const std::string& payload, const std::string& base_url);
std::string webhook_signature(const std::string& secret, int64_t now_s, const std::string& body);

}  // namespace lyceum::api
