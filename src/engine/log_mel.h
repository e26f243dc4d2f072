// log_mel.h: sound -> the frames that Whisper reads, as transformers' WhisperFeatureExtractor computes them: short-time Fourier transform of 400 samples
// every 160 (Hann window, ends reflected), energies under triangles that are even on Slaney's mel scale, log10, no lower than the loudest minus 8, (x + 4) / 4.
// Sums are in double: the reference's own float32 transform is what the two differ by.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/threads.h"

namespace lyceum::engine {

inline constexpr uint32_t kSoundRate = 16000;     // samples a second
inline constexpr uint32_t kFrameSamples = 160;    // from one frame to the next

class LogMel {
 public:
  explicit LogMel(size_t bins);

  size_t bins() const noexcept { return bins_; }
  // samples.size() / kFrameSamples frames of bins() values, one after another. between: called now and then; may throw to end it.
  // REQUIRES: more samples than half a transform (200).
  std::vector<float> compute(ThreadPool& pool, std::span<const float> samples, const std::function<void()>& between = nullptr) const;

 private:
  void frame(std::span<const float> samples, size_t index, float* out) const;

  size_t bins_;
  std::vector<double> window_, cosines_, sines_;   // [sample][frequency]
  struct Triangle {
    size_t begin = 0;                              // first frequency
    std::vector<double> weights;
  };
  std::vector<Triangle> triangles_;
};

}  // namespace lyceum::engine
