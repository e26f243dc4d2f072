// whisper_forward.h: Whisper's forward pass over one window of sound, exact (float32 arithmetic on the stored weights). encode() reads the
// window and keeps what the decoder attends to; decode() then reads tokens in order, or again from an earlier position. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "engine/full_attention.h"
#include "kernels/attention.h"
#include "kernels/rows.h"
#include "models/whisper.h"

namespace lyceum::engine {

class WhisperForward {
 public:
  WhisperForward(const models::Whisper& model, ThreadPool& pool);

  // mel: (config.window_frames(), config.mel_bins). The window's vectors, valid until the next call.
  kernels::ConstRows encode(kernels::ConstRows mel);
  // Last hidden states of the tokens at positions [position, position + ids.size()), valid until the next call.
  // REQUIRES: encode() before it; positions before these have been decoded; the end is <= config.text_positions; ids of the vocabulary.
  kernels::ConstRows decode(std::span<const int32_t> ids, size_t position);
  // Scores of the vocabulary for each row of what decode() gave.
  kernels::ConstRows logits(kernels::ConstRows hidden);

 private:
  // Keys and values of one layer in one block.
  struct Cache {
    std::vector<float> keys, values;
    std::byte* key_block = nullptr;
    std::byte* value_block = nullptr;
  };
  void reserve(std::vector<Cache>& caches, size_t layers, size_t tokens);
  kernels::KvCache view(Cache& cache, size_t tokens);
  void convolve(const models::Linear& weights, kernels::ConstRows in, size_t step, kernels::Rows out);
  void encode_layer(const models::WhisperEncoderLayer& layer, kernels::Rows hidden);
  void keep_window(kernels::ConstRows window);
  void decode_layer(size_t index, kernels::Rows hidden, size_t position);
  void attend_text(const models::WhisperAttention& attention, Cache& cache, kernels::Rows hidden, size_t position);
  void attend_sound(const models::WhisperAttention& attention, Cache& cache, kernels::Rows hidden);
  void feed_forward(const models::LayerNorm& norm, const models::Linear& up, const models::Linear& down, kernels::Rows hidden);
  kernels::Rows normalised(const models::LayerNorm& norm, kernels::ConstRows x);
  void multiply(const models::Linear& linear, kernels::ConstRows x, kernels::Rows y, kernels::Write write = kernels::Write::set);
  kernels::AttentionShape text_shape() const;

  const models::Whisper& model_;
  ThreadPool& pool_;
  size_t text_room_ = 0, sound_room_ = 0;          // tokens of a cache, a multiple of what kernels read in place
  std::vector<Cache> text_, sound_;
  std::vector<float> hidden_, normed_, q_, k_, v_, attended_, wide_, columns_, logits_;
  FullAttention attention_;
};

}  // namespace lyceum::engine
