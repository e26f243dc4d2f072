#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.h"

namespace lyceum {

Progress::Progress(std::string label, uint64_t total, Unit unit, bool quiet)
    : label_(std::move(label)), total_(total), unit_(unit), quiet_(quiet), terminal_(::isatty(2) != 0), started_(monotonic_seconds()) {}

Progress::~Progress() { finish(note_); }

void Progress::set(uint64_t done, const std::string& note) {
  done_ = done;
  note_ = note;
  const double now = monotonic_seconds();
  if (now - drawn_ < (terminal_ ? 0.1 : 10.0)) return;
  drawn_ = now;
  draw(false);
}

void Progress::finish(const std::string& note) {
  if (finished_) return;
  finished_ = true;
  note_ = note;
  draw(true);
}

void Progress::draw(bool last) {
  if (quiet_) return;
  const double elapsed = std::max(monotonic_seconds() - started_, 1e-6);
  const double rate = static_cast<double>(done_) / elapsed;
  const auto amount = [&](uint64_t value) { return unit_ == Unit::bytes ? human_bytes(value) : fmt::format("{}", value); };
  std::string line = label_ + " ";
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    const auto filled = static_cast<size_t>(share * 24);
    line += "[" + std::string(filled, '#') + std::string(24 - filled, '.') + fmt::format("] {:3.0f} % ", share * 100);
    line += amount(done_) + "/" + amount(total_);
  } else {
    line += amount(done_);
  }
  line += unit_ == Unit::bytes ? fmt::format(", {}/s", human_bytes(static_cast<uint64_t>(rate))) : fmt::format(", {:.3g}/s", rate);
  if (last) {
    line += ", " + human_duration(elapsed);
  } else if (total_ > done_ && rate > 0) {
    line += ", " + human_duration(static_cast<double>(total_ - done_) / rate) + " left";
  }
  if (!note_.empty()) line += ", " + note_;
  std::fprintf(stderr, terminal_ ? "\r\033[K%s%s" : "%s%s", line.c_str(), last || !terminal_ ? "\n" : "");
  std::fflush(stderr);
}

std::string human_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_duration(double seconds) {
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace lyceum
