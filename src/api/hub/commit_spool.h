// commit_spool.h: the files of one commit on their way from the request to git. Small ones stay in memory; the others wait in one nameless
// file in staging/, so that a commit of any size needs the memory of its largest file only. One thread; the contents outlive the spool.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/files.h"
#include "hub/hub.h"

namespace lyceum::api {

class CommitSpool {
 public:
  static constexpr size_t kInMemoryMax = 64u << 10;

  explicit CommitSpool(fs::path folder) : folder_(std::move(folder)) {}
  hub::CommitAction keep(std::string path, std::string content);

 private:
  fs::path folder_;
  std::shared_ptr<UniqueFd> file_;  // made when first needed
  uint64_t size_ = 0;
};

}  // namespace lyceum::api
