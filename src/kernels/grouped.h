// grouped.h: many products with small matrices as one loop over the pool: the experts of a mixture, the heads of latent attention. One after
// another they would each be cut for all threads and each wait for the last of them.
#pragma once

#include <span>
#include <vector>

#include "base/threads.h"
#include "kernels/rows.h"
#include "tensor/view.h"

namespace lyceum::kernels {

struct GroupedProduct {
  ConstRows x;
  tensor::WeightView weight;
  Rows y;
  bool transposed = true;   // y = x · weightᵀ, as matmul(); otherwise y = x · weight, as matmul_dx()
};

// The bytes of matmul() or matmul_dx() for each. Outputs must not overlap. Allocates a few words a product.
void matmul_grouped(ThreadPool& pool, std::span<const GroupedProduct> products);

}  // namespace lyceum::kernels
