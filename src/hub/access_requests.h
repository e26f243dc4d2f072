// access_requests.h: who asked to read a gated repository, and what became of it. In a repository gated "auto" asking is enough, in one
// gated "manual" somebody with the right to write accepts or rejects. Any thread.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "hub/access.h"
#include "hub/audit.h"

namespace lyceum::hub {

struct AccessRequest {
  std::string public_id;   // 24 hex, the "requestId" of the protocol
  User user;
  std::string status;      // "pending", "accepted", "rejected"
  json::object fields;     // what the form asked for
  bool granted = false;    // let in without having asked
  int64_t created_ms = 0;
};

class AccessRequests {
 public:
  AccessRequests(Store& store, const Clock& clock, Audit& audit) : store_(store), clock_(clock), audit_(audit) {}

  // The status afterwards. Asking again changes nothing. Error(invalid_argument) for a repository that is not gated.
  std::string ask(const Caller& caller, const Repo& repo, const json::object& fields);
  void cancel(const Caller& caller, const Repo& repo);  // one's own; Error(not_found)
  // status "" lists all. Oldest first.
  std::vector<AccessRequest> list(const Repo& repo, std::string_view status, size_t offset, size_t limit);
  // The request is named by its user, his id, or its own id. Error(not_found) if there is none, or it has that status already.
  struct Decision {
    std::string user, user_id, request_id, status, reason;
  };
  void decide(const Caller& caller, const Repo& repo, const Decision& decision);
  void grant(const Caller& caller, const Repo& repo, const std::string& user);

 private:
  Store& store_;
  const Clock& clock_;
  Audit& audit_;
};

}  // namespace lyceum::hub
