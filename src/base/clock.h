// clock.h: time behind an interface, so that expiry and ordering can be tested.
#pragma once

#include <cstdint>
#include <string>

namespace lyceum {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_ms() const = 0;  // milliseconds since the Unix epoch; any thread
};

class SystemClock final : public Clock {
 public:
  int64_t now_ms() const override;
};

class FakeClock final : public Clock {
 public:
  int64_t now_ms() const override { return now_ms_; }
  void advance_ms(int64_t by) { now_ms_ += by; }

 private:
  int64_t now_ms_ = 1'750'000'000'000;
};

std::string iso8601(int64_t unix_ms);  // "2026-08-20T10:00:00.000Z"
double monotonic_seconds() noexcept;   // for measuring durations only
double process_cpu_seconds() noexcept;

}  // namespace lyceum
