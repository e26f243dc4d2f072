// study_page.h: a study as one HTML file that needs nothing else: pictures of the intervals, tables of the figures, where everything comes
// from. No script; light and dark; readable by keyboard and by ear (each picture's figures are in a table below it).
#pragma once

#include <string>

#include "base/json.h"

namespace lyceum::tuning {

// study: what study_json() gives, with the provenance that `lyceum compare --study` adds.
std::string study_page(const json::object& study);

}  // namespace lyceum::tuning
