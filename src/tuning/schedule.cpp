#include "tuning/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "base/error.h"

namespace lyceum::tuning {

double learning_rate(const Schedule& schedule, uint64_t step) {
  if (step < schedule.warmup_steps) return schedule.peak * static_cast<double>(step) / static_cast<double>(schedule.warmup_steps);
  if (schedule.kind == ScheduleKind::constant) return schedule.peak;
  const auto span = static_cast<double>(std::max<uint64_t>(1, schedule.total_steps - std::min(schedule.total_steps, schedule.warmup_steps)));
  const double progress = std::min(1.0, static_cast<double>(step - schedule.warmup_steps) / span);
  const double shape = schedule.kind == ScheduleKind::linear ? 1.0 - progress : 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return schedule.peak * (schedule.floor_ratio + (1.0 - schedule.floor_ratio) * shape);
}

ScheduleKind parse_schedule(std::string_view name) {
  if (name == "constant" || name == "constant_with_warmup") return ScheduleKind::constant;
  if (name == "linear") return ScheduleKind::linear;
  if (name == "cosine") return ScheduleKind::cosine;
  throw Error(Code::invalid_argument, "lr_scheduler '" + std::string(name) + "' is not known; use cosine, linear or constant");
}

std::string_view name(ScheduleKind kind) noexcept {
  return kind == ScheduleKind::constant ? "constant" : kind == ScheduleKind::linear ? "linear" : "cosine";
}

}  // namespace lyceum::tuning
