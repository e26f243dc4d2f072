#include "hub/webhooks.h"

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr size_t kUrlMax = 2048, kSecretMax = 256, kWatchedMax = 100, kPerOwnerMax = 100, kAnswerMax = 2048;
constexpr int64_t kFirstDelayMs = 10'000, kDelayMaxMs = 3'600'000, kClaimMs = 120'000;

constexpr std::string_view kColumns = "w.id, w.url, w.secret, w.base_url, w.watched, w.domains, w.disabled, w.disabled_reason, w.created_ms";
constexpr std::string_view kDeliveryColumns = "d.id, d.webhook_id, d.payload, d.state, d.attempts, d.http_status, d.answer, d.created_ms, d.next_ms, d.finished_ms";

json::array to_json(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

json::array to_json(const std::vector<Webhook::Watched>& watched) {
  json::array out;
  for (const Webhook::Watched& one : watched) out.push_back(json::object{{"type", one.type}, {"name", one.name}});
  return out;
}

Webhook read_webhook(const Rows& rows) {
  Webhook out;
  out.id = rows.text(0);
  out.url = rows.text(1);
  out.secret = rows.text(2);
  out.base_url = rows.text(3);
  const json::value watched = parse_json(rows.text(4), "stored webhook"), domains = parse_json(rows.text(5), "stored webhook");
  for (const json::value& one : watched.as_array()) out.watched.push_back({get_string(one.as_object(), "type"), get_string(one.as_object(), "name")});
  for (const json::value& one : domains.as_array()) out.domains.emplace_back(one.as_string());
  out.disabled = rows.boolean(6);
  out.disabled_reason = rows.text(7);
  out.created_ms = rows.integer(8);
  return out;
}

Delivery read_delivery(const Rows& rows) {
  Delivery out;
  out.id = rows.text(0);
  out.webhook_id = rows.text(1);
  out.payload = rows.text(2);
  out.state = rows.text(3);
  out.attempts = static_cast<int>(rows.integer(4));
  out.http_status = static_cast<int>(rows.integer(5));
  out.answer = rows.text(6);
  out.created_ms = rows.integer(7);
  out.next_ms = rows.integer(8);
  out.finished_ms = rows.integer(9);
  return out;
}

void require_owner(const Caller& caller) {
  if (!caller.user) throw Error(Code::unauthorized, "sign in to manage webhooks");
}

Error not_found(const std::string& id) { return {Code::not_found, "you have no webhook \"" + id.substr(0, 64) + "\""}; }

void check(const Webhook& wanted) {
  if (!wanted.url.starts_with("https://") && !wanted.url.starts_with("http://")) throw Error(Code::invalid_argument, "a webhook's url starts with https:// or http://");
  if (wanted.url.size() > kUrlMax || wanted.url.find_first_of(" \t\r\n") != std::string::npos) throw Error(Code::invalid_argument, "a webhook's url has at most 2048 characters and no spaces");
  if (wanted.secret.size() > kSecretMax || wanted.secret.find_first_of("\r\n") != std::string::npos || !is_utf8(wanted.secret)) throw Error(Code::invalid_argument, "a webhook's secret is one line of at most 256 bytes");
  if (wanted.watched.empty() || wanted.watched.size() > kWatchedMax) throw Error(Code::invalid_argument, "a webhook watches 1 to 100 things");
  for (const Webhook::Watched& one : wanted.watched) {
    const bool repo = one.type == "model" || one.type == "dataset" || one.type == "space", owner = one.type == "user" || one.type == "org";
    if (!repo && !owner) throw Error(Code::invalid_argument, "a webhook watches a model, dataset, space, user or org, not \"" + one.type.substr(0, 40) + "\"");
    if (one.name.size() > 200 || repo != (one.name.find('/') != std::string::npos)) throw Error(Code::invalid_argument, "\"" + one.name.substr(0, 200) + "\" is not the name of a " + one.type);
  }
  for (const std::string& domain : wanted.domains) {
    if (domain != "repo" && domain != "discussion") throw Error(Code::invalid_argument, "a webhook's domains are repo and discussion");
  }
}

void save_watches(Database& database, const Webhook& webhook) {
  database.run("DELETE FROM webhook_watches WHERE webhook_id = ?1", webhook.id);
  for (const Webhook::Watched& one : webhook.watched) {
    database.run("INSERT INTO webhook_watches (type, name, webhook_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", one.type == "org" ? "user" : one.type, one.name, webhook.id);
  }
}

std::string type_name(RepoType type) { return std::string(plural(type)).substr(0, plural(type).size() - 1); }

json::object repo_payload(const Repo& repo) {
  json::array tags;
  for (const std::string& tag : repo.tags) tags.emplace_back(tag);
  return {{"type", type_name(repo.repo_id.type)}, {"name", repo.repo_id.full_name()}, {"id", repo.public_id}, {"private", repo.is_private}, {"headSha", repo.head},
          {"tags", std::move(tags)}, {"owner", json::object{{"id", repo.repo_id.owner}}}};
}

// 10 s, 20 s, 40 s … up to an hour.
int64_t delay_after(int attempts) { return std::min(kDelayMaxMs, kFirstDelayMs << std::min(attempts - 1, 16)); }

std::string utf8_prefix(const std::string& text, size_t limit) {
  std::string out = text.substr(0, limit);
  for (int i = 0; i < 4 && !is_utf8(out) && !out.empty(); ++i) out.pop_back();
  return is_utf8(out) ? out : "(not text)";
}

}  // namespace

