// plan_view.h: a run's data report as lines for people: what is learned, what is left out and why, what it will take.
#pragma once

#include <string>

#include "base/json.h"

namespace lyceum::cli {

struct PlanView {
  bool sample = false;   // show the first sample with what is learned of it marked
  bool colour = false;   // by colour (a terminal), else by [[ ]]
};
std::string plan_text(const json::object& report, const PlanView& view);

}  // namespace lyceum::cli
