// testing_content.h: the same bytes as tests/goldens/make_xet_goldens.py makes. For tests only.
#pragma once

#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/random.h"
#include "base/source_dir.h"
#include "xet/chunker.h"
#include "xet/hash.h"

namespace lyceum::xet::testing {

inline std::string content(size_t size, uint64_t seed, std::string_view kind) {
  if (kind == "zeros") return std::string(size, '\0');
  Rng rng(seed);
  std::string out;
  out.reserve(size + 16);
  while (out.size() < size) {
    const uint64_t value = rng.next();
    if (kind == "random") {
      out.append(reinterpret_cast<const char*>(&value), 8);
    } else if (kind == "text") {
      out += "line " + std::to_string(value % 100000) + "\n";
    } else {
      const auto number = static_cast<float>(static_cast<double>(value >> 40) / 16777216.0 * 0.02);
      out.append(reinterpret_cast<const char*>(&number), 4);
    }
  }
  out.resize(size);
  return out;
}

inline std::string golden(const std::string& name) { return read_file(fs::path(kSourceDir) / "tests/goldens/xet" / name); }

inline std::vector<Chunk> chunks_of(std::string_view data) {
  std::vector<Chunk> chunks;
  for (Bytes rest = as_bytes(data); !rest.empty();) {
    const size_t length = first_chunk_length(rest);
    chunks.push_back({chunk_hash(rest.first(length)), static_cast<uint32_t>(length)});
    rest = rest.subspan(length);
  }
  return chunks;
}

// The "file" lines of upload.txt.
struct UploadedFile {
  size_t size = 0;
  uint64_t seed = 0;
  std::string kind, hash, sha256;
};

inline std::vector<UploadedFile> uploaded_files() {
  std::vector<UploadedFile> files;
  std::istringstream lines(golden("upload.txt"));
  for (std::string word; lines >> word;) {
    if (word == "file") {
      UploadedFile& file = files.emplace_back();
      lines >> file.size >> file.seed >> file.kind >> file.hash >> file.sha256;
    }
  }
  return files;
}

inline std::string uploaded_xorb_name() {
  std::istringstream lines(golden("upload.txt"));
  std::string kind, file, name;
  lines >> kind >> file >> name;
  return name;
}

}  // namespace lyceum::xet::testing
