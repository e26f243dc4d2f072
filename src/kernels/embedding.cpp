#include "kernels/embedding.h"

#include "kernels/convert.h"
#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {

void embed(ThreadPool& pool, const tensor::WeightView& weights, std::span<const int32_t> ids, Rows out) noexcept {
  for_grains(pool, ids.size(), 2 * weights.columns, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) dequantize_row(weights, static_cast<size_t>(ids[t]), out.row(t));
  });
}

void embed_backward(ThreadPool& pool, std::span<const int32_t> ids, ConstRows dout, Rows dtable) noexcept {
  // A task owns some columns of every row, so two tokens with one id never meet on two threads.
  constexpr size_t kChunk = 64;
  for_grains(pool, (dout.columns + kChunk - 1) / kChunk, ids.size() * kChunk, [&](size_t begin, size_t end) {
    const size_t column = begin * kChunk, count = std::min(dout.columns, end * kChunk) - column;
    for (size_t t = 0; t < ids.size(); ++t) table().add(dout.row(t) + column, dtable.row(static_cast<size_t>(ids[t])) + column, 1.0f, count);
  });
}

}  // namespace lyceum::kernels
