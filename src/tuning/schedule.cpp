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
  if (schedule.kind == ScheduleKind::stable_decay) {
    const uint64_t left = schedule.total_steps - std::min(schedule.total_steps, step);
    if (left >= schedule.decay_steps) return schedule.peak;
    const double shape = static_cast<double>(left) / static_cast<double>(schedule.decay_steps);
    return schedule.peak * (schedule.floor_ratio + (1.0 - schedule.floor_ratio) * shape);
  }
  const auto span = static_cast<double>(std::max<uint64_t>(1, schedule.total_steps - std::min(schedule.total_steps, schedule.warmup_steps)));
  const double progress = std::min(1.0, static_cast<double>(step - schedule.warmup_steps) / span);
  const double shape = schedule.kind == ScheduleKind::linear ? 1.0 - progress : 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return schedule.peak * (schedule.floor_ratio + (1.0 - schedule.floor_ratio) * shape);
}

ScheduleKind parse_schedule(std::string_view name) {
  if (name == "constant" || name == "constant_with_warmup") return ScheduleKind::constant;
  if (name == "linear") return ScheduleKind::linear;
  if (name == "cosine") return ScheduleKind::cosine;
  if (name == "warmup_stable_decay") return ScheduleKind::stable_decay;
  throw Error(Code::invalid_argument, "lr_scheduler '" + std::string(name) + "' is not known; use cosine, linear, constant or warmup_stable_decay");
}

std::string_view name(ScheduleKind kind) noexcept {
  switch (kind) {
    case ScheduleKind::constant: return "constant";
    case ScheduleKind::linear: return "linear";
    case ScheduleKind::cosine: return "cosine";
    case ScheduleKind::stable_decay: return "warmup_stable_decay";
  }
  return "";
}

}  // namespace lyceum::tuning
