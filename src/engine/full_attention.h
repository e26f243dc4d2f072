// full_attention.h: attention in which every row of a text, a window of sound or an image sees all others: the blocks of encoders.
#pragma once

#include <cstddef>
#include <vector>

#include "base/threads.h"
#include "kernels/rows.h"

namespace lyceum::engine {

// Keeps its buffers between calls. One thread at a time.
class FullAttention {
 public:
  // q, k, v, out: (n, heads * width); scores are divided by sqrt(width). out must not overlap the others.
  void run(ThreadPool& pool, size_t heads, kernels::ConstRows q, kernels::ConstRows k, kernels::ConstRows v, kernels::Rows out);

 private:
  std::vector<float> keys_, values_, scores_;
};

}  // namespace lyceum::engine
