// code_files.h: which files of a folder or git work tree are worth learning from, and which are held out to measure with.
// Deterministic: files come in byte order of their path, every drop has a reason, and the manifest hash names the exact input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tuning/data/secrets.h"

namespace lyceum::tuning {

namespace fs = std::filesystem;

enum class Holdout { none, by_path, by_time };

struct CodeFilter {
  std::vector<std::string> extensions = {};     // ".py"; empty = the built-in list of source extensions
  std::vector<std::string> exclude = {};        // path prefixes relative to the root, or "*" patterns over the whole path
  uint64_t file_bytes_max = 1 << 20;
  size_t file_bytes_min = 16;
  size_t line_length_max = 1000;
  size_t line_length_mean_max = 100;
  bool allow_secrets = false;                   // true: files with findings (secrets.h) are kept, and still reported
  double near_duplicate_threshold = 0.85;       // near_duplicates.h; 0 = not looked for
  Holdout holdout = Holdout::by_path;
  double holdout_fraction = 0.0;                // of files
};

struct CodeFile {
  std::string path;     // relative, '/' separated
  std::string text;     // valid UTF-8
  std::string sha256;
  std::string licence;  // licences.h: the file's own statement, else that of the nearest LICENSE above it, else ""
};

struct FileSecret {
  std::string path;
  SecretFinding finding;
};

struct FileDuplicates {
  std::string kept;
  std::vector<std::string> left_out;
};

struct CodeFiles {
  std::vector<CodeFile> train;
  std::vector<CodeFile> held_out;
  std::map<std::string, uint64_t> dropped;   // reason -> count
  std::vector<FileSecret> secrets;           // in order of path and line
  uint64_t files_with_secrets = 0;
  std::vector<FileDuplicates> near_duplicates;
  std::string root_licence;                  // of the root's LICENSE file
  uint64_t train_bytes = 0;
  uint64_t held_out_bytes = 0;
  std::string manifest_sha256;               // SHA-256 over lines "<sha256>  <path>\n" of train, then held out after a "--\n" line
};

// Throws Error(not_found) if the folder does not exist, Error(unprocessable) if nothing is left to train on.
CodeFiles collect_code_files(const fs::path& root, const CodeFilter& filter);

// For tests: why a file's content would be dropped; empty = kept.
std::string reason_to_drop(const std::string& path, const std::string& text, const CodeFilter& filter);

}  // namespace lyceum::tuning
