// oauth_apps.h: "sign in with this hub" for other sites and Spaces: the applications that may ask, and what they get
// (OAuth 2.0 authorization code grant with PKCE: RFC 6749, 7636, 9700; the names of the scopes are the protocol's).
//
//   developer   create()      -> client id, and a secret for an application with a server of its own
//   application sends the person to /oauth/authorize; the person decides there
//   person      approve()     -> code, good once and for minutes, for this application and this redirect address only
//   application exchange()    -> access token: fine-grained, hours, what the person approved and no more
//
// A code that is used a second time was copied: the token made from it ends (RFC 6749, 4.1.2). Secrets and codes are stored as hashes.
// Any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hub/audit.h"
#include "hub/tokens.h"

namespace lyceum::hub {

struct OauthApp {
  int64_t id = 0;
  std::string client_id, name, homepage, owner;  // owner: the developer's name
  std::vector<std::string> redirect_uris;        // matched letter by letter, but for the port of a loopback address (RFC 8252, 7.3)
  bool confidential = false;                     // it has a secret; without one PKCE is required
  int64_t created_ms = 0;
};

struct OauthAppRequest {
  std::string name, homepage;
  std::vector<std::string> redirect_uris;
  bool confidential = false;
  bool plain_http = false;  // redirect addresses may be http:// elsewhere than on the same machine: a hub without TLS on a network of its own
};

struct NewOauthApp {
  OauthApp app;
  std::string secret;  // the only time it is visible; empty for a public application
};

// What an application may ask for.
struct OauthScope {
  std::string_view name, meaning;  // meaning: for the person who decides
  uint32_t permissions = 0;
};
const OauthScope* find_oauth_scope(std::string_view name);  // nullptr: not offered here
std::vector<std::string> oauth_scope_names();
bool accepts_redirect(const OauthApp& app, std::string_view uri);

struct Approval {  // what the person agreed to
  std::string client_id, redirect_uri;
  std::vector<std::string> scopes;         // offered ones
  std::vector<std::string> organisations;  // of the person, whose repositories the permissions reach too
  std::string challenge;                   // PKCE, S256; empty: none
  std::string nonce, issuer;               // OpenID Connect; issuer: the hub's address, as the person's browser sees it
};

struct CodeExchange {
  std::string client_id;               // empty: whose code it is (a public application that proves itself by PKCE alone)
  std::optional<std::string> secret;
  std::string code, redirect_uri, verifier;
  std::string address;                 // of the application, for the audit log
};

struct CodeAnswer {
  std::string error;                   // RFC 6749, 5.2; empty: the rest is there
  std::string access_token, client_id, nonce, issuer;
  int64_t expires_in_s = 0;
  std::vector<std::string> scopes;
  User user;
};

class OauthApps {
 public:
  OauthApps(Store& store, const Clock& clock, Audit& audit, Tokens& tokens) : store_(store), clock_(clock), audit_(audit), tokens_(tokens) {}

  // Error(invalid_argument) for a redirect address that a stranger could take over, and for one application too many.
  NewOauthApp create(const Caller& caller, const OauthAppRequest& request);
  std::vector<OauthApp> list(const User& user);
  void remove(const Caller& caller, std::string_view client_id);  // one's own, with every token it got; Error(not_found)
  std::optional<OauthApp> find(std::string_view client_id);
  // Is this the origin ("https://example.org") of an application's redirect address? Pages there may read answers (CORS). Kept for a minute.
  bool allows_origin(std::string_view origin);

  // The code. Error(invalid_argument) when the request is not one the application may make.
  std::string approve(const Caller& caller, const Approval& approval);
  void deny(const Caller& caller, std::string_view client_id);  // recorded
  CodeAnswer exchange(const CodeExchange& request);

  // The RSA key that signs id tokens, PEM: made at the first call, the same for every process of the hub. Secret.
  std::string signing_key();

 private:
  struct StoredCode;
  CodeAnswer issue(Database& database, const StoredCode& code, const std::string& address);
  void end_grant(Database& database, const StoredCode& code, const std::string& address);
  std::vector<std::string> read_origins();
  void forget_origins();

  Store& store_;
  const Clock& clock_;
  Audit& audit_;
  Tokens& tokens_;
  std::mutex mutex_;
  std::vector<std::string> origins_;  // under mutex_
  int64_t origins_until_ms_ = 0, origin_changes_ = 0;
  std::string signing_key_;
};

}  // namespace lyceum::hub
