// routing.h: which experts of a mixture each row goes through, and with what weights; and the sum of what they made.
#pragma once

#include <cstdint>

#include "base/threads.h"
#include "kernels/rows.h"

namespace lyceum::kernels {

// How a router chooses. A score s becomes a chance, softmax(s) over all experts or sigmoid(s); what ranks the experts is the chance plus
// the expert's bias. With groups (experts / groups neighbours each) only experts of the groups_chosen best groups may be chosen: a group ranks
// as its best expert does, or, with sigmoid, as its two best together (DeepSeek-V2 and V3). The weight of a chosen expert is its chance, without
// the bias, divided by the sum of the chosen ones' (normalise), times scale.
struct RoutingRule {
  size_t chosen = 1;
  bool normalise = true;
  bool sigmoid = false;
  const float* bias = nullptr;   // one an expert; null = none
  size_t groups = 1, groups_chosen = 1;
  float scale = 1.0f;
};

// scores: (rows, experts), the router's. The chosen experts of each row come in ascending order of their numbers (of equal ranks the lower number
// wins). experts, weights: rows * chosen. REQUIRES: 0 < chosen <= the experts of the chosen groups; groups divides the experts; the experts are at
// most kExpertsMax. The same bytes on every instruction set; never allocates.
inline constexpr size_t kExpertsMax = 4096;
void route(ConstRows scores, const RoutingRule& rule, int32_t* experts, float* weights) noexcept;

// y[row] = sum over j < chosen, ascending, of weights[row * chosen + j] * x[places[row * chosen + j]], one fma chain started at zero.
void mix_rows(ThreadPool& pool, ConstRows x, const int32_t* places, const float* weights, size_t chosen, Rows y) noexcept;

}  // namespace lyceum::kernels
