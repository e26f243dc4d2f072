#include "hub/device_logins.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"

namespace lyceum::hub {
namespace {

constexpr int64_t kCodeMs = 15 * 60 * 1000;
constexpr int64_t kIntervalMs = 5 * 1000;
constexpr int64_t kAccessMs = 30LL * 24 * 3600 * 1000;    // huggingface_hub renews a day before the end
constexpr int64_t kRefreshMs = 180LL * 24 * 3600 * 1000;
constexpr int64_t kRetryMs = 60 * 1000;                   // a refresh whose answer was lost may be sent again this long
constexpr int64_t kOpenMax = 10'000;
constexpr size_t kSecretMax = 512;

// Consonants only: no words, no look-alikes. 20^8 codes, each open for 15 minutes.
std::string make_user_code() {
  constexpr std::string_view kLetters = "BCDFGHJKLMNPQRSTVWXZ";
  std::string out;
  while (out.size() < 8) {
    for (const char byte : secure_bytes(16)) {
      const auto value = static_cast<unsigned char>(byte);
      if (value < 240 && out.size() < 8) out += kLetters[value % kLetters.size()];
    }
  }
  return out.insert(4, "-");
}

std::string canonical_code(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 40))
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (out.size() == 8) out.insert(4, "-");
  return out;
}

Scope parse_scope(const std::string& text) { return text == "write" ? Scope::write : Scope::read; }

OauthAnswer refusal(std::string error) {
  OauthAnswer out;
  out.error = std::move(error);
  return out;
}

std::optional<User> find_user_by_id(Database& database, int64_t id) {
  Rows rows = database.query("SELECT id, name, full_name, email, administrator FROM accounts WHERE id = ?", id);
  if (!rows.step()) return std::nullopt;
  return User{rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.boolean(4)};
}

}  // namespace

DeviceCode DeviceLogins::start(const std::string& client_id, const std::string& address) {
  if (client_id.empty() || client_id.size() > 200) throw Error(Code::invalid_argument, "client_id must have 1 to 200 characters");
  DeviceCode out{secure_alphanumeric(43), make_user_code(), kIntervalMs / 1000, kCodeMs / 1000};
  const std::string hash = sha256_raw(out.device_code);
  store_.write([&](Database& database) {
    const int64_t now = clock_.now_ms();
    database.run("DELETE FROM device_logins WHERE expires_ms < ?", now - kCodeMs);  // kept a while, to be told "expired" from "unknown"
    {
      Rows rows = database.query("SELECT count(*) FROM device_logins WHERE expires_ms > ?", now);
      rows.step();
      if (rows.integer(0) >= kOpenMax) throw Error(Code::unavailable, "too many sign-ins wait for their approval; try again later");
    }
    database.run("INSERT INTO device_logins (device_hash, user_code, client_id, address, created_ms, expires_ms, interval_ms, status) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending')",
                 Blob{hash}, out.user_code, client_id, address, now, now + kCodeMs, kIntervalMs);
  });
  return out;
}

std::optional<DeviceLogin> DeviceLogins::find(std::string_view user_code) {
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT user_code, client_id, address, status, created_ms, expires_ms FROM device_logins WHERE user_code = ? AND expires_ms > ?",
                            canonical_code(user_code), clock_.now_ms());
  if (!rows.step()) return std::nullopt;
  return DeviceLogin{rows.text(0), rows.text(1), rows.text(2), rows.text(3), rows.integer(4), rows.integer(5)};
}

void DeviceLogins::decide(const Caller& caller, std::string_view user_code, bool approve, Scope scope) {
  const std::string code = canonical_code(user_code);
  store_.write([&](Database& database) {
    const int64_t changed = database.run("UPDATE device_logins SET status = ?, user_id = ?, scope = ? WHERE user_code = ? AND status = 'pending' AND expires_ms > ?",
                                         approve ? "approved" : "denied", caller.user->id, name(scope), code, clock_.now_ms());
    if (changed == 0) throw Error(Code::not_found, "this code is unknown, has expired or was used already; start the sign-in again");
    audit_.record(database, caller, approve ? "oauth.approve" : "oauth.deny", caller.user->name, {{"role", name(scope)}});
  });
}

