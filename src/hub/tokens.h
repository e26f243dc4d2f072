// tokens.h: access tokens: made, listed, revoked, recognised. Any thread.
//
// A token is "hf_" and 37 random letters and digits (220 bits), so a plain SHA-256 is enough to store it: there is nothing to guess,
// unlike with a password. llama.cpp drops tokens of any other shape. When it was last used is kept in memory and written with the
// hub's other counters: asking who calls must not cost an fsync.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hub/audit.h"
#include "hub/identity.h"
#include "hub/store/store.h"

namespace lyceum::hub {

struct TokenRequest {
  std::string name;                  // at most 200 characters
  Scope scope = Scope::read;
  int64_t expires_ms = 0;            // moment; 0: never
  int64_t oauth_grant = 0;           // set by the OAuth flows only
  std::string oauth_scopes = {};     // of an application (oauth_apps.h), separated by spaces
  bool reads_gated = false;
  // Fine-grained: type and name say what ("model", "owner/name" or "user", "owner"), permissions what for. The actor must see it.
  std::vector<Grant> grants = {};
};

class Tokens {
 public:
  Tokens(Store& store, const Clock& clock, Audit& audit) : store_(store), clock_(clock), audit_(audit) {}

  // The text, the only time it is visible. The actor acts for himself.
  std::string create(const Caller& actor, const TokenRequest& request);
  // The same inside a running transaction, for whoever has decided already.
  std::string create_in(Database& database, const Caller& actor, const User& user, const TokenRequest& request);
  std::vector<TokenInfo> list(const User& user);
  void revoke(const Caller& actor, int64_t id);                              // one's own; Error(not_found)
  size_t revoke_leaked(const Caller& actor, const std::vector<std::string>& texts);  // whoever holds a token may end it
  // Ends the sign-in of an application that this access or refresh token came from, with everything it got (RFC 7009). False: there is none.
  bool end_sign_in(const Caller& actor, std::string_view text);
  // The same inside a running transaction, for whoever knows the sign-in: its tokens, and what could renew them.
  static void remove_sign_in(Database& database, int64_t oauth_grant);
  // nullopt: no such token, or it has expired.
  std::optional<Caller> authenticate(std::string_view text);
  // For claims that were signed for a token: the token as it is now.
  std::optional<Caller> find_caller(int64_t id);
  // For whoever writes counters together: when tokens were used since the last call.
  std::map<int64_t, int64_t> take_uses();
  static void write_uses(Database& database, const std::map<int64_t, int64_t>& uses);

 private:
  std::optional<Caller> find(Database& database, Rows& rows);

  Store& store_;
  const Clock& clock_;
  Audit& audit_;
  std::mutex uses_mutex_;
  std::map<int64_t, int64_t> uses_;  // token id -> when
};

}  // namespace lyceum::hub
