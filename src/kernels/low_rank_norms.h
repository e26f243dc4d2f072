// low_rank_norms.h: the length of every row of W + scale * B A, without forming the product. DoRA (Liu et al. 2024, arXiv
// 2402.09353) divides by it.
//
//   |w_j + s b_j A|²  =  |w_j|²  +  2 s b_j · (A w_j)  +  s² b_j (A Aᵀ) b_jᵀ
//
// A w_j for all j is one product of r rows with W, so the cost is that of r tokens. Same bytes for any number of threads.
#pragma once

#include <span>
#include <vector>

#include "base/threads.h"
#include "kernels/rows.h"
#include "tensor/view.h"

namespace lyceum::kernels {

// |w_j|² for every row j; of a frozen weight, taken once.
std::vector<double> row_square_norms(ThreadPool& pool, const tensor::WeightView& weight);

// norms[j] = |w_j + scale * (B A)_j|.   a: (r, in), b: (out, r).
// REQUIRES: square_norms of this weight; norms.size() == weight.rows. Allocates r * out floats.
void low_rank_row_norms(ThreadPool& pool, const tensor::WeightView& weight, std::span<const double> square_norms, ConstRows a, ConstRows b, float scale,
                        std::span<float> norms);

}  // namespace lyceum::kernels
