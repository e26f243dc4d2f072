#include "hub/oauth_apps.h"

#include <algorithm>
#include <array>
#include <boost/url.hpp>

#include "base/base64url.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/random.h"
#include "base/rsa_key.h"
#include "hub/access.h"

namespace lyceum::hub {
namespace {

constexpr int64_t kCodeMs = 5 * 60 * 1000;
constexpr int64_t kTokenMs = 8LL * 3600 * 1000;
constexpr int64_t kOriginsMs = 60 * 1000;
constexpr int64_t kAppsMax = 100;      // of one developer
constexpr size_t kRedirectsMax = 20;
constexpr size_t kUriMax = 2000;
constexpr size_t kNameMax = 100;
constexpr size_t kNonceMax = 500;
constexpr size_t kSecretMax = 512;

constexpr std::array<OauthScope, 11> kScopes{{
    {"openid", "know that it is you", 0},
    {"profile", "see your name and the organisations that you choose", 0},
    {"email", "see your e-mail address", 0},
    {"read-repos", "read your private repositories", kReadContent},
    {"write-repos", "read, create, change and delete your repositories", kReadContent | kWriteRepo | kWriteDiscussion},
    {"manage-repos", "read, create, change and delete your repositories", kReadContent | kWriteRepo | kWriteDiscussion},
    {"gated-repos", "read the gated repositories to which you were let in", 0},
    {"write-discussions", "speak for you in discussions, and like", kWriteDiscussion},
    {"read-collections", "see your private collections", kReadCollection},
    {"write-collections", "change your collections", kReadCollection | kWriteCollection},
    {"inference-api", "run models on this server as you", 0},
}};

json::array to_json(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.push_back(json::string(text));
  return out;
}

std::vector<std::string> strings_of(const std::string& text, std::string_view what) {
  std::vector<std::string> out;
  const json::value parsed = parse_json(text, what);
  for (const json::value& one : parsed.as_array()) out.emplace_back(one.as_string());
  return out;
}

bool is_loopback(const boost::urls::url_view& url) {
  const std::string host = url.host();
  return host == "127.0.0.1" || host == "[::1]" || host == "localhost";
}

// "https://example.org:8443"
std::string origin_of(const boost::urls::url_view& url) {
  const auto encoded = url.encoded_origin();
  return std::string(encoded.data(), encoded.size());
}

void check_redirect(const std::string& uri, bool plain_http) {
  const auto refuse = [&](std::string_view why) { throw Error(Code::invalid_argument, "the redirect address \"" + uri.substr(0, 200) + "\" " + std::string(why)); };
  if (uri.size() > kUriMax) refuse("is longer than 2000 characters");
  const auto url = boost::urls::parse_uri(uri);
  if (!url || url->host().empty()) refuse("is not an absolute address like https://example.org/callback");
  if (url->has_fragment()) refuse("has a fragment (#…); leave it out");
  if (url->has_userinfo()) refuse("holds a user name; leave it out");
  const bool http = url->scheme_id() == boost::urls::scheme::http;
  if (!http && url->scheme_id() != boost::urls::scheme::https) refuse("does not start with https://");
  if (http && !plain_http && !is_loopback(*url)) refuse("is not encrypted: use https://, or http:// on this machine (127.0.0.1, localhost)");
}

void check_request(const OauthAppRequest& request) {
  if (request.name.empty() || request.name.size() > kNameMax) throw Error(Code::invalid_argument, "an application's name has 1 to 100 characters");
  if (request.homepage.size() > kUriMax) throw Error(Code::invalid_argument, "a home page's address has at most 2000 characters");
  if (!request.homepage.empty() && !request.homepage.starts_with("https://") && !request.homepage.starts_with("http://"))
    throw Error(Code::invalid_argument, "a home page's address starts with https:// or http://");
  if (request.redirect_uris.empty() || request.redirect_uris.size() > kRedirectsMax) throw Error(Code::invalid_argument, "an application has 1 to 20 redirect addresses");
  for (const std::string& uri : request.redirect_uris) check_redirect(uri, request.plain_http);
}

constexpr std::string_view kColumns = "p.id, p.client_id, p.name, p.homepage, a.name, p.redirect_uris, p.secret_hash, p.created_ms";
OauthApp read_app(const Rows& rows, int first) {
  OauthApp out;
  out.id = rows.integer(first);
  out.client_id = rows.text(first + 1);
  out.name = rows.text(first + 2);
  out.homepage = rows.text(first + 3);
  out.owner = rows.text(first + 4);
  out.redirect_uris = strings_of(rows.text(first + 5), "redirect addresses");
  out.confidential = !rows.text(first + 6).empty();
  out.created_ms = rows.integer(first + 7);
  return out;
}

CodeAnswer refusal(std::string error) {
  CodeAnswer out;
  out.error = std::move(error);
  return out;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end != 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string join_words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

bool is_verifier(std::string_view text) {  // RFC 7636, 4.1
  return text.size() >= 43 && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("-._~").find(c) != std::string_view::npos; });
}

}  // namespace

