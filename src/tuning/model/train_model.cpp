#include "tuning/model/train_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "engine/adapter_config.h"
#include "kernels/convert.h"
#include "kernels/low_rank_norms.h"
#include "kernels/matmul.h"

namespace lyceum::tuning {

namespace {

using models::Linear;
using models::Norm;
using tensor::WeightView;

void read_floats(const WeightView& view, float* out) {
  for (size_t row = 0; row < view.rows; ++row) kernels::dequantize_row(view, row, out + row * view.columns);
}

// Every parameter draws from its own generator, so that its values depend on the seed and its name only.
Rng rng_for(uint64_t seed, std::string_view name) {
  uint64_t key = 0;
  const std::string digest = sha256_raw(name);
  for (size_t i = 0; i < 8; ++i) key = (key << 8) | static_cast<unsigned char>(digest[i]);
  Rng mixed(seed ^ key);
  return Rng(mixed.next());
}

Parameter& add_parameter(TrainModel& model, std::string name, size_t rows, size_t columns, bool vector) {
  Parameter& parameter = model.parameters.emplace_back();
  parameter.name = std::move(name);
  parameter.rows = rows;
  parameter.columns = columns;
  parameter.vector = vector;
  parameter.decay = !vector;
  for (auto* part : {&parameter.value, &parameter.gradient}) part->assign(rows * columns, 0.0f);
  return parameter;
}

// Turns the decoder's linears and norms into trainable or frozen ones; the three factories differ only in these two functions.
class Builder {
 public:
  Builder(TrainModel& model, bool trainable) : model_(model), trainable_(trainable) {}

  TrainLinear linear(const Linear& source) {
    TrainLinear out;
    out.name = source.name;
    out.weight = source.weight;
    if (trainable_) {
      out.weight_parameter = &copy(source.name + ".weight", source.weight, false);
      out.weight = out.weight_parameter->view();
    }
    if (source.bias.empty()) return out;
    if (trainable_) {
      out.bias_parameter = &copy(source.name + ".bias", source.bias, true);
      out.bias = out.bias_parameter->value.data();
    } else {
      std::vector<float>& values = model_.constants.emplace_back(source.bias.columns * source.bias.rows);
      read_floats(source.bias, values.data());
      out.bias = values.data();
    }
    return out;
  }

  TrainNorm norm(const Norm& source) {
    TrainNorm out;
    out.weight = source.weight;
    if (trainable_ && !source.weight.empty()) {
      out.parameter = &copy(source.name + ".weight", source.weight, true);
      out.weight = out.parameter->view();
    }
    return out;
  }

 private:
  Parameter& copy(std::string name, const WeightView& view, bool vector) {
    Parameter& parameter = add_parameter(model_, std::move(name), view.rows, view.columns, vector);
    read_floats(view, parameter.value.data());
    return parameter;
  }

