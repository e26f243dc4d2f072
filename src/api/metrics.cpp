#include "api/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace lyceum::api {
namespace {

// A client may send any word as its method.
std::string_view known_method(std::string_view method) {
  for (const std::string_view one : {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
    if (method == one) return one;
  return "other";
}

void head(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(out), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

}  // namespace

void Metrics::observe(const http::RequestRecord& record) {
  const std::string_view method = known_method(record.method);
  const size_t bucket = static_cast<size_t>(std::lower_bound(kBounds.begin(), kBounds.end(), record.seconds) - kBounds.begin());
  const std::lock_guard lock(mutex_);
  Route& route = routes_[record.route];
  ++route.answers[{method, record.status}];
  ++route.buckets[bucket];
  route.seconds += record.seconds;
  route.bytes_in += record.bytes_in;
  route.bytes_out += record.bytes_out;
  if (method == "POST" && record.status == 200 && record.route.find("/commit/") != std::string_view::npos) ++commits_;
}

std::string Metrics::render(const std::vector<Gauge>& gauges) const {
  std::string out;
  const auto line = [&out](auto format, const auto&... values) { fmt::format_to(std::back_inserter(out), format, values...); };
  for (const Gauge& gauge : gauges) {
    head(out, gauge.name, gauge.is_counter ? "counter" : "gauge", gauge.help);
    line(FMT_STRING("{} {:.15g}\n"), gauge.name, gauge.value);
  }
  const std::lock_guard lock(mutex_);
  head(out, "lyceum_commits_total", "counter", "Commits made through the API");
  line(FMT_STRING("lyceum_commits_total {}\n"), commits_);
  head(out, "lyceum_requests_total", "counter", "Requests by route, method and status; status 0: the client left before an answer");
  for (const auto& [pattern, route] : routes_)
    for (const auto& [key, count] : route.answers)
      line(FMT_STRING("lyceum_requests_total{{route=\"{}\",method=\"{}\",status=\"{}\"}} {}\n"), pattern, key.first, key.second, count);
  head(out, "lyceum_request_seconds", "histogram", "From the complete request header to the last byte of the answer");
  for (const auto& [pattern, route] : routes_) {
    uint64_t total = 0;
    for (size_t i = 0; i < kBounds.size(); ++i) line(FMT_STRING("lyceum_request_seconds_bucket{{route=\"{}\",le=\"{}\"}} {}\n"), pattern, kBounds[i], total += route.buckets[i]);
    total += route.buckets.back();
    line(FMT_STRING("lyceum_request_seconds_bucket{{route=\"{0}\",le=\"+Inf\"}} {1}\nlyceum_request_seconds_sum{{route=\"{0}\"}} {2:.9g}\nlyceum_request_seconds_count{{route=\"{0}\"}} {1}\n"),
         pattern, total, route.seconds);
  }
  for (const auto& [name, member] : {std::pair{"lyceum_received_bytes_total", &Route::bytes_in}, std::pair{"lyceum_sent_bytes_total", &Route::bytes_out}}) {
    head(out, name, "counter", "Bytes of bodies received, or of answers sent, by route");
    for (const auto& [pattern, route] : routes_) line(FMT_STRING("{}{{route=\"{}\"}} {}\n"), name, pattern, route.*member);
  }
  return out;
}

}  // namespace lyceum::api