const OauthScope* find_oauth_scope(std::string_view name) {
  const auto found = std::find_if(kScopes.begin(), kScopes.end(), [&](const OauthScope& one) { return one.name == name; });
  return found == kScopes.end() ? nullptr : &*found;
}

std::vector<std::string> oauth_scope_names() {
  std::vector<std::string> out;
  for (const OauthScope& one : kScopes) out.emplace_back(one.name);
  return out;
}

bool accepts_redirect(const OauthApp& app, std::string_view uri) {
  const auto matches = [&](const std::string& known) {
    if (known == uri) return true;
    const auto theirs = boost::urls::parse_uri(uri), ours = boost::urls::parse_uri(known);
    if (!theirs || !ours || !is_loopback(*ours)) return false;
    boost::urls::url a(*theirs), b(*ours);
    a.remove_port();  // a program listens where it finds a free one
    b.remove_port();
    return a.buffer() == b.buffer();
  };
  return std::any_of(app.redirect_uris.begin(), app.redirect_uris.end(), matches);
}

NewOauthApp OauthApps::create(const Caller& caller, const OauthAppRequest& request) {
  check_request(request);
  NewOauthApp out;
  out.app = {0, "app-" + secure_alphanumeric(24), request.name, request.homepage, caller.user->name, request.redirect_uris, request.confidential, clock_.now_ms()};
  if (request.confidential) out.secret = "oauth_app_secret_" + secure_alphanumeric(43);
  const std::string hash = request.confidential ? sha256_raw(out.secret) : std::string();
  store_.write([&](Database& database) {
    {
      Rows rows = database.query("SELECT count(*) FROM oauth_apps WHERE user_id = ?", caller.user->id);
      rows.step();
      if (rows.integer(0) >= kAppsMax) throw Error(Code::invalid_argument, "you have 100 applications already; remove one first");
    }
    out.app.id = database.insert("INSERT INTO oauth_apps (client_id, user_id, name, homepage, redirect_uris, secret_hash, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
                                 out.app.client_id, caller.user->id, request.name, request.homepage, json::serialize(to_json(request.redirect_uris)), Blob{hash}, out.app.created_ms);
    audit_.record(database, caller, "oauth.app.create", caller.user->name, {{"client", out.app.client_id}, {"name", request.name}});
  });
  forget_origins();
  return out;
}

std::vector<OauthApp> OauthApps::list(const User& user) {
  std::vector<OauthApp> out;
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT " + std::string(kColumns) + " FROM oauth_apps p JOIN accounts a ON a.id = p.user_id WHERE p.user_id = ? ORDER BY p.id", user.id);
  while (rows.step()) out.push_back(read_app(rows, 0));
  return out;
}

void OauthApps::remove(const Caller& caller, std::string_view client_id) {
  store_.write([&](Database& database) {
    if (database.run("DELETE FROM oauth_apps WHERE client_id = ? AND user_id = ?", client_id, caller.user->id) == 0) throw Error(Code::not_found, "you have no such application");
    database.run("DELETE FROM tokens WHERE oauth_grant IN (SELECT id FROM oauth_grants WHERE client_id = ?)", client_id);
    database.run("DELETE FROM oauth_grants WHERE client_id = ?", client_id);
    audit_.record(database, caller, "oauth.app.delete", caller.user->name, {{"client", client_id}});
  });
  forget_origins();
}

std::optional<OauthApp> OauthApps::find(std::string_view client_id) {
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT " + std::string(kColumns) + " FROM oauth_apps p JOIN accounts a ON a.id = p.user_id WHERE p.client_id = ?", client_id);
  return rows.step() ? std::optional(read_app(rows, 0)) : std::nullopt;
}

