// memory_estimate.h: how much memory a run will need, from shapes alone, before anything is loaded. For admission: a count of
// what network.cpp and the trainer keep, not an upper bound that is proven.
#pragma once

#include <cstdint>

#include "models/decoder.h"
#include "tuning/recipe.h"

namespace lyceum::tuning {

struct MemoryInputs {
  uint64_t base_bytes = 0;      // of the base's weight files
  uint64_t data_bytes = 0;      // of what is learned from
};

struct MemoryEstimate {
  uint64_t base = 0;            // the frozen base, mapped; for full training what is read of it
  uint64_t trainable = 0;       // values, gradients, moments, and the best values so far
  uint64_t activations = 0;     // of one batch
  uint64_t data = 0;            // texts and tokens
  uint64_t program = 0;
  uint64_t total() const noexcept { return base + trainable + activations + data + program; }
};

MemoryEstimate estimate_memory(const models::DecoderConfig& config, const Recipe& recipe, const MemoryInputs& inputs);
json::object memory_json(const MemoryEstimate& estimate);   // {"total_bytes", "base_bytes", …}

}  // namespace lyceum::tuning
