// train_model.h: a decoder as the trainer sees it: every weight is either a Parameter (float32 master, gradient, Adam moments)
// or a frozen view of the base in its stored dtype; a linear layer may carry a LoRA pair beside its frozen weight.
//
// Full training:  every weight is a Parameter, initialised from the decoder or at random.
// LoRA:           y = W x + b + scale * B (A dropout(x)), only A (r, in) and B (out, r) are Parameters, and
//                 embedding or head where they are to be trained whole.
// DoRA:           y = c * (W x + scale * B (A x)) + b with c = magnitude / |W + scale B A| by row; the magnitude (out) is a
//                 Parameter too, the row's length is held constant in the gradient and taken again after every step.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/threads.h"
#include "kernels/rope.h"
#include "models/decoder.h"
#include "tensor/view.h"

namespace lyceum::tuning {

// Both moments of 8-bit AdamW: codes, and a scale for each block of 256.
struct ByteMoments {
  std::vector<uint8_t> first, second;
  std::vector<float> first_scales, second_scales;
};

struct Parameter {
  std::string name;
  size_t rows = 0;      // 1 for a vector
  size_t columns = 0;
  bool vector = false;  // stored with shape (columns)
  bool decay = true;    // weight decay applies (not to norms and biases)
  bool after_a = false; // LoRA's B, DoRA's magnitudes: LoRA+ gives them a higher rate
  std::vector<float> value, gradient;
  std::vector<float> first, second;             // what the optimizer keeps, as far as it needs it (optimizer.h)
  std::unique_ptr<ByteMoments> byte_moments;
  size_t size() const noexcept { return rows * columns; }
  tensor::WeightView view() const noexcept;
};

struct DoraScale {
  Parameter* magnitude = nullptr;
  std::vector<double> square_norms;   // of W's rows
  std::vector<float> norms;           // of the rows of W + scale B A, as update_dora_norms() last found them
};

struct LoraPair {
  Parameter* a = nullptr;
  Parameter* b = nullptr;
  DoraScale* dora = nullptr;          // null = plain LoRA
  float scale = 1.0f;
  float dropout = 0.0f;
  uint64_t salt = 0;    // tells this layer's dropout mask from the others'
};

struct TrainLinear {
  std::string name;
  tensor::WeightView weight;
  const float* bias = nullptr;
  Parameter* weight_parameter = nullptr;   // null when frozen
  Parameter* bias_parameter = nullptr;
  std::optional<LoraPair> lora;
};

struct TrainNorm {
  tensor::WeightView weight;               // empty if the norm is absent
  Parameter* parameter = nullptr;
};

struct TrainLayer {
  TrainNorm input_norm, post_attention_norm, q_norm, k_norm;
  TrainLinear q, k, v, o, gate, up, down;
  size_t window = 0;
};

struct LoraOptions {
  uint32_t r = 8;
  float alpha = 16;
  float dropout = 0;
  bool rslora = false;
  bool dora = false;
  using Pattern = std::vector<std::pair<std::string, double>>;   // PEFT's key -> the rank or alpha of the modules it means
  Pattern rank_pattern = {}, alpha_pattern = {};
  std::vector<std::string> full_modules = {};   // PEFT's modules_to_save: "embed_tokens", "lm_head", trained whole beside the pairs
  std::vector<std::string> excluded = {};  // module names or suffixes; over targets
  std::vector<uint64_t> layers = {};       // of these layers only; empty = of all
  std::vector<std::string> targets = {};   // module name suffixes; empty or {"all-linear"} = every linear layer but the head
  uint64_t seed = 42;
};

struct TrainModel {
  models::DecoderConfig config;
  TrainLinear embedding, head;             // tied: head.weight_parameter == embedding.weight_parameter
  std::vector<TrainLayer> layers;
  TrainNorm final_norm;
  std::deque<Parameter> parameters;        // in a fixed order; addresses are stable
  std::deque<std::vector<float>> constants;
  std::deque<DoraScale> dora_scales;
  std::shared_ptr<const models::Decoder> base;   // keeps frozen views alive
  std::vector<std::string> lora_modules;   // short names of the modules that carry a pair, sorted: PEFT's target_modules

  uint64_t trainable() const noexcept;
};

// DoRA: the row lengths for the present A and B. Whoever changes those calls it before the next forward pass.
void update_dora_norms(TrainModel& model, ThreadPool& pool);

// Every weight of the decoder, copied to float32.
std::unique_ptr<TrainModel> make_full_model(const models::Decoder& decoder);
// Every weight as it is stored, nothing trainable: the reference of preference training over all parameters.
std::unique_ptr<TrainModel> make_frozen_model(std::shared_ptr<const models::Decoder> decoder);
// The decoder gives shapes only: matrices N(0, 0.02), those that write to the residual stream divided by sqrt(2 layers), norms 1,
// biases 0.
std::unique_ptr<TrainModel> make_random_model(const models::Decoder& decoder, uint64_t seed);
// A kaiming-uniform (a = sqrt 5), B zero. Throws Error(unprocessable) naming targets that match no layer, pattern keys that
// mean no module, and two that mean the same one.
std::unique_ptr<TrainModel> make_lora_model(std::shared_ptr<const models::Decoder> decoder, const LoraOptions& options);

}  // namespace lyceum::tuning
