// loss_curve.h: a run's loss over its steps in bounded memory: at most kPointsMax points, each the mean over `stride` steps; when they
// are full, neighbours are joined and the stride doubles. Kept beside the run as curve.json. One thread at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"

namespace lyceum::api {

class LossCurve {
 public:
  static constexpr size_t kPointsMax = 512;

  struct Point {
    uint64_t last_step = 0;
    double sum = 0;             // of the losses
    uint64_t count = 0;
    double loss() const { return sum / static_cast<double>(count); }
  };

  // A step at or before the last one means that the run went on from an earlier checkpoint: later points are forgotten.
  void add(uint64_t step, double loss);
  const std::vector<Point>& points() const noexcept { return points_; }
  json::array to_json() const;                       // [[step, loss, count], …]
  static LossCurve from_json(const json::array& points);   // Error(invalid_argument) on anything else

 private:
  void halve();

  std::vector<Point> points_;
  uint64_t stride_ = 1;
};

}  // namespace lyceum::api