std::vector<Webhook> Webhooks::list(const Caller& caller) {
  require_owner(caller);
  static const std::string sql = "SELECT " + std::string(kColumns) + " FROM webhooks w WHERE w.owner_id = ?1 ORDER BY w.created_ms, w.id";
  std::vector<Webhook> out;
  const auto reader = hub_.store_->read();
  Rows rows = reader->query(sql, caller.user->id);
  while (rows.step()) out.push_back(read_webhook(rows));
  return out;
}

Webhook Webhooks::get(const Caller& caller, const std::string& id) {
  require_owner(caller);
  static const std::string sql = "SELECT " + std::string(kColumns) + " FROM webhooks w WHERE w.id = ?1 AND w.owner_id = ?2";
  const auto reader = hub_.store_->read();
  Rows rows = reader->query(sql, id, caller.user->id);
  if (!rows.step()) throw not_found(id);
  return read_webhook(rows);
}

Webhook Webhooks::create(const Caller& caller, Webhook wanted) {
  require_owner(caller);
  check(wanted);
  if (wanted.domains.empty()) wanted.domains = {"repo", "discussion"};
  if (list(caller).size() >= kPerOwnerMax) throw Error(Code::conflict, "you have 100 webhooks already; delete one first");
  wanted.id = to_hex(as_bytes(secure_bytes(12)));
  hub_.transact([&](Database& database) {
    database.run("INSERT INTO webhooks (id, owner_id, url, secret, base_url, watched, domains, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", wanted.id,
                 caller.user->id, wanted.url, wanted.secret, wanted.base_url, json::serialize(to_json(wanted.watched)), json::serialize(to_json(wanted.domains)),
                 hub_.clock_.now_ms());
    save_watches(database, wanted);
  });
  return get(caller, wanted.id);
}

Webhook Webhooks::update(const Caller& caller, const Webhook& wanted, bool change_secret) {
  const Webhook before = get(caller, wanted.id);
  check(wanted);
  const std::vector<std::string>& domains = wanted.domains.empty() ? before.domains : wanted.domains;
  hub_.transact([&](Database& database) {
    database.run("UPDATE webhooks SET url = ?2, watched = ?3, domains = ?4, secret = ?5 WHERE id = ?1", wanted.id, wanted.url, json::serialize(to_json(wanted.watched)),
                 json::serialize(to_json(domains)), change_secret ? wanted.secret : before.secret);
    save_watches(database, wanted);
  });
  return get(caller, wanted.id);
}