std::vector<std::string> OauthApps::read_origins() {
  std::vector<std::string> out;
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT redirect_uris FROM oauth_apps");
  while (rows.step()) {
    for (const std::string& uri : strings_of(rows.text(0), "redirect addresses"))
      if (const auto url = boost::urls::parse_uri(uri)) out.push_back(origin_of(*url));
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool OauthApps::allows_origin(std::string_view origin) {
  int64_t changes = 0;
  {
    const std::lock_guard lock(mutex_);
    if (clock_.now_ms() < origins_until_ms_) return std::binary_search(origins_.begin(), origins_.end(), origin);
    changes = origin_changes_;
  }
  std::vector<std::string> fresh = read_origins();  // not under the lock: the database may be slow
  const bool allowed = std::binary_search(fresh.begin(), fresh.end(), origin);
  const std::lock_guard lock(mutex_);
  if (changes != origin_changes_) return allowed;  // an application came or went meanwhile
  origins_ = std::move(fresh);
  origins_until_ms_ = clock_.now_ms() + kOriginsMs;
  return allowed;
}

void OauthApps::forget_origins() {
  const std::lock_guard lock(mutex_);
  origins_until_ms_ = 0;
  ++origin_changes_;
}

void OauthApps::deny(const Caller& caller, std::string_view client_id) {
  store_.write([&](Database& database) { audit_.record(database, caller, "oauth.deny", caller.user->name, {{"client", client_id}}); });
}

std::string OauthApps::approve(const Caller& caller, const Approval& approval) {
  const auto app = find(approval.client_id);
  if (!app || !accepts_redirect(*app, approval.redirect_uri)) throw Error(Code::invalid_argument, "no application with this client id and redirect address");
  if (approval.challenge.empty() && !app->confidential) throw Error(Code::invalid_argument, "an application without a secret must use PKCE (code_challenge, S256)");
  if (!approval.challenge.empty() && approval.challenge.size() != 43) throw Error(Code::invalid_argument, "code_challenge is not the base64url text of a SHA-256");
  if (approval.nonce.size() > kNonceMax) throw Error(Code::invalid_argument, "nonce has at most 500 characters");
  if (approval.scopes.empty()) throw Error(Code::invalid_argument, "an application asks for at least one scope");
  for (const std::string& scope : approval.scopes)
    if (find_oauth_scope(scope) == nullptr) throw Error(Code::invalid_argument, "no scope \"" + scope.substr(0, 100) + "\" is offered here");
  const std::string code = "hf_oauth_code_" + secure_alphanumeric(43), hash = sha256_raw(code);
  store_.write([&](Database& database) {
    const int64_t now = clock_.now_ms();
    database.run("DELETE FROM oauth_codes WHERE expires_ms < ?", now - kTokenMs);  // a used one is known as long as its token lives
    database.run("INSERT INTO oauth_codes (hash, app_id, user_id, redirect_uri, scopes, organisations, challenge, nonce, issuer, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", Blob{hash},
                 app->id, caller.user->id, approval.redirect_uri, join_words(approval.scopes), json::serialize(to_json(approval.organisations)), approval.challenge, approval.nonce, approval.issuer, now + kCodeMs);
    audit_.record(database, caller, "oauth.approve", caller.user->name, {{"client", app->client_id}, {"scopes", join_words(approval.scopes)}});
  });
  return code;
}

struct OauthApps::StoredCode {
  std::string hash;
  OauthApp app;
  std::string secret_hash, redirect_uri, challenge, nonce, issuer;
  std::vector<std::string> scopes, organisations;
  int64_t expires_ms = 0, grant = 0;
  User user;

  static std::optional<StoredCode> find(Database& database, const std::string& hash) {
    Rows rows = database.query("SELECT " + std::string(kColumns) + ", c.redirect_uri, c.challenge, c.nonce, c.scopes, c.organisations, c.expires_ms, c.grant_id, "
                               "u.id, u.name, u.full_name, u.email, u.administrator, c.issuer FROM oauth_codes c JOIN oauth_apps p ON p.id = c.app_id "
                               "JOIN accounts a ON a.id = p.user_id JOIN accounts u ON u.id = c.user_id WHERE c.hash = ?", Blob{hash});
    if (!rows.step()) return std::nullopt;
    StoredCode out;
    out.hash = hash;
    out.app = read_app(rows, 0);
    out.secret_hash = rows.text(6);
    out.redirect_uri = rows.text(8), out.challenge = rows.text(9), out.nonce = rows.text(10);
    out.scopes = split_words(rows.text(11));
    out.organisations = strings_of(rows.text(12), "organisations");
    out.expires_ms = rows.integer(13), out.grant = rows.integer(14);
    out.user = User{rows.integer(15), rows.text(16), rows.text(17), rows.text(18), rows.boolean(19)};
    out.issuer = rows.text(20);
    return out;
  }

  std::string_view find_fault(const CodeExchange& request) const {
    if (!request.client_id.empty() && request.client_id != app.client_id) return "invalid_grant";
    if (app.confidential && (!request.secret || !equal_constant_time(sha256_raw(*request.secret), secret_hash))) return "invalid_client";
    if (request.redirect_uri != redirect_uri) return "invalid_grant";
    if (challenge.empty()) return request.verifier.empty() ? "" : "invalid_grant";  // a verifier without a challenge: somebody left the challenge out
    const bool proven = is_verifier(request.verifier) && equal_constant_time(to_base64url(sha256_raw(request.verifier)), challenge);
    return proven ? "" : "invalid_grant";
  }
};

CodeAnswer OauthApps::exchange(const CodeExchange& request) {
  if (request.code.empty() || request.code.size() > kSecretMax || (request.secret && request.secret->size() > kSecretMax)) return refusal("invalid_grant");
  const std::string hash = sha256_raw(request.code);
  CodeAnswer out;
  store_.write([&](Database& database) {
    const auto code = StoredCode::find(database, hash);
    if (!code) return void(out = refusal("invalid_grant"));
    if (const std::string_view fault = code->find_fault(request); !fault.empty()) return void(out = refusal(std::string(fault)));
    if (code->grant != 0) {
      end_grant(database, *code, request.address);
      return void(out = refusal("invalid_grant"));
    }
    if (code->expires_ms <= clock_.now_ms()) return void(out = refusal("invalid_grant"));
    out = issue(database, *code, request.address);
  });
  return out;
}

void OauthApps::end_grant(Database& database, const StoredCode& code, const std::string& address) {
  Caller actor;
  actor.address = address;
  actor.user = code.user;
  audit_.record(database, actor, "oauth.reuse", code.user.name, {{"client", code.app.client_id}, {"grant", code.grant}});
  Tokens::remove_sign_in(database, code.grant);
  database.run("DELETE FROM oauth_codes WHERE hash = ?", Blob{code.hash});
}

CodeAnswer OauthApps::issue(Database& database, const StoredCode& code, const std::string& address) {
  const int64_t now = clock_.now_ms();
  const std::string scopes = join_words(code.scopes);
  Caller actor;
  actor.user = code.user;
  actor.address = address;
  // What this user's earlier sign-ins left. Codes go with the application or by age (approve).
  database.run("DELETE FROM tokens WHERE user_id = ? AND oauth_scopes <> '' AND expires_ms < ?", code.user.id, now);
  database.run("DELETE FROM oauth_grants WHERE user_id = ? AND client_id = ? AND id NOT IN (SELECT oauth_grant FROM tokens WHERE user_id = ?)", code.user.id, code.app.client_id,
               code.user.id);
  TokenRequest wanted{.name = code.app.name, .scope = Scope::fine_grained, .expires_ms = now + kTokenMs};
  uint32_t permissions = 0;
  for (const std::string& scope : code.scopes) {
    const OauthScope* const known = find_oauth_scope(scope);
    permissions |= known != nullptr ? known->permissions : 0;
    wanted.reads_gated = wanted.reads_gated || scope == "gated-repos";
  }
  if (permissions != 0) wanted.grants.push_back({0, 0, "user", code.user.name, permissions});
  for (const std::string& one : code.organisations) {
    const auto account = find_account(database, one);
    const bool member = account && account->organisation && role_in(database, code.user, account->id) != Role::none;
    if (member) wanted.grants.push_back({0, 0, "org", account->name, permissions});
  }
  wanted.oauth_scopes = scopes;
  wanted.oauth_grant = database.insert("INSERT INTO oauth_grants (user_id, client_id, scope, created_ms) VALUES (?, ?, ?, ?) RETURNING id", code.user.id, code.app.client_id, scopes, now);
  database.run("UPDATE oauth_codes SET grant_id = ? WHERE hash = ?", wanted.oauth_grant, Blob{code.hash});
  CodeAnswer out;
  out.access_token = tokens_.create_in(database, actor, code.user, wanted);
  out.client_id = code.app.client_id;
  out.nonce = code.nonce;
  out.issuer = code.issuer;
  out.expires_in_s = kTokenMs / 1000;
  out.scopes = code.scopes;
  out.user = code.user;
  return out;
}

std::string OauthApps::signing_key() {
  const std::lock_guard lock(mutex_);
  if (!signing_key_.empty()) return signing_key_;
  const auto stored = [&]() -> std::string {
    const auto reader = store_.read();
    Rows rows = reader->query("SELECT value FROM settings WHERE key = 'openid_key'");
    return rows.step() ? std::string(parse_json(rows.text(0), "stored key").as_string()) : std::string();
  };
  signing_key_ = stored();
  if (!signing_key_.empty()) return signing_key_;
  const std::string fresh = json::serialize(json::string(RsaKey::make().pem()));
  store_.write([&](Database& database) { database.run("INSERT INTO settings (key, value) VALUES ('openid_key', ?) ON CONFLICT (key) DO NOTHING", fresh); });
  return signing_key_ = stored();  // another process may have been first
}

}  // namespace lyceum::hub