  TrainModel& model_;
  bool trainable_;
};

void refuse_quantised(const models::Decoder& decoder) {
  for (const Linear* linear : models::list_linears(decoder)) {
    if (tensor::block_size(linear->weight.dtype) == 1) continue;
    throw Error(Code::unsupported, linear->name + " is stored as " + std::string(tensor::name(linear->weight.dtype)) +
                                       ": all parameters can only be trained from float weights; train an adapter (method lora) over this base, or start from its unquantised weights");
  }
}

std::unique_ptr<TrainModel> build(const models::Decoder& decoder, bool trainable) {
  if (const std::string_view part = models::find_engine_only_part(decoder.config); !part.empty()) {
    throw Error(Code::unsupported, decoder.config.architecture + " runs but cannot be trained here yet: " + std::string(part) +
                                       " have no backward pass; Llama, Mistral, Qwen2 and Qwen3 models can be trained");
  }
  if (trainable) refuse_quantised(decoder);
  auto model = std::make_unique<TrainModel>();
  model->config = decoder.config;
  Builder builder(*model, trainable);
  model->embedding = builder.linear(decoder.embedding);
  for (size_t i = 0; i < decoder.layers.size(); ++i) {
    const models::DecoderLayer& from = decoder.layers[i];
    TrainLayer& to = model->layers.emplace_back();
    to.input_norm = builder.norm(from.input_norm);
    to.q = builder.linear(from.q);
    to.k = builder.linear(from.k);
    to.v = builder.linear(from.v);
    to.q_norm = builder.norm(from.q_norm);
    to.k_norm = builder.norm(from.k_norm);
    to.o = builder.linear(from.o);
    to.post_attention_norm = builder.norm(from.post_attention_norm);
    to.gate = builder.linear(from.gate);
    to.up = builder.linear(from.up);
    to.down = builder.linear(from.down);
    to.window = i < decoder.config.sliding_window.size() ? decoder.config.sliding_window[i] : 0;
  }
  model->final_norm = builder.norm(decoder.final_norm);
  model->head = decoder.config.tied_embeddings ? model->embedding : builder.linear(decoder.head);
  if (decoder.config.tied_embeddings) model->head.name = decoder.head.name;
  return model;
}

bool writes_residual(std::string_view name) {
  return name.ends_with(".o_proj.weight") || name.ends_with(".down_proj.weight");
}

bool takes_lora(const std::string& module, const std::vector<std::string>& targets, const std::vector<std::string>& excluded) {
  const auto named = [&](const std::string& name) { return module == name || module.ends_with("." + name); };
  if (std::any_of(excluded.begin(), excluded.end(), named)) return false;
  if (targets.empty()) return true;
  return std::any_of(targets.begin(), targets.end(), [&](const std::string& target) {
    return target == "all-linear" || target == "all" || named(target);
  });
}

void check_targets(const models::Decoder& decoder, const std::vector<std::string>& targets, size_t matched) {
  if (matched > 0) return;
  std::string names;
  for (const std::string& target : targets) names += (names.empty() ? "" : ", ") + target;
  throw Error(Code::unprocessable, "target_modules (" + names + ") match no linear layer of " + decoder.config.architecture +
                                       "; its layers are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, or say all-linear");
}

// The value of the key that means the module. PEFT takes the first of several, but its files sort them: two are refused.
double pattern_value(std::string_view field, const LoraOptions::Pattern& pattern, const std::string& module, double otherwise, std::set<std::string>& used) {
  const std::pair<std::string, double>* found = nullptr;
  for (const auto& entry : pattern) {
    if (!engine::peft_pattern_matches(entry.first, module)) continue;
    if (found != nullptr) throw Error(Code::invalid_argument, std::string(field) + ": '" + found->first + "' and '" + entry.first + "' both mean " + module);
    found = &entry;
    used.insert(entry.first);
  }
  return found == nullptr ? otherwise : found->second;
}

void check_pattern(std::string_view field, const LoraOptions::Pattern& pattern, const std::set<std::string>& used) {
  for (const auto& [key, value] : pattern) {
    if (!used.contains(key)) throw Error(Code::unprocessable, std::string(field) + ": '" + key + "' means no module that carries an adapter");
  }
}

struct UsedKeys {
  std::set<std::string> rank, alpha;
};

void attach_lora(TrainModel& model, TrainLinear& linear, const LoraOptions& options, uint64_t salt, UsedKeys& used) {
  const size_t in = linear.weight.columns, out = linear.weight.rows;
  const auto rank = static_cast<uint32_t>(pattern_value("rank_pattern", options.rank_pattern, linear.name, options.r, used.rank));
  const auto alpha = static_cast<float>(pattern_value("alpha_pattern", options.alpha_pattern, linear.name, double{options.alpha}, used.alpha));
  Parameter& a = add_parameter(model, linear.name + ".lora_A.weight", rank, in, false);
  Parameter& b = add_parameter(model, linear.name + ".lora_B.weight", out, rank, false);
  b.after_a = true;
  // kaiming_uniform with a = sqrt(5) is U(-1/sqrt(in), 1/sqrt(in)).
  Rng rng = rng_for(options.seed, a.name);
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  for (float& value : a.value) value = static_cast<float>((2.0 * rng.uniform() - 1.0) * bound);
  const float divisor = options.rslora ? std::sqrt(static_cast<float>(rank)) : static_cast<float>(rank);
  linear.lora = LoraPair{&a, &b, nullptr, alpha / divisor, options.dropout, salt};
}

// The magnitude begins as the rows' lengths; B is zero, so the layer begins as it was. PEFT decays it like a matrix.
void attach_dora(TrainModel& model, TrainLinear& linear, ThreadPool& pool) {
  Parameter& magnitude = add_parameter(model, linear.name + ".lora_magnitude_vector", 1, linear.weight.rows, true);
  magnitude.decay = true;
  magnitude.after_a = true;
  DoraScale& dora = model.dora_scales.emplace_back();
  dora.magnitude = &magnitude;
  dora.square_norms = kernels::row_square_norms(pool, linear.weight);
  for (size_t row = 0; row < linear.weight.rows; ++row) {
    magnitude.value[row] = static_cast<float>(std::sqrt(dora.square_norms[row]));
    if (magnitude.value[row] == 0) throw Error(Code::unprocessable, linear.name + ": row " + std::to_string(row) + " of the base weight is all zero, which DoRA cannot scale; leave the module out of target_modules");
  }
  dora.norms = magnitude.value;
  linear.lora->dora = &dora;
}

// A copy of a table to train whole. A tied pair is one tensor here and two modules in PEFT's files, one of which its loader would leave as it was.
void train_whole(TrainModel& model, const std::string& module) {
  TrainLinear* linear = module == "embed_tokens" || module == "model.embed_tokens" ? &model.embedding : module == "lm_head" ? &model.head : nullptr;
  if (linear == nullptr) throw Error(Code::unsupported, "modules_to_save: '" + module + "' cannot be trained whole beside an adapter; embed_tokens and lm_head can");
  if (model.config.tied_embeddings) {
    throw Error(Code::unsupported, "modules_to_save: head and embedding of this model are one tensor (tie_word_embeddings); PEFT would load '" + module +
                                       "' into one of them and leave the other, so the adapter would be another model there: train all parameters (method full), or leave modules_to_save out");
  }
  if (tensor::block_size(linear->weight.dtype) != 1) throw Error(Code::unsupported, "modules_to_save: " + linear->name + " is stored as " + std::string(tensor::name(linear->weight.dtype)) + ", and only float weights are trained");
  Parameter& parameter = add_parameter(model, linear->name + ".weight", linear->weight.rows, linear->weight.columns, false);
  read_floats(linear->weight, parameter.value.data());
  linear->weight_parameter = &parameter;
  linear->weight = parameter.view();
}

std::array<TrainLinear*, 7> linears_of(TrainLayer& layer) { return {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}; }

}  // namespace

WeightView Parameter::view() const noexcept { return kernels::f32_view(value.data(), rows, columns); }

uint64_t TrainModel::trainable() const noexcept {
  uint64_t count = 0;
  for (const Parameter& parameter : parameters) count += parameter.size();
  return count;
}

void update_dora_norms(TrainModel& model, ThreadPool& pool) {
  for (TrainLayer& layer : model.layers) {
    for (TrainLinear* linear : linears_of(layer)) {
      if (!linear->lora || linear->lora->dora == nullptr) continue;
      const LoraPair& pair = *linear->lora;
      kernels::low_rank_row_norms(pool, linear->weight, pair.dora->square_norms, {pair.a->value.data(), pair.a->rows, pair.a->columns},
                                  {pair.b->value.data(), pair.b->rows, pair.b->columns}, pair.scale, pair.dora->norms);
    }
  }
}

std::unique_ptr<TrainModel> make_full_model(const models::Decoder& decoder) { return build(decoder, true); }

std::unique_ptr<TrainModel> make_frozen_model(std::shared_ptr<const models::Decoder> decoder) {
  auto model = build(*decoder, false);
  model->base = std::move(decoder);
  return model;
}

std::unique_ptr<TrainModel> make_random_model(const models::Decoder& decoder, uint64_t seed) {
  auto model = build(decoder, true);
  const double residual_scale = 1.0 / std::sqrt(2.0 * decoder.config.layers);
  for (Parameter& parameter : model->parameters) {
    const bool norm = parameter.vector && parameter.name.find("norm") != std::string::npos;
    if (parameter.vector) {
      std::fill(parameter.value.begin(), parameter.value.end(), norm ? 1.0f : 0.0f);
      continue;
    }
    Rng rng = rng_for(seed, parameter.name);
    const double deviation = 0.02 * (writes_residual(parameter.name) ? residual_scale : 1.0);
    for (float& value : parameter.value) value = static_cast<float>(rng.normal() * deviation);
  }
  return model;
}

std::unique_ptr<TrainModel> make_lora_model(std::shared_ptr<const models::Decoder> decoder, const LoraOptions& options) {
  if (options.r == 0) throw Error(Code::invalid_argument, "lora_r must be at least 1");
  if (options.dropout < 0 || options.dropout >= 1) throw Error(Code::invalid_argument, "lora_dropout must be in [0, 1)");
  auto model = build(*decoder, false);
  ThreadPool pool(options.dora ? 0 : 1);
  uint64_t salt = 0;
  size_t matched = 0;
  std::set<std::string> names;
  UsedKeys used;
  for (const uint64_t layer : options.layers) {
    if (layer >= model->layers.size()) throw Error(Code::invalid_argument, "layers_to_transform names layer " + std::to_string(layer) + "; the model has " + std::to_string(model->layers.size()) + ", counted from 0");
  }
  for (size_t i = 0; i < model->layers.size(); ++i) {
    const bool chosen = options.layers.empty() || std::ranges::find(options.layers, i) != options.layers.end();
    for (TrainLinear* linear : linears_of(model->layers[i])) {
      ++salt;
      if (!chosen || !takes_lora(linear->name, options.targets, options.excluded)) continue;
      attach_lora(*model, *linear, options, salt, used);
      if (options.dora) attach_dora(*model, *linear, pool);
      names.insert(linear->name.substr(linear->name.rfind('.') + 1));
      ++matched;
    }
  }
  check_targets(*decoder, options.targets, matched);
  for (const std::string& module : options.full_modules) train_whole(*model, module);
  check_pattern("rank_pattern", options.rank_pattern, used.rank);
  check_pattern("alpha_pattern", options.alpha_pattern, used.alpha);
  model->lora_modules.assign(names.begin(), names.end());
  model->base = std::move(decoder);
  return model;
}

}  // namespace lyceum::tuning
