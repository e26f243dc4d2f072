// study_card.h: a study's results as evaluation results of the adapter's model card (`model-index`, which the public hub, this one and
// huggingface_hub's ModelCard read). Each figure carries what it was measured against and on: the differences to base with their intervals, the
// items, and the hashes of base, adapter and data. Names of private data do not go in.
#pragma once

#include <string>

#include "base/json.h"

namespace lyceum::tuning {

// The card with the report's results in its front matter, in place of any that were there; a front matter is added where there is none.
// report: study.json, with "adapter", "base", "options" and "environment". study_sha256: of that file.
std::string card_with_results(const std::string& card, const json::object& report, const std::string& study_sha256);

}  // namespace lyceum::tuning
