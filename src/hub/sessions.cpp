#include "hub/sessions.h"

#include <algorithm>

#include "base/hash.h"
#include "base/random.h"

namespace lyceum::hub {
namespace {

constexpr size_t kCookieMax = 512;
constexpr int64_t kTouchEveryMs = 3600 * 1000;  // how fine the time without use is known: a request must not cost an fsync

}  // namespace

std::string Sessions::create(const Caller& actor) {
  std::string cookie = secure_alphanumeric(43);
  const std::string hash = sha256_raw(cookie);
  store_.write([&](Database& database) {
    const int64_t now = clock_.now_ms();
    int64_t expires = now + kSessionMs;
    if (actor.token && actor.token->expires_ms != 0) expires = std::min(expires, actor.token->expires_ms);
    database.run("DELETE FROM sessions WHERE expires_ms < ?", now);
    database.run("INSERT INTO sessions (hash, user_id, expires_ms, used_ms) VALUES (?, ?, ?, ?)", Blob{hash}, actor.user->id, expires, now);
    if (actor.token) database.run("UPDATE sessions SET token_id = ? WHERE hash = ?", actor.token->id, Blob{hash});
    audit_.record(database, actor, "session.create", actor.user->name);
  });
  return cookie;
}

std::optional<Caller> Sessions::authenticate(std::string_view cookie) {
  if (cookie.empty() || cookie.size() > kCookieMax) return std::nullopt;
  const std::string hash = sha256_raw(cookie);
  const int64_t now = clock_.now_ms();
  Caller caller;
  int64_t used = 0;
  {
    const auto reader = store_.read();
    Rows rows = reader->query("SELECT a.id, a.name, a.full_name, a.email, a.administrator, s.used_ms FROM sessions s JOIN accounts a ON a.id = s.user_id "
                              "WHERE s.hash = ? AND s.expires_ms > ? AND s.used_ms > ?", Blob{hash}, now, now - kSessionIdleMs);
    if (!rows.step()) return std::nullopt;
    caller.user = User{rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.boolean(4)};
    used = rows.integer(5);
  }
  if (now - used > kTouchEveryMs) store_.write([&](Database& database) { database.run("UPDATE sessions SET used_ms = ? WHERE hash = ?", now, Blob{hash}); });
  return caller;
}

void Sessions::end(const Caller& actor, std::string_view cookie) {
  const std::string hash = sha256_raw(cookie);
  store_.write([&](Database& database) {
    if (database.run("DELETE FROM sessions WHERE hash = ?", Blob{hash}) > 0) audit_.record(database, actor, "session.end", actor.user ? actor.user->name : "");
  });
}

}  // namespace lyceum::hub
