// garbage.h: what to collect, and what was found.
//
// Marked: every large file that a pointer in some commit of some repository names, in all history that a ref reaches. Swept: large files
// that are not marked and have not been received, linked or committed for the grace time, with their Xet index; folders of no repository;
// what uploads left in staging/. The grace time must outlast an upload whose commit has not come yet and what clients remember: hf_xet
// trusts its own list of uploaded chunks for three weeks, and would not send them again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lyceum::hub {

inline constexpr int64_t kGarbageGraceMs = 22LL * 24 * 3600 * 1000;
inline constexpr int64_t kStagingGraceMs = 24LL * 3600 * 1000;

struct GarbageOptions {
  bool dry_run = true;
  int64_t grace_ms = kGarbageGraceMs;
  int64_t staging_grace_ms = kStagingGraceMs;  // also for folders of no repository
  bool staging_only = false;
};

// Counts are of what was removed, or would be in a dry run.
struct GarbageReport {
  uint64_t blobs = 0, blob_bytes = 0, repository_folders = 0, staging_files = 0;
  uint64_t live_blobs = 0, young_blobs = 0;   // young: not named, but within the grace time
  std::vector<std::string> notes;             // what was left alone, and why
};

}  // namespace lyceum::hub
