// audit.h: the append-only record of security-relevant actions: who, with which token, from where, did what to what, when.
//
// record() runs inside the transaction of the action itself, so that there is no action without its record and no record of an
// action that was rolled back. Each row carries SHA-256(hash of the row before, its own content); find_break() tells where somebody
// edited or removed rows by hand. No row holds a secret.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "hub/identity.h"
#include "hub/store/store.h"

namespace lyceum::hub {

struct AuditEvent {
  int64_t sequence = 0, at_ms = 0;
  int64_t user_id = 0, token_id = 0;  // 0: nobody signed in, no token
  std::string user, address;          // name at the time; address of the peer
  std::string action;                 // "repo.create", "token.revoke", "session.refused", …
  std::string target;                 // "models/ns/name", a user, an organisation, …
  json::object details;
};

struct AuditQuery {
  std::string user, action, target;   // exact; an action that ends with "." stands for all that start with it
  int64_t before = 0;                 // sequence; 0: from the newest
  size_t limit = 100;
};

class Audit {
 public:
  Audit(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // Inside the transaction of the action.
  void record(Database& database, const Caller& actor, std::string_view action, std::string_view target, const json::object& details = {}) const;
  // For what changes nothing else: a refused sign-in.
  void record_alone(const Caller& actor, std::string_view action, std::string_view target, const json::object& details = {});

  std::vector<AuditEvent> list(const AuditQuery& query);  // newest first
  // The first sequence number whose row is missing or altered; nullopt: the whole chain holds.
  std::optional<int64_t> find_break();

 private:
  Store& store_;
  const Clock& clock_;
};

}  // namespace lyceum::hub