Webhook Webhooks::set_disabled(const Caller& caller, const std::string& id, bool disabled) {
  get(caller, id);
  hub_.transact([&](Database& database) {
    database.run("UPDATE webhooks SET disabled = ?2, disabled_reason = '', failures = 0 WHERE id = ?1", id, disabled);
  });
  return get(caller, id);
}

void Webhooks::remove(const Caller& caller, const std::string& id) {
  get(caller, id);
  hub_.transact([&](Database& database) { database.run("DELETE FROM webhooks WHERE id = ?1", id); });
}

std::vector<Delivery> Webhooks::deliveries(const Caller& caller, const std::string& id, size_t limit) {
  get(caller, id);
  static const std::string sql = "SELECT " + std::string(kDeliveryColumns) + " FROM webhook_deliveries d WHERE d.webhook_id = ?1 ORDER BY d.created_ms DESC, d.seq DESC LIMIT ?2";
  std::vector<Delivery> out;
  const auto reader = hub_.store_->read();
  Rows rows = reader->query(sql, id, static_cast<int64_t>(limit));
  while (rows.step()) out.push_back(read_delivery(rows));
  return out;
}

Delivery Webhooks::replay(const Caller& caller, const std::string& id, const std::string& delivery) {
  const Webhook webhook = get(caller, id);
  std::string payload;
  {
    const auto reader = hub_.store_->read();
    Rows rows = reader->query("SELECT payload FROM webhook_deliveries WHERE id = ?1 AND webhook_id = ?2", delivery, id);
    if (!rows.step()) throw Error(Code::not_found, "this webhook has no delivery \"" + delivery.substr(0, 64) + "\"; its last 200 are kept");
    payload = rows.text(0);
  }
  hub_.transact([&](Database& database) { queue(database, webhook, payload); });
  return deliveries(caller, id, 1).at(0);
}

bool Webhooks::may_see(Database& database, int64_t owner_id, const Repo& repo) {
  if (!repo.is_private) return true;
  Caller owner;
  {
    Rows rows = database.query("SELECT name, administrator FROM accounts WHERE id = ?1", owner_id);
    if (!rows.step()) return false;
    owner.user.emplace();
    owner.user->id = owner_id;
    owner.user->name = rows.text(0);
    owner.user->administrator = rows.boolean(1);
  }
  return hub::may_read(database, owner, repo);
}

void Webhooks::note(Database& database, const Repo& repo, const WebhookEvent& event) {
  std::vector<std::pair<std::string, int64_t>> watching;  // webhook, its owner
  {
    static const std::string ids = "SELECT DISTINCT w.id, w.owner_id FROM webhook_watches k JOIN webhooks w ON w.id = k.webhook_id "
                                   "WHERE w.disabled = 0 AND ((k.type = ?1 AND k.name = ?2) OR (k.type = 'user' AND k.name = ?3))";
    Rows rows = database.query(ids, type_name(repo.repo_id.type), repo.repo_id.full_name(), repo.repo_id.owner);
    while (rows.step()) watching.emplace_back(rows.text(0), rows.integer(1));
  }
  for (const auto& [id, owner_id] : watching) {
    static const std::string one = "SELECT " + std::string(kColumns) + " FROM webhooks w WHERE w.id = ?1";
    Webhook webhook;
    {
      Rows rows = database.query(one, id);
      if (!rows.step()) continue;
      webhook = read_webhook(rows);
    }
    const std::string domain(event.scope.substr(0, event.scope.find('.')));
    if (std::find(webhook.domains.begin(), webhook.domains.end(), domain) == webhook.domains.end() || !may_see(database, owner_id, repo)) continue;
    json::object payload{{"event", json::object{{"action", event.action}, {"scope", event.scope}}}, {"repo", repo_payload(repo)}};
    for (const auto& [key, value] : event.details) payload[key] = value;
    payload["webhook"] = json::object{{"id", webhook.id}, {"version", 3}};
    queue(database, webhook, json::serialize(payload));
  }
}

