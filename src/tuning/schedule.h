// schedule.h: learning rate by optimizer step, with the formulas of transformers' schedulers (step 0 is the first).
#pragma once

#include <cstdint>
#include <string_view>

namespace lyceum::tuning {

// stable_decay: warm-up, then the peak, then a straight line down over the last decay_steps. Where the run ends may be decided while
// it runs: everything before the decay is the same for any end.
enum class ScheduleKind { constant, linear, cosine, stable_decay };

struct Schedule {
  ScheduleKind kind = ScheduleKind::cosine;
  double peak = 2e-4;
  uint64_t warmup_steps = 0;
  uint64_t total_steps = 1;
  uint64_t decay_steps = 0;  // stable_decay only
  double floor_ratio = 0;    // all but constant end at peak * floor_ratio
};

double learning_rate(const Schedule& schedule, uint64_t step);

// "constant" (also "constant_with_warmup"), "linear", "cosine", "warmup_stable_decay"; throws Error(invalid_argument) for another name.
ScheduleKind parse_schedule(std::string_view name);
std::string_view name(ScheduleKind kind) noexcept;

}  // namespace lyceum::tuning
