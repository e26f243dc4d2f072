// study_text.h: what a study found, in sentences; for the page and for the terminal.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace lyceum::tuning {

// "better", "worse", or "no clear difference" when the interval holds zero.
std::string verdict_word(double low, double high, bool lower_is_better);

struct Finding {
  std::string verdict, text;
};

// The questions asked first, in this order whatever the answers: bits per byte of new lines against base, the placebo and retrieval, adapter and
// retrieval together against retrieval alone; completions (edit similarity of lines and of function bodies); what was forgotten.
std::vector<Finding> study_findings(const json::object& study);
// One sentence: what was measured on what.
std::string study_lead(const json::object& study);

}  // namespace lyceum::tuning
