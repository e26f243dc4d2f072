// pack.h: samples into rows, epoch after epoch, as an endless deterministic stream with a cursor that a checkpoint can carry.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tuning/data/sample.h"

namespace lyceum::tuning {

struct PackOptions {
  size_t sequence_length = 1024;
  bool packing = true;     // false: one sample a row
  bool shuffle = true;     // a new order every epoch, from the seed
  uint64_t seed = 42;
};

// First fit over the most recently opened rows, in sample order; rows are returned in the order they were opened.
// REQUIRES: every sample is at most sequence_length long.
std::vector<Row> pack_rows(const std::vector<Sample>& samples, const PackOptions& options);

struct Cursor {
  uint64_t epoch = 0;
  uint64_t row = 0;
};

// Not thread-safe. Throws Error(unprocessable) when the source has no sample or no labelled token at all.
class RowStream {
 public:
  RowStream(std::shared_ptr<const SampleSource> source, const PackOptions& options, Cursor start = {});

  Row next();
  Cursor cursor() const noexcept { return cursor_; }
  size_t rows_in_epoch() const noexcept { return rows_.size(); }

 private:
  void load_epoch();

  std::shared_ptr<const SampleSource> source_;
  PackOptions options_;
  Cursor cursor_;
  std::vector<Row> rows_;
};

}  // namespace lyceum::tuning
