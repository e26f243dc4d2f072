// audio.h: a recording of some file format -> one channel of float samples at one rate, through libsndfile and libsoxr.
//
// Taken are WAV (also RF64), FLAC, Ogg (Vorbis, Opus, FLAC) and MP3, told by their first bytes, so that no other of libsndfile's readers ever
// sees outside bytes. Channels are averaged; another rate is resampled with soxr's HQ recipe, as librosa does. Everything is distrusted: length,
// channels and rate have limits, and samples that are no numbers are refused. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace lyceum::formats {

// Samples in [-1, 1] (a float file may go beyond). Error(unprocessable) for what is no recording of those kinds or is broken from its beginning, or
// longer than seconds_max; one that breaks later, or ends too early, gives what could be read, as players do.
std::vector<float> decode_audio(Bytes file, uint32_t rate, double seconds_max);

}  // namespace lyceum::formats
