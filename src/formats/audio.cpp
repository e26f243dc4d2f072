#include "formats/audio.h"

#include <sndfile.h>
#include <soxr.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lyceum::formats {
namespace {

constexpr int kChannelsMax = 8;
constexpr int kRateMin = 1000, kRateMax = 384000;
constexpr float kLoudest = 1000;          // of a float file; true recordings stay near 1
constexpr size_t kFramesAtOnce = 8192;

[[noreturn]] void refuse(const std::string& why) { throw Error(Code::unprocessable, "The audio file " + why, "invalid_audio"); }

// What libsndfile reads from.
struct Cursor {
  Bytes file;
  sf_count_t at = 0;

  static sf_count_t length(void* self) { return static_cast<sf_count_t>(static_cast<Cursor*>(self)->file.size()); }
  static sf_count_t tell(void* self) { return static_cast<Cursor*>(self)->at; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    Cursor& cursor = *static_cast<Cursor*>(self);
    const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? cursor.at : length(self);
    sf_count_t target = 0;
    if (__builtin_add_overflow(base, offset, &target)) return -1;
    return cursor.at = std::clamp<sf_count_t>(target, 0, length(self));
  }
  static sf_count_t read(void* into, sf_count_t count, void* self) {
    Cursor& cursor = *static_cast<Cursor*>(self);
    const sf_count_t got = std::clamp<sf_count_t>(count, 0, length(self) - cursor.at);
    if (got > 0) std::memcpy(into, cursor.file.data() + cursor.at, static_cast<size_t>(got));
    cursor.at += got;
    return got;
  }
};

bool is_known(std::string_view head) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(head[i]); };
  if (head.size() < 12) return false;
  if ((head.starts_with("RIFF") || head.starts_with("RF64")) && head.substr(8, 4) == "WAVE") return true;
  if (head.starts_with("fLaC") || head.starts_with("OggS") || head.starts_with("ID3")) return true;
  return byte(0) == 0xff && (byte(1) & 0xe6) == 0xe2;   // an MPEG frame of layer III
}

void check_kind(Bytes file) {
  const std::string_view head = as_text(file.first(std::min<size_t>(file.size(), 16)));
  if (is_known(head)) return;
  std::string what = "is none of WAV, FLAC, Ogg and MP3";
  if (head.size() > 8 && head.substr(4, 4) == "ftyp") what = "is MP4 (M4A), which is not read here; WAV, FLAC, Ogg and MP3 are";
  if (head.starts_with("\x1a\x45\xdf\xa3")) what = "is WebM or Matroska, which is not read here; WAV, FLAC, Ogg and MP3 are";
  refuse(what);
}

using SoundFile = std::unique_ptr<SNDFILE, decltype(&sf_close)>;

SoundFile open_sound(Cursor& cursor, SF_INFO& info) {
  static SF_VIRTUAL_IO io{Cursor::length, Cursor::seek, Cursor::read, nullptr, Cursor::tell};
  SoundFile sound(sf_open_virtual(&io, SFM_READ, &info, &cursor), sf_close);
  if (!sound) refuse(std::string("cannot be read: ") + sf_strerror(nullptr));
  const int kind = info.format & SF_FORMAT_TYPEMASK;
  constexpr std::array kKinds{SF_FORMAT_WAV, SF_FORMAT_WAVEX, SF_FORMAT_RF64, SF_FORMAT_FLAC, SF_FORMAT_OGG, SF_FORMAT_MPEG};
  if (std::ranges::find(kKinds, kind) == kKinds.end()) refuse("is none of WAV, FLAC, Ogg and MP3");
  if (info.channels < 1 || info.channels > kChannelsMax) refuse("has " + std::to_string(info.channels) + " channels; 1 to " + std::to_string(kChannelsMax) + " are read");
  if (info.samplerate < kRateMin || info.samplerate > kRateMax) refuse("has " + std::to_string(info.samplerate) + " samples a second, which is no recording");
  return sound;
}

// Samples at one rate in, at another out.
class Resampler {
 public:
  Resampler(double from, double to) : ratio_(to / from), soxr_(nullptr, soxr_delete) {
    if (from == to) return;
    soxr_error_t error = nullptr;
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    soxr_.reset(soxr_create(from, to, 1, &error, nullptr, &quality, nullptr));
    if (error != nullptr || !soxr_) throw Error(Code::internal, std::string("soxr: ") + (error != nullptr ? error : "no resampler"));
  }

  // count 0: the end.
  void push(const float* samples, size_t count, std::vector<float>& out) {
    if (!soxr_) {
      out.insert(out.end(), samples, samples + count);
      return;
    }
    const bool end = count == 0;
    for (bool more = true; more;) {
      const size_t room = static_cast<size_t>(static_cast<double>(std::max(count, kFramesAtOnce)) * ratio_) + 64, before = out.size();
      out.resize(before + room);
      size_t used = 0, made = 0;
      const soxr_error_t error = soxr_process(soxr_.get(), end ? nullptr : samples, count, &used, out.data() + before, room, &made);   // no input: the end
      out.resize(before + made);
      if (error != nullptr) throw Error(Code::internal, std::string("soxr: ") + error);
      samples += used;
      count -= used;
      more = made == room || (count > 0 && used > 0);
    }
  }

 private:
  double ratio_;
  std::unique_ptr<soxr, decltype(&soxr_delete)> soxr_;
};

void to_mono(const std::vector<float>& frames, size_t channels, std::vector<float>& mono) {
  for (size_t i = 0; i < mono.size(); ++i) {
    float sum = 0;
    for (size_t c = 0; c < channels; ++c) sum += frames[i * channels + c];
    mono[i] = sum / static_cast<float>(channels);
    if (!(std::fabs(mono[i]) <= kLoudest)) refuse("has samples that are no sound");
  }
}

}  // namespace

std::vector<float> decode_audio(Bytes file, uint32_t rate, double seconds_max) {
  check_kind(file);
  Cursor cursor{file};
  SF_INFO info{};
  const SoundFile sound = open_sound(cursor, info);
  const auto channels = static_cast<size_t>(info.channels);
  const double frames_max = seconds_max * info.samplerate;
  Resampler resampler(info.samplerate, rate);
  std::vector<float> frames(kFramesAtOnce * channels), mono, out;
  double total = 0;
  while (true) {
    const sf_count_t got = sf_readf_float(sound.get(), frames.data(), static_cast<sf_count_t>(kFramesAtOnce));
    if (got <= 0) break;
    total += static_cast<double>(got);
    if (total > frames_max) throw Error(Code::too_large, "The audio file is longer than " + std::to_string(static_cast<long>(seconds_max)) + " seconds; cut it into parts", "audio_too_long");
    mono.resize(static_cast<size_t>(got));
    to_mono(frames, channels, mono);
    resampler.push(mono.data(), mono.size(), out);
  }
  if (total == 0) refuse("has no samples");
  resampler.push(nullptr, 0, out);
  return out;
}

}  // namespace lyceum::formats
