// integer.h: products with block-quantised weights in whole numbers: the numeric profile "i8-block32-1".
//
// A row of activations becomes blocks of 32 signed bytes with one float scale each (|byte| <= 127, scale = largest magnitude / 127, rounded
// to nearest even). A weight is what its file says: whole numbers q, times a scale, plus a number in the types that have one (`add`), for each
// group of 32 or 16 values. For every group, in ascending order,
//     sum = fma(float(sum of q * byte), scale of the weights * scale of the block, sum)
//     sum = fma(add, scale of the block * float(sum of the bytes), sum)                     (types that add)
// and the end is that of matmul.h: times `scale`, plus bias, plus the old value. Sums of whole numbers are exact in any order, so the bytes
// depend neither on threads, instruction set and blocking nor on the other rows of the batch. They are not matmul()'s bytes: the rounding of
// activations is the difference, at most half a byte's step a value (docs/decisions/0013).
// None of these throw. Output must not overlap an input.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "kernels/rows.h"
#include "tensor/view.h"

namespace lyceum::kernels {

// 32 activations of one row and what products need to know of them.
struct alignas(64) ActivationBlock {
  int8_t values[32];
  float scale;
  int32_t sum, half_sums[2];               // of the values; of the first 16 and of the last
  float scaled_sum, scaled_half_sums[2];   // times scale
  int32_t unused;
};
static_assert(sizeof(ActivationBlock) == 64);

// Rows that are kept together: what one unpacked weight block is multiplied with before the next is unpacked.
inline constexpr size_t kActivationRows = 32;

// Activations as the products read them. Keeps its memory; one object serves one thread at a time.
class ActivationBlocks {
 public:
  // REQUIRES: x.columns is a multiple of 32. A block with a value that is not finite makes every product with it NaN.
  void set(ThreadPool& pool, ConstRows x);
  // The same for rows that come in groups, which different matrices multiply: `ends` are the groups' last rows + 1, ascending to x.rows.
  void set_groups(ThreadPool& pool, ConstRows x, std::span<const size_t> ends);
  // Row i of this is row rows[i] of `from` (which has one group), in groups.
  void gather(ThreadPool& pool, const ActivationBlocks& from, std::span<const int32_t> rows, std::span<const size_t> ends);
  size_t rows() const noexcept { return rows_; }
  size_t columns() const noexcept { return columns_; }
  size_t group_rows(size_t group) const noexcept { return ends_[group] - begin_of(group); }
  // Of one group: row chunks of kActivationRows, one after another; in a chunk all its rows' first blocks, then all its rows' second blocks, ….
  const ActivationBlock* group(size_t group) const noexcept { return blocks_.data() + begin_of(group) * (columns_ / 32); }

 private:
  // A row's blocks are `step` apart.
  struct Place {
    size_t first, step;
  };
  size_t begin_of(size_t group) const noexcept { return group == 0 ? 0 : ends_[group - 1]; }
  Place place(size_t row) const noexcept;
  void resize(size_t rows, size_t columns, std::span<const size_t> ends);

  size_t rows_ = 0, columns_ = 0;
  std::vector<size_t> ends_;
  std::vector<ActivationBlock> blocks_;
};

struct IntegerProduct {
  tensor::WeightView weight;      // (out, in), a block type
  const float* bias = nullptr;    // out floats
  Rows y;                         // (rows, out)
  Write write = Write::set;
  float scale = 1.0f;
  size_t group = 0;               // of the activations: y has as many rows as that
};

// Is there an integer product with weights of this type? All block types but nf4, whose levels are no whole numbers; not float ones.
bool has_integer_product(tensor::DType dtype) noexcept;

// y (+)= scale * x · weightᵀ + bias for each, as one loop over the pool. REQUIRES: has_integer_product, weight.columns == x.columns().
void matmul_integer(ThreadPool& pool, const ActivationBlocks& x, std::span<const IntegerProduct> products) noexcept;

}  // namespace lyceum::kernels
