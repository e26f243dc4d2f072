// importance.h: how much each input column of each matrix is used: the sum of its squared activations over a calibration text, a matrix (an expert) at a time.
// In files: llama.cpp's GGUF form of an importance matrix ("imatrix"): tensors NAME.in_sum2 and NAME.counts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace lyceum::quantizer {

struct ImportanceEntry {
  size_t columns = 0;
  std::vector<float> sums;     // of squares, matrix after matrix
  std::vector<float> counts;   // rows that each matrix saw
};

struct Importance {
  std::map<std::string, ImportanceEntry, std::less<>> entries;   // by tensor: "blk.0.attn_q.weight"
  std::vector<std::string> datasets;                             // names of the texts
  uint32_t chunks = 0, chunk_tokens = 0;

  // Mean squares of the columns of each matrix, matrix after matrix; an expert that nothing reached counts all columns the same. Empty: the tensor has
  // no entry. Throws Error(unprocessable) when the entry is of another shape.
  std::vector<float> find_means(const std::string& tensor, size_t columns, size_t matrices) const;
};

// Throws Error(unprocessable) naming what is wrong with the file.
Importance parse_importance(Bytes file, const std::string& name);
Importance read_importance(const std::filesystem::path& path);
// Returns the file's SHA-256.
std::string write_importance(const std::filesystem::path& path, const Importance& importance);

}  // namespace lyceum::quantizer
