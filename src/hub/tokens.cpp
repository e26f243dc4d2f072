#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "hub/hub_impl.h"

// A token has 220 random bits, so a plain SHA-256 is enough to store it: there is nothing to guess, unlike with a password.
namespace lyceum::hub {
namespace {

constexpr int64_t kSessionMs = 30LL * 24 * 3600 * 1000;
constexpr size_t kSecretMax = 512;

std::string digest(std::string_view secret) { return sha256_raw(secret); }

Scope parse_scope(const std::string& text) { return text == "write" ? Scope::write : Scope::read; }

}  // namespace

std::string HubImpl::create_token(const User& user, const std::string& name, Scope scope) {
  if (name.size() > 200) throw Error(Code::invalid_argument, "a token's name may have 200 characters");
  std::string token = "hf_" + secure_alphanumeric(37);
  transact([&](Database& database) {
    database.run("INSERT INTO tokens (user_id, name, scope, hash, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)", user.id, name,
                 scope == Scope::write ? "write" : "read", Blob{digest(token)}, clock_.now_ms());
  });
  return token;
}

std::vector<TokenInfo> HubImpl::tokens(const User& user) {
  std::vector<TokenInfo> out;
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT id, name, scope, created_ms, last_used_ms FROM tokens WHERE user_id = ?1 ORDER BY id", user.id);
  while (rows.step()) out.push_back({rows.integer(0), rows.text(1), parse_scope(rows.text(2)), rows.integer(3), rows.integer(4)});
  const std::lock_guard lock(counters_mutex_);
  for (TokenInfo& token : out) {
    if (const auto used = token_uses_.find(token.id); used != token_uses_.end()) token.last_used_ms = used->second;
  }
  return out;
}

void HubImpl::revoke_token(const User& user, int64_t id) {
  int64_t removed = 0;
  transact([&](Database& database) { removed = database.run("DELETE FROM tokens WHERE id = ?1 AND user_id = ?2", id, user.id); });
  if (removed == 0) throw Error(Code::not_found, "no such token");
}

std::optional<Caller> HubImpl::authenticate(std::string_view token) {
  if (token.empty() || token.size() > kSecretMax) return std::nullopt;
  Caller caller;
  {
    const auto reader = store_->read();
    const std::string hash = digest(token);
    Rows rows = reader->query("SELECT a.id, a.name, a.full_name, a.email, a.administrator, t.id, t.name, t.scope, t.created_ms, t.last_used_ms "
                              "FROM tokens t JOIN accounts a ON a.id = t.user_id WHERE t.hash = ?1", Blob{hash});
    if (!rows.step()) return std::nullopt;
    caller.user = User{rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.boolean(4)};
    caller.token = TokenInfo{rows.integer(5), rows.text(6), parse_scope(rows.text(7)), rows.integer(8), rows.integer(9)};
  }
  const std::lock_guard lock(counters_mutex_);
  token_uses_[caller.token->id] = clock_.now_ms();
  return caller;
}

std::string HubImpl::create_session(const User& user) {
  std::string cookie = secure_alphanumeric(43);
  transact([&](Database& database) {
    database.run("DELETE FROM sessions WHERE expires_ms < ?1", clock_.now_ms());
    database.run("INSERT INTO sessions (hash, user_id, expires_ms) VALUES (?1, ?2, ?3)", Blob{digest(cookie)}, user.id, clock_.now_ms() + kSessionMs);
  });
  return cookie;
}

std::optional<Caller> HubImpl::authenticate_session(std::string_view cookie) {
  if (cookie.empty() || cookie.size() > kSecretMax) return std::nullopt;
  const auto reader = store_->read();
  const std::string hash = digest(cookie);
  Rows rows = reader->query("SELECT a.id, a.name, a.full_name, a.email, a.administrator FROM sessions s JOIN accounts a ON a.id = s.user_id "
                            "WHERE s.hash = ?1 AND s.expires_ms > ?2", Blob{hash}, clock_.now_ms());
  if (!rows.step()) return std::nullopt;
  Caller caller;
  caller.user = User{rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.boolean(4)};
  return caller;
}

void HubImpl::end_session(std::string_view cookie) {
  const std::string hash = digest(cookie);
  transact([&](Database& database) { database.run("DELETE FROM sessions WHERE hash = ?1", Blob{hash}); });
}

}  // namespace lyceum::hub
