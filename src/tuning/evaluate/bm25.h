// bm25.h: retrieval over the code that was learned: Okapi BM25 (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.75) over pieces of a few
// lines. Terms are identifiers, whole and in their parts (`read_all`: read_all, read, all; `ReadAll`: readall, read, all), in lower case.
// This is what an editor can do without any tuning, so an adapter has to be measured beside it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tuning/data/code_files.h"

namespace lyceum::tuning {

std::vector<std::string> search_terms(std::string_view text);

class Bm25 {
 public:
  // Pieces of `lines` lines that overlap by half. Files must outlive the index.
  explicit Bm25(const std::vector<CodeFile>& files, size_t lines = 10);

  // The best `count` pieces, best first; ties by position. Fewer where nothing else has a term of the query.
  std::vector<std::string_view> search(std::string_view query, size_t count) const;
  size_t pieces() const noexcept { return pieces_.size(); }

 private:
  struct Piece {
    std::string_view text;
    size_t terms = 0;
  };
  struct Posting {
    uint32_t piece = 0, count = 0;
  };
  void add(std::string_view text);

  std::vector<Piece> pieces_;
  std::unordered_map<std::string, std::vector<Posting>> postings_;
  double mean_terms_ = 0;
};

}  // namespace lyceum::tuning
