// metrics.h: counts of the running program in Prometheus's text format. Own writer: the format is lines of text, and the labels here come
// from tables, so a library would bring more code than it saves.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/server.h"

namespace lyceum::api {

class Metrics {
 public:
  // After each answer. Any thread; cheap. Labels are the route's pattern, never a path: paths are endless.
  void observe(const http::RequestRecord& record);
  struct Gauge {
    std::string_view name, help;
    double value = 0;
    bool is_counter = false;
  };
  std::string render(const std::vector<Gauge>& gauges) const;

 private:
  static constexpr std::array<double, 10> kBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10, 60};
  struct Route {
    std::map<std::pair<std::string_view, int>, uint64_t> answers;  // method, status
    std::array<uint64_t, kBounds.size() + 1> buckets{};            // the last: slower than all bounds
    double seconds = 0;
    uint64_t bytes_in = 0, bytes_out = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::string_view, Route> routes_;  // patterns live as long as the program
  uint64_t commits_ = 0;
};

}  // namespace lyceum::api
