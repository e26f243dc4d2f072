#include "formats/audio.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>
#include <string>

#include "base/error.h"

namespace lyceum::formats {
namespace {

// A WAV file of 16-bit samples, all channels alike but for their sign pattern.
std::string wav(uint32_t rate, uint16_t channels, const std::vector<int16_t>& samples) {
  std::string out;
  const auto put = [&](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto bytes = static_cast<uint32_t>(samples.size() * 2);
  out += "RIFF";
  put(36 + bytes);
  out += "WAVEfmt ";
  put(uint32_t{16});
  put(uint16_t{1});
  put(channels);
  put(rate);
  put(rate * channels * 2);
  put(static_cast<uint16_t>(channels * 2));
  put(uint16_t{16});
  out += "data";
  put(bytes);
  out.append(reinterpret_cast<const char*>(samples.data()), bytes);
  return out;
}

std::vector<int16_t> tone(uint32_t rate, double hertz, double seconds) {
  std::vector<int16_t> out(static_cast<size_t>(rate * seconds));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int16_t>(16384 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate));
  return out;
}

TEST(Audio, ReadsWavAsItIs) {
  const auto samples = decode_audio(as_bytes(wav(16000, 1, {0, 16384, -32768, 1})), 16000, 10);
  EXPECT_EQ(samples, (std::vector<float>{0.0f, 0.5f, -1.0f, 1.0f / 32768}));
}

TEST(Audio, AveragesChannels) {
  const auto samples = decode_audio(as_bytes(wav(16000, 2, {16384, 0, -16384, -16384})), 16000, 10);
  EXPECT_EQ(samples, (std::vector<float>{0.25f, -0.5f}));
}

TEST(Audio, ResamplesToneWithoutChangingIt) {
  const auto samples = decode_audio(as_bytes(wav(44100, 1, tone(44100, 440, 1))), 16000, 10);
  ASSERT_NEAR(static_cast<double>(samples.size()), 16000, 2);
  for (size_t i = 1000; i < 15000; ++i) EXPECT_NEAR(samples[i], 0.5 * std::sin(2 * std::numbers::pi * 440 * static_cast<double>(i) / 16000), 1e-3) << i;
}

TEST(Audio, RefusesWhatIsNoRecording) {
  for (const std::string& bad : {std::string(), std::string("RIFF"), std::string(64, 'x'), wav(16000, 0, {1}), wav(1, 1, {1}), wav(16000, 1, {}), wav(16000, 9, tone(16000, 1, 1))}) {
    EXPECT_THROW(decode_audio(as_bytes(bad), 16000, 10), Error);
  }
  try {
    decode_audio(as_bytes(std::string("\0\0\0\x18" "ftypM4A        ", 19)), 16000, 10);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("M4A"), std::string::npos);
  }
}

TEST(Audio, StopsAtItsLimit) {
  try {
    decode_audio(as_bytes(wav(16000, 1, tone(16000, 440, 3))), 16000, 2);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::too_large);
  }
}

TEST(Audio, ReadsWhatIsThereOfATruncatedFile) {
  std::string file = wav(16000, 1, tone(16000, 440, 1));
  file.resize(44 + 8000);
  EXPECT_EQ(decode_audio(as_bytes(file), 16000, 10).size(), 4000u);
  for (size_t size = 0; size < 44; ++size) EXPECT_THROW(decode_audio(as_bytes(file.substr(0, size)), 16000, 10), Error) << size;
}

}  // namespace
}  // namespace lyceum::formats
