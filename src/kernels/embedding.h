// embedding.h: rows of the embedding table, and the gradient that goes back to them.
#pragma once

#include <cstdint>
#include <span>

#include "base/threads.h"
#include "kernels/rows.h"
#include "tensor/view.h"

namespace lyceum::kernels {

// out[t] = row ids[t] of the table as floats. REQUIRES: 0 <= ids[t] < table.rows, out.rows == ids.size().
void embed(ThreadPool& pool, const tensor::WeightView& table, std::span<const int32_t> ids, Rows out) noexcept;

// dtable[ids[t]] += dout[t], in order of t for each id.
void embed_backward(ThreadPool& pool, std::span<const int32_t> ids, ConstRows dout, Rows dtable) noexcept;

}  // namespace lyceum::kernels
