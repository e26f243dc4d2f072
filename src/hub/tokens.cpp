#include "hub/tokens.h"

#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "hub/access.h"

namespace lyceum::hub {
namespace {

constexpr size_t kSecretMax = 512;
constexpr size_t kNameMax = 200;
constexpr size_t kGrantsMax = 200;

Scope parse_scope(const std::string& text) { return text == "write" ? Scope::write : text == "fineGrained" ? Scope::fine_grained : Scope::read; }

// Columns of a token, from column `first` on.
constexpr std::string_view kTokenColumns = "t.id, t.name, t.scope, t.created_ms, t.last_used_ms, t.expires_ms, t.oauth_grant, t.reads_gated, t.oauth_scopes";
TokenInfo read_token(const Rows& rows, int first) {
  TokenInfo out;
  out.id = rows.integer(first);
  out.name = rows.text(first + 1);
  out.scope = parse_scope(rows.text(first + 2));
  out.created_ms = rows.integer(first + 3);
  out.last_used_ms = rows.integer(first + 4);
  out.expires_ms = rows.integer(first + 5);
  out.oauth_grant = rows.integer(first + 6);
  out.reads_gated = rows.boolean(first + 7);
  out.oauth_scopes = rows.text(first + 8);
  return out;
}

std::string type_name(int64_t type) {
  const std::string_view many = plural(static_cast<RepoType>(type));
  return std::string(many.substr(0, many.size() - 1));
}

void read_grants(Database& database, TokenInfo& token) {
  if (token.scope != Scope::fine_grained) return;
  {
    Rows rows = database.query("SELECT g.permissions, r.id, r.type, r.owner, r.name FROM token_grants g JOIN repos r ON r.id = g.repo_id WHERE g.token_id = ?", token.id);
    while (rows.step()) token.grants.push_back({rows.integer(1), 0, type_name(rows.integer(2)), rows.text(3) + "/" + rows.text(4), static_cast<uint32_t>(rows.integer(0))});
  }
  Rows rows = database.query("SELECT g.permissions, a.id, a.is_organisation, a.name FROM token_grants g JOIN accounts a ON a.id = g.owner_id WHERE g.token_id = ?", token.id);
  while (rows.step()) token.grants.push_back({0, rows.integer(1), rows.boolean(2) ? "org" : "user", rows.text(3), static_cast<uint32_t>(rows.integer(0))});
}

// Names to ids. What the actor cannot see does not exist for him.
Grant find_target(Database& database, const Caller& actor, const Grant& wanted) {
  Grant out = wanted;
  if (wanted.type == "user" || wanted.type == "org") {
    const auto account = find_account(database, wanted.name);
    if (!account || account->organisation != (wanted.type == "org")) throw Error(Code::not_found, "no " + wanted.type + " \"" + wanted.name.substr(0, 96) + "\"");
    if (role_in(database, *actor.user, account->id) == Role::none && !actor.administrator()) {
      throw Error(Code::forbidden, "a grant may name yourself and organisations that you belong to, not \"" + account->name + "\"");
    }
    out.owner_id = account->id;
    return out;
  }
  const auto type = find_repo_type(wanted.type);
  const size_t slash = wanted.name.find('/');
  if (!type || slash == std::string::npos) throw Error(Code::invalid_argument, "a grant names a model, dataset or space as owner/name, a user or an org");
  const auto repo = find_repo(database, {*type, wanted.name.substr(0, slash), wanted.name.substr(slash + 1)});
  if (!repo || !may_read(database, actor, *repo)) throw Error(Code::not_found, "no " + wanted.type + " \"" + wanted.name.substr(0, 200) + "\"");
  out.repo_id = repo->id;
  return out;
}

// A token of the OAuth flow goes with its grant: nothing can be renewed after it.
void remove(Database& database, int64_t id, int64_t oauth_grant) {
  database.run("DELETE FROM tokens WHERE id = ?", id);
  if (oauth_grant != 0) database.run("DELETE FROM oauth_grants WHERE id = ?", oauth_grant);
}

}  // namespace

std::string Tokens::create(const Caller& actor, const TokenRequest& request) {
  if (!actor.user) throw Error(Code::unauthorized, "sign in to create an access token");
  if (!actor.may_write()) throw Error(Code::forbidden, "this token may not make others; use a write token");
  std::string text;
  store_.write([&](Database& database) { text = create_in(database, actor, *actor.user, request); });
  return text;
}

std::string Tokens::create_in(Database& database, const Caller& actor, const User& user, const TokenRequest& request) {
  if (request.name.size() > kNameMax) throw Error(Code::invalid_argument, "a token's name may have 200 characters");
  if (request.grants.size() > kGrantsMax) throw Error(Code::invalid_argument, "a token may have 200 grants");
  if (request.expires_ms != 0 && request.expires_ms <= clock_.now_ms()) throw Error(Code::invalid_argument, "the token would have expired already");
  if (request.scope == Scope::fine_grained && request.grants.empty() && request.oauth_grant == 0) throw Error(Code::invalid_argument, "a fine-grained token needs at least one grant");
  std::string text = "hf_" + secure_alphanumeric(37);
  const std::string hash = sha256_raw(text);
  const int64_t id = database.insert("INSERT INTO tokens (user_id, name, scope, hash, created_ms, expires_ms, oauth_grant, reads_gated, oauth_scopes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                                     user.id, request.name, name(request.scope), Blob{hash}, clock_.now_ms(), request.expires_ms, request.oauth_grant, request.reads_gated, request.oauth_scopes);
  json::array grants;
  for (const Grant& wanted : request.grants) {
    // An application may only learn that its user belongs to an organisation.
    if (wanted.permissions == 0 && request.oauth_grant == 0) throw Error(Code::invalid_argument, "a grant needs at least one permission");
    const Grant grant = find_target(database, actor, wanted);
    if (grant.repo_id != 0) database.run("INSERT INTO token_grants (token_id, repo_id, permissions) VALUES (?, ?, ?)", id, grant.repo_id, int64_t{grant.permissions});
    else database.run("INSERT INTO token_grants (token_id, owner_id, permissions) VALUES (?, ?, ?)", id, grant.owner_id, int64_t{grant.permissions});
    grants.push_back(json::string(grant.type + " " + grant.name));
  }
  json::object details{{"token", id}, {"role", name(request.scope)}, {"name", request.name}};
  if (!grants.empty()) details["grants"] = std::move(grants);
  audit_.record(database, actor, "token.create", user.name, details);
  return text;
}

std::vector<TokenInfo> Tokens::list(const User& user) {
  std::vector<TokenInfo> out;
  const auto reader = store_.read();
  {
    Rows rows = reader->query("SELECT " + std::string(kTokenColumns) + " FROM tokens t WHERE t.user_id = ? ORDER BY t.id", user.id);
    while (rows.step()) out.push_back(read_token(rows, 0));
  }
  for (TokenInfo& token : out) read_grants(*reader, token);
  const std::lock_guard lock(uses_mutex_);
  for (TokenInfo& token : out) {
    if (const auto used = uses_.find(token.id); used != uses_.end()) token.last_used_ms = used->second;
  }
  return out;
}

void Tokens::revoke(const Caller& actor, int64_t id) {
  store_.write([&](Database& database) {
    int64_t oauth_grant = 0;
    std::string name;
    {
      Rows rows = database.query("SELECT oauth_grant, name FROM tokens WHERE id = ? AND user_id = ?", id, actor.user->id);
      if (!rows.step()) throw Error(Code::not_found, "no such token");
      oauth_grant = rows.integer(0);
      name = rows.text(1);
    }
    remove(database, id, oauth_grant);
    audit_.record(database, actor, "token.revoke", actor.user->name, {{"token", id}, {"name", name}});
  });
}

size_t Tokens::revoke_leaked(const Caller& actor, const std::vector<std::string>& texts) {
  size_t revoked = 0;
  store_.write([&](Database& database) {
    revoked = 0;
    for (const std::string& text : texts) {
      const std::string hash = sha256_raw(text);
      int64_t id = 0, oauth_grant = 0;
      std::string user;
      {
        Rows rows = database.query("SELECT t.id, t.oauth_grant, a.name FROM tokens t JOIN accounts a ON a.id = t.user_id WHERE t.hash = ?", Blob{hash});
        if (!rows.step()) continue;
        id = rows.integer(0);
        oauth_grant = rows.integer(1);
        user = rows.text(2);
      }
      remove(database, id, oauth_grant);
      audit_.record(database, actor, "token.revoke", user, {{"token", id}, {"reason", "reported as leaked"}});
      ++revoked;
    }
  });
  return revoked;
}

void Tokens::remove_sign_in(Database& database, int64_t oauth_grant) {
  database.run("DELETE FROM tokens WHERE oauth_grant = ?", oauth_grant);
  database.run("DELETE FROM oauth_grants WHERE id = ?", oauth_grant);
}

bool Tokens::end_sign_in(const Caller& actor, std::string_view text) {
  const std::string hash = sha256_raw(text);
  bool ended = false;
  store_.write([&](Database& database) {
    int64_t grant = 0;
    std::string user;
    {
      Rows rows = database.query("SELECT g.id, a.name FROM oauth_grants g JOIN accounts a ON a.id = g.user_id WHERE g.id IN "
                                 "(SELECT oauth_grant FROM tokens WHERE hash = ?1 UNION SELECT grant_id FROM oauth_refresh_tokens WHERE hash = ?1)", Blob{hash});
      ended = rows.step();
      if (!ended) return;
      grant = rows.integer(0);
      user = rows.text(1);
    }
    remove_sign_in(database, grant);
    audit_.record(database, actor, "token.revoke", user, {{"sign_in", grant}, {"reason", "ended by the application"}});
  });
  return ended;
}

std::optional<Caller> Tokens::find(Database& database, Rows& rows) {
  Caller caller;
  if (!rows.step()) return std::nullopt;
  caller.user = User{rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.boolean(4)};
  caller.token = read_token(rows, 5);
  if (caller.token->expires_ms != 0 && caller.token->expires_ms <= clock_.now_ms()) return std::nullopt;
  read_grants(database, *caller.token);
  return caller;
}

std::optional<Caller> Tokens::authenticate(std::string_view text) {
  static const std::string sql = "SELECT a.id, a.name, a.full_name, a.email, a.administrator, " + std::string(kTokenColumns) +
                                 " FROM tokens t JOIN accounts a ON a.id = t.user_id WHERE t.hash = ?";
  if (text.empty() || text.size() > kSecretMax) return std::nullopt;
  std::optional<Caller> caller;
  {
    const auto reader = store_.read();
    const std::string hash = sha256_raw(text);
    Rows rows = reader->query(sql, Blob{hash});
    caller = find(*reader, rows);
  }
  if (!caller) return std::nullopt;
  const std::lock_guard lock(uses_mutex_);
  uses_[caller->token->id] = clock_.now_ms();
  return caller;
}

std::optional<Caller> Tokens::find_caller(int64_t id) {
  static const std::string sql = "SELECT a.id, a.name, a.full_name, a.email, a.administrator, " + std::string(kTokenColumns) +
                                 " FROM tokens t JOIN accounts a ON a.id = t.user_id WHERE t.id = ?";
  const auto reader = store_.read();
  Rows rows = reader->query(sql, id);
  return find(*reader, rows);
}

std::map<int64_t, int64_t> Tokens::take_uses() {
  const std::lock_guard lock(uses_mutex_);
  return std::exchange(uses_, {});
}

void Tokens::write_uses(Database& database, const std::map<int64_t, int64_t>& uses) {
  for (const auto& [id, when] : uses) database.run("UPDATE tokens SET last_used_ms = ? WHERE id = ? AND last_used_ms < ?", when, id, when);
}

}  // namespace lyceum::hub
