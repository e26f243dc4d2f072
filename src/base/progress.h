// progress.h: a progress line for people (bar, rate, time left) on a terminal, plain lines every ten seconds otherwise,
// nothing when quiet. One thread at a time.
#pragma once

#include <cstdint>
#include <string>

namespace lyceum {

class Progress {
 public:
  enum class Unit { count, bytes };
  // label: "Uploading model.safetensors". total 0 = unknown. quiet: draw nothing (--json, --quiet).
  Progress(std::string label, uint64_t total, Unit unit, bool quiet = false);
  ~Progress();  // ends the line

  void set(uint64_t done, const std::string& note = {});  // note: "loss 2.31"
  void finish(const std::string& note = {});

 private:
  void draw(bool last);

  std::string label_;
  uint64_t total_;
  Unit unit_;
  bool quiet_;
  bool terminal_;
  bool finished_ = false;
  uint64_t done_ = 0;
  std::string note_;
  double started_;
  double drawn_ = 0;
};

std::string human_bytes(uint64_t bytes);      // "1.5 GiB"
std::string human_duration(double seconds);   // "3 min 20 s"

}  // namespace lyceum
