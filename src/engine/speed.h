// speed.h: how fast this machine runs a decoder, and what would limit it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/threads.h"
#include "engine/engine.h"
#include "engine/forward.h"
#include "engine/kv_pool.h"
#include "models/decoder.h"

namespace lyceum::engine {

// What a model takes, in bytes.
struct Footprint {
  uint64_t weights = 0;
  uint64_t step_weights = 0;      // that computing one token reads: not the embedding table (but for a tied head), of experts the chosen ones
  uint64_t step_parameters = 0;   // the same in numbers
  uint64_t kv_token = 0;          // keys and values of one token
};
Footprint measure_footprint(const models::Decoder& decoder, EngineOptions::KvType kv_type = EngineOptions::KvType::automatic);

// GB/s of plainly reading 512 MiB with all threads, best of five; about a second.
double probe_memory(ThreadPool& pool);
// GFLOP/s of multiplying 64 rows with a matrix of this type, as a prompt does, best of five; a fraction of a second.
double probe_products(ThreadPool& pool, tensor::DType dtype, Products products);

// Runs a decoder with made-up tokens. One object serves one thread.
class SpeedTest {
 public:
  SpeedTest(const models::Decoder& decoder, ThreadPool& pool, Products products = Products::integer, uint64_t kv_bytes_max = 8ULL << 30);

  struct Spent {
    double wall_s = 0, cpu_s = 0;
  };
  // A prompt of so many tokens and the logits of its last one. Error(too_large) if the cache is too small.
  Spent prompt(size_t tokens);
  // `steps` tokens for each of `sequences` at once, from an empty context.
  Spent decode(size_t sequences, size_t steps);

 private:
  std::vector<KvBlock*> take_blocks(size_t tokens);
  void give_back(const std::vector<KvBlock*>& blocks);

  const models::Decoder& decoder_;
  KvLayout layout_;
  KvPool kv_;
  Forward forward_;
};

}  // namespace lyceum::engine
