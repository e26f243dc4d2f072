// sessions.h: browser sessions: a random cookie whose hash is stored. A session ends at a fixed age, after a time without use, with
// its user's password, and with the token it was started from. Any thread.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "hub/audit.h"
#include "hub/identity.h"
#include "hub/store/store.h"

namespace lyceum::hub {

inline constexpr int64_t kSessionMs = 30LL * 24 * 3600 * 1000;      // at most
inline constexpr int64_t kSessionIdleMs = 7LL * 24 * 3600 * 1000;   // without a request

class Sessions {
 public:
  Sessions(Store& store, const Clock& clock, Audit& audit) : store_(store), clock_(clock), audit_(audit) {}

  // actor: who signed in, with the token that proved it, if one did. Returns the cookie's value.
  std::string create(const Caller& actor);
  std::optional<Caller> authenticate(std::string_view cookie);
  void end(const Caller& actor, std::string_view cookie);

 private:
  Store& store_;
  const Clock& clock_;
  Audit& audit_;
};

}  // namespace lyceum::hub
