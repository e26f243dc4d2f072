#include "engine/log_mel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace lyceum::engine {
namespace {

constexpr size_t kTransform = 400, kHalf = kTransform / 2, kFrequencies = kHalf + 1;
constexpr double kHighest = 8000;          // hertz

// Slaney's scale: even up to 1000 Hz, logarithmic from there.
double mel_to_hertz(double mel) { return mel < 15 ? 200 * mel / 3 : 1000 * std::exp(std::log(6.4) / 27 * (mel - 15)); }

}  // namespace

LogMel::LogMel(size_t bins) : bins_(bins), window_(kTransform), cosines_(kFrequencies * kFrequencies), sines_(kFrequencies * kFrequencies) {
  const auto turn = [](size_t step) { return 2 * std::numbers::pi * static_cast<double>(step % kTransform) / kTransform; };
  for (size_t i = 0; i < kTransform; ++i) window_[i] = 0.5 - 0.5 * std::cos(turn(i));
  for (size_t i = 0; i < kFrequencies; ++i) {
    for (size_t k = 0; k < kFrequencies; ++k) {
      cosines_[i * kFrequencies + k] = std::cos(turn(i * k));
      sines_[i * kFrequencies + k] = std::sin(turn(i * k));
    }
  }
  const double top = 15 + std::log(kHighest / 1000) * 27 / std::log(6.4);
  std::vector<double> corners(bins + 2);
  for (size_t i = 0; i < corners.size(); ++i) corners[i] = mel_to_hertz(top * static_cast<double>(i) / static_cast<double>(bins + 1));
  for (size_t bin = 0; bin < bins; ++bin) {
    Triangle triangle;
    const double low = corners[bin], middle = corners[bin + 1], high = corners[bin + 2];
    for (size_t k = 0; k < kFrequencies; ++k) {
      const double hertz = kHighest * static_cast<double>(k) / kHalf;
      const double weight = std::min((hertz - low) / (middle - low), (high - hertz) / (high - middle));
      if (weight <= 0) continue;
      if (triangle.weights.empty()) triangle.begin = k;
      triangle.weights.push_back(weight * 2 / (high - low));
    }
    triangles_.push_back(std::move(triangle));
  }
}

// A real signal's transform needs only sums (for cosines) and differences (for sines) of the samples that lie mirrored.
void LogMel::frame(std::span<const float> samples, size_t index, float* out) const {
  std::array<double, kTransform> windowed;
  const auto last = static_cast<ptrdiff_t>(samples.size()) - 1;
  for (size_t i = 0; i < kTransform; ++i) {
    ptrdiff_t at = static_cast<ptrdiff_t>(index * kFrameSamples + i) - static_cast<ptrdiff_t>(kHalf);
    if (at < 0) at = -at;
    if (at > last) at = 2 * last - at;
    windowed[i] = window_[i] * static_cast<double>(samples[static_cast<size_t>(at)]);
  }
  std::array<double, kFrequencies> real{}, imaginary{};
  for (size_t i = 0; i < kFrequencies; ++i) {
    const bool alone = i == 0 || i == kHalf;
    const double even = alone ? windowed[i] : windowed[i] + windowed[kTransform - i];
    const double odd = alone ? 0 : windowed[i] - windowed[kTransform - i];
    const double* cosine = cosines_.data() + i * kFrequencies;
    const double* sine = sines_.data() + i * kFrequencies;
    for (size_t k = 0; k < kFrequencies; ++k) real[k] += even * cosine[k];
    for (size_t k = 0; k < kFrequencies; ++k) imaginary[k] += odd * sine[k];
  }
  for (size_t k = 0; k < kFrequencies; ++k) real[k] = real[k] * real[k] + imaginary[k] * imaginary[k];
  for (size_t bin = 0; bin < bins_; ++bin) {
    const Triangle& triangle = triangles_[bin];
    double energy = 0;
    for (size_t k = 0; k < triangle.weights.size(); ++k) energy += triangle.weights[k] * real[triangle.begin + k];
    out[bin] = static_cast<float>(std::log10(std::max(energy, 1e-10)));
  }
}

std::vector<float> LogMel::compute(ThreadPool& pool, std::span<const float> samples, const std::function<void()>& between) const {
  constexpr size_t kFramesATask = 16, kTasksAtOnce = 256;
  const size_t frames = samples.size() / kFrameSamples;
  std::vector<float> out(frames * bins_);
  for (size_t first = 0; first < frames; first += kFramesATask * kTasksAtOnce) {
    if (between) between();
    const size_t some = std::min(frames - first, kFramesATask * kTasksAtOnce);
    pool.run((some + kFramesATask - 1) / kFramesATask, [&](size_t task, unsigned) {
      const size_t begin = first + task * kFramesATask, end = std::min(first + some, begin + kFramesATask);
      for (size_t i = begin; i < end; ++i) frame(samples, i, out.data() + i * bins_);
    });
  }
  if (out.empty()) return out;
  const float floor = *std::ranges::max_element(out) - 8.0f;
  for (float& value : out) value = (std::max(value, floor) + 4.0f) / 4.0f;
  return out;
}

}  // namespace lyceum::engine
