// routing.h: which experts of a mixture each row goes through, and with what weights.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace lyceum::kernels {

// scores: (rows, experts), the router's. For each row the `chosen` experts of the highest scores, in ascending order of their numbers (of
// equal scores the lower number wins), and softmax(scores) of each over all experts; normalise: divided by the sum of the chosen ones'.
// experts, weights: rows * chosen. REQUIRES: 0 < chosen <= scores.columns. The same bytes on every instruction set; never allocates.
void route(ConstRows scores, size_t chosen, bool normalise, int32_t* experts, float* weights) noexcept;

}  // namespace lyceum::kernels