OauthAnswer DeviceLogins::poll(std::string_view client_id, std::string_view device_code) {
  if (device_code.empty() || device_code.size() > kSecretMax) return refusal("invalid_grant");
  const std::string hash = sha256_raw(device_code);
  OauthAnswer out;
  store_.write([&](Database& database) {
    const int64_t now = clock_.now_ms();
    std::string status, scope, client;
    int64_t polled = 0, interval = 0, user_id = 0, expires = 0;
    {
      Rows rows = database.query("SELECT status, scope, client_id, polled_ms, interval_ms, user_id, expires_ms FROM device_logins WHERE device_hash = ?", Blob{hash});
      if (!rows.step()) return void(out = refusal("expired_token"));  // used, or gone long ago
      status = rows.text(0), scope = rows.text(1), client = rows.text(2);
      polled = rows.integer(3), interval = rows.integer(4), user_id = rows.integer(5), expires = rows.integer(6);
    }
    if (client != client_id) return void(out = refusal("invalid_grant"));
    if (expires <= now) return void(out = refusal("expired_token"));
    if (status == "denied") return void(out = refusal("access_denied"));
    if (status == "pending") {
      const bool hasty = now - polled < interval - 500;  // clocks and networks jitter
      database.run("UPDATE device_logins SET polled_ms = ?, interval_ms = ? WHERE device_hash = ?", now, hasty ? interval + kIntervalMs : interval, Blob{hash});
      return void(out = refusal(hasty ? "slow_down" : "authorization_pending"));
    }
    const auto user = find_user_by_id(database, user_id);
    if (!user) return void(out = refusal("access_denied"));
    const int64_t grant = database.insert("INSERT INTO oauth_grants (user_id, client_id, scope, created_ms) VALUES (?, ?, ?, ?) RETURNING id", user_id, client, scope, now);
    database.run("DELETE FROM device_logins WHERE device_hash = ?", Blob{hash});
    out = issue(database, grant, *user, parse_scope(scope));
  });
  return out;
}

OauthAnswer DeviceLogins::refresh(std::string_view client_id, std::string_view refresh_token) {
  if (refresh_token.empty() || refresh_token.size() > kSecretMax) return refusal("invalid_grant");
  const std::string hash = sha256_raw(refresh_token);
  OauthAnswer out;
  store_.write([&](Database& database) {
    const int64_t now = clock_.now_ms();
    int64_t grant = 0, used = 0, user_id = 0;
    std::string scope;
    {
      Rows rows = database.query("SELECT g.id, r.used_ms, g.user_id, g.scope FROM oauth_refresh_tokens r JOIN oauth_grants g ON g.id = r.grant_id "
                                 "WHERE r.hash = ? AND r.expires_ms > ? AND g.client_id = ?", Blob{hash}, now, client_id);
      if (!rows.step()) return void(out = refusal("invalid_grant"));
      grant = rows.integer(0), used = rows.integer(1), user_id = rows.integer(2), scope = rows.text(3);
    }
    const auto user = find_user_by_id(database, user_id);
    if (!user) return void(out = refusal("invalid_grant"));
    if (used != 0 && now - used > kRetryMs) {
      Caller actor;
      actor.user = user;
      audit_.record(database, actor, "oauth.reuse", user->name, {{"grant", grant}});
      Tokens::remove_sign_in(database, grant);
      return void(out = refusal("invalid_grant"));
    }
    database.run("UPDATE oauth_refresh_tokens SET used_ms = ? WHERE hash = ? AND used_ms = 0", now, Blob{hash});
    database.run("DELETE FROM oauth_refresh_tokens WHERE grant_id = ? AND expires_ms < ?", grant, now);
    database.run("DELETE FROM tokens WHERE oauth_grant = ? AND expires_ms < ?", grant, now);
    out = issue(database, grant, *user, parse_scope(scope));
  });
  return out;
}

OauthAnswer DeviceLogins::issue(Database& database, int64_t grant, const User& user, Scope scope) {
  const int64_t now = clock_.now_ms();
  Caller actor;
  actor.user = user;
  OauthAnswer out;
  out.access_token = tokens_.create_in(database, actor, user, {.name = "browser sign-in", .scope = scope, .expires_ms = now + kAccessMs, .oauth_grant = grant});
  out.refresh_token = "hf_refresh_" + secure_alphanumeric(43);
  out.expires_in_s = kAccessMs / 1000;
  database.run("INSERT INTO oauth_refresh_tokens (hash, grant_id, expires_ms) VALUES (?, ?, ?)", Blob{sha256_raw(out.refresh_token)}, grant, now + kRefreshMs);
  return out;
}

}  // namespace lyceum::hub
