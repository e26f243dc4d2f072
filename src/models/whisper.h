// whisper.h: models that write down speech (Radford et al., "Robust speech recognition via large-scale weak supervision", 2022), from transformers'
// safetensors, tiny to large-v3-turbo. An encoder reads a window of log-mel frames through two convolutions; a decoder with attention to all of
// it writes tokens. Blocks are pre-norm; positions are tables in the file, of the encoder too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/decoder.h"
#include "models/encoder.h"

namespace lyceum::models {

struct WhisperConfig {
  uint32_t hidden = 0;               // d_model
  uint32_t mel_bins = 0;             // 80, or 128 from large-v3 on
  uint32_t encoder_layers = 0, encoder_heads = 0, encoder_middle = 0;
  uint32_t decoder_layers = 0, decoder_heads = 0, decoder_middle = 0;
  uint32_t sound_positions = 0;      // vectors of a window: 1500, each of two frames
  uint32_t text_positions = 0;       // 448
  uint32_t vocab = 0;

  uint32_t window_frames() const noexcept { return 2 * sound_positions; }
};

struct WhisperAttention {
  LayerNorm norm;                    // before it
  Linear q, k, v, o;                 // k has no bias
};
struct WhisperEncoderLayer {
  WhisperAttention attention;
  LayerNorm norm;
  Linear up, down;
};
struct WhisperDecoderLayer {
  WhisperAttention self, cross;
  LayerNorm norm;
  Linear up, down;
};

struct Whisper {
  WhisperConfig config;
  Linear first, second;              // convolutions of three frames: weight (out, in * 3); the second takes every other frame
  tensor::WeightView sound_positions, text_positions, words;
  std::vector<WhisperEncoderLayer> encoder;
  std::vector<WhisperDecoderLayer> decoder;
  LayerNorm encoder_norm, decoder_norm;
  std::vector<std::shared_ptr<void>> storage;   // owns what the views point into

  uint64_t parameters() const noexcept;
};

// Does this model folder say that it holds one? False for anything that cannot be read: load_whisper() then says what is wrong.
bool is_whisper(const std::filesystem::path& folder);
// folder: config.json and *.safetensors. Throws Error(unprocessable) naming the file and tensor, Error(unsupported) naming the field.
std::shared_ptr<const Whisper> load_whisper(const std::filesystem::path& folder);
// The config half alone.
WhisperConfig read_whisper_config(std::string_view config_json, std::string_view what = "config.json");

}  // namespace lyceum::models
