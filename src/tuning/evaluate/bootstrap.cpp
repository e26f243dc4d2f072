#include "tuning/evaluate/bootstrap.h"

#include <algorithm>

#include "base/random.h"

namespace lyceum::tuning {

Figure paired_bootstrap(const std::vector<Pair>& pairs, uint64_t seed, size_t rounds) {
  Figure figure;
  figure.items = pairs.size();
  if (pairs.empty()) return figure;
  double base = 0, tuned = 0, weight = 0;
  for (const Pair& pair : pairs) base += pair.base, tuned += pair.tuned, weight += pair.weight;
  figure.base = base / weight;
  figure.tuned = tuned / weight;
  figure.difference = figure.tuned - figure.base;

  Rng rng(seed);
  std::vector<double> differences(rounds);
  for (double& difference : differences) {
    double sum = 0, drawn = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
      const Pair& pair = pairs[rng.below(pairs.size())];
      sum += pair.tuned - pair.base;
      drawn += pair.weight;
    }
    difference = sum / drawn;
  }
  std::sort(differences.begin(), differences.end());
  figure.low = differences[static_cast<size_t>(0.025 * static_cast<double>(rounds - 1))];
  figure.high = differences[static_cast<size_t>(0.975 * static_cast<double>(rounds - 1))];
  return figure;
}

json::object figure_json(const Figure& figure) {
  return {{"items", figure.items}, {"base", figure.base}, {"tuned", figure.tuned}, {"difference", figure.difference}, {"interval_95", json::array{figure.low, figure.high}}};
}

}  // namespace lyceum::tuning
