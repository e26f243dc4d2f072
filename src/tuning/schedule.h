// schedule.h: learning rate by optimizer step, with the formulas of transformers' schedulers (step 0 is the first).
#pragma once

#include <cstdint>
#include <string_view>

namespace lyceum::tuning {

enum class ScheduleKind { constant, linear, cosine };

struct Schedule {
  ScheduleKind kind = ScheduleKind::cosine;
  double peak = 2e-4;
  uint64_t warmup_steps = 0;
  uint64_t total_steps = 1;
  double floor_ratio = 0;   // cosine and linear end at peak * floor_ratio
};

double learning_rate(const Schedule& schedule, uint64_t step);

// "constant" (also "constant_with_warmup"), "linear", "cosine"; throws Error(invalid_argument) for another name.
ScheduleKind parse_schedule(std::string_view name);
std::string_view name(ScheduleKind kind) noexcept;

}  // namespace lyceum::tuning