void Webhooks::queue(Database& database, const Webhook& webhook, const std::string& payload) {
  const int64_t now = hub_.clock_.now_ms();
  database.run("INSERT INTO webhook_deliveries (id, webhook_id, payload, state, created_ms, next_ms, seq) "
               "SELECT ?1, ?2, ?3, 'pending', ?4, ?4, COALESCE(MAX(seq), 0) + 1 FROM webhook_deliveries WHERE webhook_id = ?2",
               to_hex(as_bytes(secure_bytes(12))), webhook.id, payload, now);
  database.run("DELETE FROM webhook_deliveries WHERE webhook_id = ?1 AND state <> 'pending' AND "
               "seq <= (SELECT MAX(seq) FROM webhook_deliveries WHERE webhook_id = ?1) - ?2", webhook.id, kKeptPerWebhook);
}

std::optional<int64_t> Webhooks::find_next_ms() {
  const auto reader = hub_.store_->read();
  Rows rows = reader->query("SELECT MIN(next_ms) FROM webhook_deliveries WHERE state = 'pending'");
  return rows.step() && !rows.is_null(0) ? std::optional(rows.integer(0)) : std::nullopt;
}

std::optional<Webhooks::Due> Webhooks::take_due() {
  const int64_t now = hub_.clock_.now_ms();
  if (const auto next = find_next_ms(); !next || *next > now) return std::nullopt;
  std::optional<Due> out;
  hub_.transact([&](Database& database) {
    out.reset();
    static const std::string due = "SELECT " + std::string(kDeliveryColumns) +
                                   " FROM webhook_deliveries d WHERE d.state = 'pending' AND d.next_ms <= ?1 ORDER BY d.next_ms, d.seq LIMIT 1";
    {
      Rows rows = database.query(due, now);
      if (!rows.step()) return;
      out.emplace();
      out->delivery = read_delivery(rows);
    }
    Rows rows = database.query("SELECT " + std::string(kColumns) + " FROM webhooks w WHERE w.id = ?1", out->delivery.webhook_id);
    rows.step();
    out->webhook = read_webhook(rows);
    if (database.run("UPDATE webhook_deliveries SET next_ms = ?2, attempts = attempts + 1 WHERE id = ?1 AND state = 'pending' AND next_ms <= ?3",
                     out->delivery.id, now + kClaimMs, now) == 0) {
      out.reset();  // another process of this hub took it
      return;
    }
    ++out->delivery.attempts;
  });
  return out;
}

void Webhooks::record(const Due& due, const DeliveryResult& result) {
  const int64_t now = hub_.clock_.now_ms();
  const bool last = due.delivery.attempts >= kAttemptsMax;
  const std::string state = result.delivered() ? "done" : last ? "failed" : "pending";
  hub_.transact([&](Database& database) {
    database.run("UPDATE webhook_deliveries SET state = ?2, http_status = ?3, answer = ?4, next_ms = ?5, finished_ms = ?6 WHERE id = ?1", due.delivery.id, state,
                 result.http_status, utf8_prefix(result.answer, kAnswerMax), now + delay_after(due.delivery.attempts), state == "pending" ? 0 : now);
    if (result.delivered()) {
      database.run("UPDATE webhooks SET failures = 0 WHERE id = ?1", due.webhook.id);
      return;
    }
    database.run("UPDATE webhooks SET failures = failures + 1 WHERE id = ?1", due.webhook.id);
    const std::string reason = "the last " + std::to_string(kFailuresMax) + " attempts failed, most recently: " + utf8_prefix(result.answer, 200);
    const int64_t disabled = database.run("UPDATE webhooks SET disabled = 1, disabled_reason = ?2 WHERE id = ?1 AND failures >= ?3", due.webhook.id, reason, kFailuresMax);
    if (disabled > 0) database.run("UPDATE webhook_deliveries SET state = 'failed', finished_ms = ?2 WHERE webhook_id = ?1 AND state = 'pending'", due.webhook.id, now);
  });
}

}  // namespace lyceum::hub
