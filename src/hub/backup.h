// backup.h: a copy of a data folder, taken while a hub serves from it, and put back.
//
// A backup folder has the data folder's own layout, so it can be looked at with the same tools:
//
//   1. the database is copied as of one moment (SQLite's backup interface)        nothing it names is younger than it
//   2. git objects of every repository it lists: all that its refs name are there   objects are durable before the row that names them
//   3. large files, by hard link on the same disk, else by a copy whose digest is checked
//   4. keys, then the database in place, then backup.json                            only now the folder is a new backup
//
// What is there already is not copied again. Were something deleted between 1 and 3, the copy starts over with a new 1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace lyceum::hub {

struct BackupOptions {
  bool copy = false;  // large files as copies even where a hard link would do: a fault of the disk then cannot hit both
  std::function<void(std::string_view what)> progress = {};
};

struct BackupReport {
  uint64_t repos = 0, git_files = 0, blobs = 0;                // in the backup
  uint64_t new_git_files = 0, linked_blobs = 0, copied_blobs = 0;  // brought by this run
  unsigned rounds = 1;
};

// data: of a running or a stopped hub, with the SQLite store and blobs on disk. Error(unsupported) for others, (conflict) if `to` holds
// something that is no backup.
BackupReport back_up(const std::filesystem::path& data, const std::filesystem::path& to, const BackupOptions& options);

// Makes a data folder out of a backup. Error(conflict) unless `data` is absent or empty; (not_found) unless `from` is a complete backup.
BackupReport restore(const std::filesystem::path& from, const std::filesystem::path& data, const BackupOptions& options);

}  // namespace lyceum::hub
