#include "api/jobs/loss_curve.h"

#include "base/error.h"

namespace lyceum::api {

void LossCurve::add(uint64_t step, double loss) {
  while (!points_.empty() && points_.back().last_step >= step) points_.pop_back();
  if (!points_.empty() && points_.back().count < stride_) {
    Point& last = points_.back();
    last.last_step = step;
    last.sum += loss;
    ++last.count;
    return;
  }
  if (points_.size() == kPointsMax) halve();
  points_.push_back({step, loss, 1});
}

void LossCurve::halve() {
  std::vector<Point> joined;
  for (size_t i = 0; i < points_.size(); i += 2) {
    Point point = points_[i];
    if (i + 1 < points_.size()) point = {points_[i + 1].last_step, point.sum + points_[i + 1].sum, point.count + points_[i + 1].count};
    joined.push_back(point);
  }
  points_ = std::move(joined);
  stride_ *= 2;
}

json::array LossCurve::to_json() const {
  json::array out;
  for (const Point& point : points_) out.push_back(json::array{point.last_step, point.loss(), point.count});
  return out;
}

LossCurve LossCurve::from_json(const json::array& points) {
  LossCurve out;
  for (const json::value& value : points) {
    if (!value.is_array() || value.get_array().size() != 3 || out.points_.size() == kPointsMax) throw Error(Code::invalid_argument, "a stored loss curve is broken");
    const json::array& point = value.get_array();
    for (const json::value& number : point) {
      if (!number.is_number()) throw Error(Code::invalid_argument, "a stored loss curve is broken");
    }
    const auto count = point[2].to_number<uint64_t>();
    out.points_.push_back({point[0].to_number<uint64_t>(), point[1].to_number<double>() * static_cast<double>(count), count});
    while (out.stride_ < count) out.stride_ *= 2;
  }
  return out;
}

}  // namespace lyceum::api
