// webhooks.h: who wants to be told of what, and the durable queue of what is still to be told. Sending is api/webhooks' business.
//
// An event is expanded into one delivery per webhook inside the transaction that makes the change (an outbox), so no acknowledged
// change is forgotten by a crash and no refused change is announced. A delivery is tried until the receiver answers 2xx: after 10 s,
// 20 s, 40 s … up to an hour apart, kAttemptsMax times. A webhook whose deliveries fail kFailuresMax times in a row, at the end of all their
// attempts or not, is disabled with the reason. Deliveries are kept for replay, the latest kKeptPerWebhook of each.
//
// A webhook sees public repositories, and private ones that its owner may read at the time of the event. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hub/hub.h"

namespace lyceum::hub {

class Database;
class HubImpl;

struct Webhook {
  struct Watched {
    std::string type, name;          // model, dataset, space: "ns/name"; user, org: a namespace
  };
  std::string id, url, secret, base_url;   // base_url: the hub's address as the owner typed it, for links in payloads
  std::vector<Watched> watched;
  std::vector<std::string> domains;  // repo, discussion
  bool disabled = false;
  std::string disabled_reason;
  int64_t created_ms = 0;
};

struct WebhookEvent {
  std::string_view action, scope;    // create, update, delete, move; repo, repo.content, repo.config, discussion, discussion.comment
  json::object details = {};         // further members of the payload: discussion, comment, updatedRefs, updatedConfig, movedTo
};

struct Delivery {
  std::string id, webhook_id, payload;
  std::string state;                 // pending, done, failed
  int attempts = 0, http_status = 0;
  std::string answer;                // the receiver's first 2 KiB, or why there was none
  int64_t created_ms = 0, next_ms = 0, finished_ms = 0;
};

struct DeliveryResult {
  int http_status = 0;               // 0: no answer
  std::string answer;
  bool delivered() const { return http_status / 100 == 2; }
};

class Webhooks {
 public:
  static constexpr int kAttemptsMax = 8, kFailuresMax = 20;
  static constexpr int64_t kKeptPerWebhook = 200;

  explicit Webhooks(HubImpl& hub) : hub_(hub) {}

  // The owner's only: Error(not_found) for another's id. create() and update() check what they are given; update() leaves the secret if it is absent.
  std::vector<Webhook> list(const Caller& caller);
  Webhook get(const Caller& caller, const std::string& id);
  Webhook create(const Caller& caller, Webhook wanted);
  Webhook update(const Caller& caller, const Webhook& wanted, bool change_secret);
  Webhook set_disabled(const Caller& caller, const std::string& id, bool disabled);
  void remove(const Caller& caller, const std::string& id);
  std::vector<Delivery> deliveries(const Caller& caller, const std::string& id, size_t limit);   // newest first
  Delivery replay(const Caller& caller, const std::string& id, const std::string& delivery);     // a new delivery of the same payload

  // Inside a transaction of the hub: queues the event for everyone who watches.
  void note(Database& database, const Repo& repo, const WebhookEvent& event);

  // For the sender. take_due() claims one delivery for two minutes: a sender that dies leaves it to the next.
  struct Due {
    Delivery delivery;
    Webhook webhook;
  };
  std::optional<Due> take_due();
  void record(const Due& due, const DeliveryResult& result);
  std::optional<int64_t> find_next_ms();   // when the earliest pending delivery is due

 private:
  void queue(Database& database, const Webhook& webhook, const std::string& payload);
  bool may_see(Database& database, int64_t owner_id, const Repo& repo);

  HubImpl& hub_;
};

}  // namespace lyceum::hub
