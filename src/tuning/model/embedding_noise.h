// embedding_noise.h: NEFTune (Jain et al. 2023, arXiv 2310.05914): while it trains, the model reads embeddings with noise drawn evenly from
// ± alpha / sqrt(length * hidden), length being that of the token's own sample.
#pragma once

#include <cstdint>
#include <span>

#include "base/threads.h"
#include "kernels/rows.h"
#include "tuning/data/sample.h"

namespace lyceum::tuning {

// x: (tokens of the batch, hidden). The noise is a function of (key, row, column): the same for any number of threads.
void add_embedding_noise(ThreadPool& pool, kernels::Rows x, std::span<const Segment> segments, double alpha, uint64_t key);

}  // namespace lyceum::tuning
