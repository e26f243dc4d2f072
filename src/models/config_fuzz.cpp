// A config.json from outside, of a decoder, an encoder or Whisper: any bytes either give a configuration within its limits or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "models/encoder.h"
#include "models/load.h"
#include "models/whisper.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto config = lyceum::models::read_config({reinterpret_cast<const char*>(data), size});
    if (config.rope.inverse_frequencies.size() != (config.rotary_dim == 0 ? config.head_dim : config.rotary_dim) / 2 || config.sliding_window.size() != config.layers) __builtin_trap();
    config.rope.inverse_frequencies_for(uint64_t{config.context} * 2);
  } catch (const lyceum::Error&) {
  }
  try {
    const auto config = lyceum::models::read_encoder_config({reinterpret_cast<const char*>(data), size});
    if (config.hidden % config.heads != 0 || config.context() < 2) __builtin_trap();
  } catch (const lyceum::Error&) {
  }
  try {
    const auto config = lyceum::models::read_whisper_config({reinterpret_cast<const char*>(data), size});
    if (config.hidden % config.decoder_heads != 0 || config.text_positions < 16) __builtin_trap();
  } catch (const lyceum::Error&) {
  }
  return 0;
}
