// quotas.h: how much large-file storage a repository and a namespace may use. Usage is the size of the distinct large files linked to
// the repositories; what git holds itself is bounded by the limits on pushes and inline files. The limits are settings of the server, with
// exceptions per namespace set by an administrator. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "hub/hub.h"

namespace lyceum::hub {

class Database;
class HubImpl;

struct QuotaState {
  uint64_t used_bytes = 0;
  uint64_t limit_bytes = 0;   // 0: none
};

class Quotas {
 public:
  explicit Quotas(HubImpl& hub) : hub_(hub) {}

  QuotaState of_repo(const Repo& repo);
  QuotaState of_namespace(const std::string& owner);
  void set_namespace_limit(const std::string& owner, std::optional<uint64_t> limit_bytes);   // nullopt: the server's setting again

  // Error(forbidden, "QuotaExceeded") if `more` bytes of new large files would go over a limit. Cheap when no limit is set.
  void require_room(const Repo& repo, uint64_t more);
  // The same inside the transaction that links the files; `repo` counts with what that transaction added.
  void check(Database& database, const Repo& repo, uint64_t more);

 private:
  uint64_t namespace_limit(Database& database, const std::string& owner);
  HubImpl& hub_;
};

}  // namespace lyceum::hub
