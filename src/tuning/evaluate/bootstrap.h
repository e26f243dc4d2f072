// bootstrap.h: paired percentile bootstrap (Efron 1979). Both arms are measured on the same items, so items are drawn in pairs and
// the interval is that of the difference.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"

namespace lyceum::tuning {

// One item's score in both arms as a ratio numerator / weight (weight 1 for plain means).
struct Pair {
  double base = 0;
  double tuned = 0;
  double weight = 1;
};

struct Figure {
  size_t items = 0;
  double base = 0, tuned = 0;        // sum of scores / sum of weights
  double difference = 0;             // tuned - base
  double low = 0, high = 0;          // 95 % interval of the difference
};

Figure paired_bootstrap(const std::vector<Pair>& pairs, uint64_t seed, size_t rounds = 2000);
json::object figure_json(const Figure& figure);

}  // namespace lyceum::tuning
