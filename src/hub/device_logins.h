// device_logins.h: signing in a program from a browser (OAuth 2.0 device authorization grant, RFC 8628) and renewing its token.
//
//   program  start()            -> device code (secret), user code (short, for people)
//   person   decide()           in a browser, signed in, after comparing the user code
//   program  poll() …           -> authorization_pending | slow_down | access_denied | expired_token | tokens, once
//   program  refresh()          -> new access token, new refresh token; the old refresh token is spent
//
// A spent refresh token that comes back later than a retry would means that somebody copied it: its whole grant ends, access tokens
// included (RFC 9700, 4.14). Only hashes of codes and tokens are stored. Any thread.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "hub/audit.h"
#include "hub/tokens.h"

namespace lyceum::hub {

struct DeviceCode {
  std::string device_code, user_code;  // "BCDF-GHJK"
  int64_t interval_s = 0, expires_in_s = 0;
};

struct DeviceLogin {  // what the person decides about
  std::string user_code, client_id, address, status;
  int64_t created_ms = 0, expires_ms = 0;
};

struct OauthAnswer {
  std::string error;                 // RFC 6749, 5.2 and RFC 8628, 3.5; empty: the tokens are there
  std::string access_token, refresh_token;
  int64_t expires_in_s = 0;
};

class DeviceLogins {
 public:
  DeviceLogins(Store& store, const Clock& clock, Audit& audit, Tokens& tokens) : store_(store), clock_(clock), audit_(audit), tokens_(tokens) {}

  DeviceCode start(const std::string& client_id, const std::string& address);  // Error(unavailable) when too many are open
  std::optional<DeviceLogin> find(std::string_view user_code);                 // case and '-' do not matter
  // Error(not_found) for a code that is unknown, expired or decided. scope: what the program may do.
  void decide(const Caller& caller, std::string_view user_code, bool approve, Scope scope);
  OauthAnswer poll(std::string_view client_id, std::string_view device_code);
  OauthAnswer refresh(std::string_view client_id, std::string_view refresh_token);

 private:
  OauthAnswer issue(Database& database, int64_t grant, const User& user, Scope scope);

  Store& store_;
  const Clock& clock_;
  Audit& audit_;
  Tokens& tokens_;
};

}  // namespace lyceum::hub
