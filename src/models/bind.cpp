#include "models/bind.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "kernels/convert.h"

namespace lyceum::models {

namespace {

using Role = std::string_view ModuleNames::*;
constexpr ModuleNames kLlamaNames{};

// Modules are asked for by role: the source is asked under its own names, the decoder shows the checkpoint's.
class Binder {
 public:
  Binder(const DecoderConfig& config, WeightSource& source)
      : source_(source), shown_(config.names == nullptr ? kLlamaNames : *config.names), stored_(source.names() == nullptr ? shown_ : *source.names()),
        norm_(config.norm), minus_one_(config.norms_minus_one), transposed_(config.transposed) {}

  // From here on roles are those of a layer; outside(): of the whole model.
  void enter(size_t layer) {
    const std::string number = std::to_string(layer) + ".";
    shown_prefix_ = std::string(shown_.layers) + number;
    stored_prefix_ = std::string(stored_.layers) + number;
  }
  void leave() { shown_prefix_ = stored_prefix_ = ""; }

  Linear linear(Role role, size_t rows, size_t columns, bool bias) {
    const std::string stored = stored_prefix_ + std::string(stored_.*role);
    const bool turned = transposed_ && !stored_prefix_.empty();
    Linear out{shown_prefix_ + std::string(shown_.*role), {}, {}};
    out.weight = turned ? turn(require(stored + ".weight", {columns, rows, false})) : require(stored + ".weight", {rows, columns, false});
    if (bias) out.bias = as_floats(require(stored + ".bias", {1, rows, true}));
    return out;
  }

  // A matrix of expert `index` of `count`.
  Linear expert(Role role, size_t index, size_t count, size_t rows, size_t columns) {
    const std::string shown = shown_prefix_ + std::string(shown_.experts) + std::to_string(index) + "." + std::string(shown_.*role);
    if (!stored_.stacked_experts) {
      const std::string stored = stored_prefix_ + std::string(stored_.experts) + std::to_string(index) + "." + std::string(stored_.*role);
      return {shown, require(stored + ".weight", {rows, columns, false}), {}};
    }
    return {shown, require_part(stored_prefix_ + std::string(stored_.*role) + ".weight", index, count, {rows, columns, false}), {}};
  }

  // Gate and up of expert `index`, where the file has both in one tensor.
  std::pair<Linear, Linear> expert_gate_up(size_t index, size_t count, size_t rows, size_t columns) {
    const std::string shown = shown_prefix_ + std::string(shown_.experts) + std::to_string(index) + ".";
    const Linear both{shown, require_part(stored_prefix_ + std::string(stored_.expert_gate_up) + ".weight", index, count, {2 * rows, columns, false}), {}};
    Linear gate = part(both, 0, rows), up = part(both, rows, rows);
    gate.name += shown_.expert_gate;
    up.name += shown_.expert_up;
    return {std::move(gate), std::move(up)};
  }
  bool has_gate_up() const { return !stored_.expert_gate_up.empty(); }

  // All `count` matrices of one tensor as one of count * rows rows; without a weight when there is no such tensor.
  Linear find_stacked(Role role, size_t count, size_t rows, size_t columns) {
    Linear out{shown_prefix_ + std::string(shown_.*role), {}, {}};
    if (!stored_.split_latent) return out;
    out.weight = source_.find_part(stored_prefix_ + std::string(stored_.*role) + ".weight", 0, count, {rows, columns, false});
    out.weight.rows *= count;
    return out;
  }

  // A vector that a file calls by its whole name, as aligned floats.
  tensor::WeightView vector(Role role, size_t columns, std::string& shown) {
    shown = shown_prefix_ + std::string(shown_.*role);
    return as_floats(require(stored_prefix_ + std::string(stored_.*role), {1, columns, true}));
  }

  // Rows [first, first + rows) of a larger matrix.
  static Linear part(const Linear& whole, size_t first, size_t rows) {
    Linear out = whole;
    out.weight.data += first * tensor::row_bytes(out.weight.dtype, out.weight.columns);
    out.weight.rows = rows;
    if (out.bias.empty()) return out;
    out.bias.data += first * sizeof(float);
    out.bias.columns = rows;
    return out;
  }

  Norm norm(Role role, size_t columns) {
    const std::string stored = stored_prefix_ + std::string(stored_.*role);
    Norm out{shown_prefix_ + std::string(shown_.*role), require(stored + ".weight", {1, columns, true}), {}};
    if (norm_ == NormKind::layer) {
      out.weight = as_floats(out.weight);
      out.bias = as_floats(require(stored + ".bias", {1, columns, true}));
    }
    if (!minus_one_) return out;
    const auto values = floats_of(out.weight);
    for (float& value : *values) value += 1.0f;
    out.weight = {reinterpret_cast<const std::byte*>(values->data()), tensor::DType::f32, 1, columns};
    return out;
  }

  // The tied copy that some writers store too.
  void ignore(Role role, const TensorShape& shape) { source_.find(std::string(stored_.*role) + ".weight", shape); }

  std::vector<std::shared_ptr<void>> storage;

 private:
  tensor::WeightView require(const std::string& name, const TensorShape& shape) {
    const tensor::WeightView view = source_.find(name, shape);
    if (view.empty()) fail_missing(name, describe(shape));
    return view;
  }

  tensor::WeightView require_part(const std::string& name, size_t index, size_t count, const TensorShape& shape) {
    const tensor::WeightView view = source_.find_part(name, index, count, shape);
    if (view.empty()) fail_missing(name, "[" + std::to_string(count) + ", " + std::to_string(shape.rows) + ", " + std::to_string(shape.columns) + "]");
    return view;
  }

  [[noreturn]] void fail_missing(const std::string& name, const std::string& shape) const {
    throw Error(Code::unprocessable, source_.what() + ": tensor " + name + " " + shape + " is missing");
  }

  std::shared_ptr<std::vector<float>> floats_of(const tensor::WeightView& view) {
    auto values = std::make_shared<std::vector<float>>(view.rows * view.columns);
    for (size_t row = 0; row < view.rows; ++row) kernels::dequantize_row(view, row, values->data() + row * view.columns);
    storage.push_back(values);
    return values;
  }

  // Kernels take a bias as float*. It is small: one that is stored otherwise is converted into owned memory.
  tensor::WeightView as_floats(const tensor::WeightView& view) {
    const bool aligned = reinterpret_cast<uintptr_t>(view.data) % alignof(float) == 0;
    if (view.dtype == tensor::DType::f32 && aligned) return view;
    return {reinterpret_cast<const std::byte*>(floats_of(view)->data()), tensor::DType::f32, 1, view.columns};
  }

  // (in, out) as (out, in), in the same dtype. Only float dtypes are stored so.
  tensor::WeightView turn(const tensor::WeightView& view) {
    if (tensor::block_size(view.dtype) != 1) throw Error(Code::unsupported, source_.what() + ": a quantised matrix is stored as (in, out)");
    const size_t size = tensor::row_bytes(view.dtype, 1);
    auto bytes = std::make_shared<std::vector<std::byte>>(view.rows * view.columns * size);
    for (size_t row = 0; row < view.rows; ++row) {
      for (size_t column = 0; column < view.columns; ++column) {
        std::copy_n(view.data + (row * view.columns + column) * size, size, bytes->data() + (column * view.rows + row) * size);
      }
    }
    storage.push_back(bytes);
    return {bytes->data(), view.dtype, view.columns, view.rows};
  }

  WeightSource& source_;
  const ModuleNames &shown_, &stored_;
  std::string shown_prefix_, stored_prefix_;
  NormKind norm_;
  bool minus_one_, transposed_;
};

void bind_norms(const DecoderConfig& config, Binder& binder, DecoderLayer& layer) {
  if (config.pre_norms) {
    layer.input_norm = binder.norm(&ModuleNames::input_norm, config.hidden);
    layer.post_attention_norm = binder.norm(&ModuleNames::mlp_norm, config.hidden);
  }
  if (config.output_norms) {
    layer.attention_output_norm = binder.norm(&ModuleNames::attention_output_norm, config.hidden);
    layer.mlp_output_norm = binder.norm(&ModuleNames::mlp_output_norm, config.hidden);
  }
  if (config.qk_norm) {
    layer.q_norm = binder.norm(&ModuleNames::q_norm, config.qk_norm_wide ? config.heads * config.head_dim : config.head_dim);
    layer.k_norm = binder.norm(&ModuleNames::k_norm, config.qk_norm_wide ? config.kv_heads * config.head_dim : config.head_dim);
  }
}

// What the checkpoint holds as one matrix newer GGUF files hold as two.
void bind_latent(const DecoderConfig& config, Binder& binder, DecoderLayer& layer) {
  const LatentConfig& sizes = config.latent;
  Latent& out = layer.latent;
  const size_t heads = config.heads, hidden = config.hidden;
  if (sizes.query_rank != 0) {
    out.q_a = binder.linear(&ModuleNames::q_a, sizes.query_rank, hidden, config.qkv_bias);
    out.q_a_norm = binder.norm(&ModuleNames::q_a_norm, sizes.query_rank);
    out.q_b = binder.linear(&ModuleNames::q_b, heads * config.head_dim, sizes.query_rank, false);
  } else {
    out.q_b = binder.linear(&ModuleNames::q, heads * config.head_dim, hidden, false);
  }
  out.kv_a = binder.linear(&ModuleNames::kv_a, sizes.rank + sizes.rope, hidden, config.qkv_bias);
  out.kv_a_norm = binder.norm(&ModuleNames::kv_a_norm, sizes.rank);
  out.k_b = binder.find_stacked(&ModuleNames::k_b, heads, sizes.rank, sizes.nope);
  if (out.k_b.weight.empty()) {
    out.kv_b = binder.linear(&ModuleNames::kv_b, heads * (sizes.nope + sizes.value), sizes.rank, false);
  } else {
    out.v_b = binder.find_stacked(&ModuleNames::v_b, heads, sizes.value, sizes.rank);
    if (out.v_b.weight.empty()) throw Error(Code::unprocessable, "tensor " + out.v_b.name + " is missing beside " + out.k_b.name);
  }
  layer.o = binder.linear(&ModuleNames::o, hidden, heads * sizes.value, config.output_bias);
}

void bind_attention(const DecoderConfig& config, Binder& binder, DecoderLayer& layer) {
  if (config.latent.rank != 0) return bind_latent(config, binder, layer);
  const size_t q_rows = size_t{config.heads} * config.head_dim, kv_rows = size_t{config.kv_heads} * config.head_dim;
  if (config.fused_qkv) {
    const Linear qkv = binder.linear(&ModuleNames::qkv, q_rows + 2 * kv_rows, config.hidden, config.qkv_bias);
    layer.q = Binder::part(qkv, 0, q_rows);
    layer.k = Binder::part(qkv, q_rows, kv_rows);
    layer.v = Binder::part(qkv, q_rows + kv_rows, kv_rows);
  } else {
    layer.q = binder.linear(&ModuleNames::q, q_rows, config.hidden, config.qkv_bias);
    layer.k = binder.linear(&ModuleNames::k, kv_rows, config.hidden, config.qkv_bias);
    layer.v = binder.linear(&ModuleNames::v, kv_rows, config.hidden, config.qkv_bias);
  }
  layer.o = binder.linear(&ModuleNames::o, config.hidden, q_rows, config.output_bias);
}

void bind_mlp(const DecoderConfig& config, Binder& binder, DecoderLayer& layer) {
  const size_t wide = config.intermediate;
  if (config.fused_gate_up) {
    const Linear gate_up = binder.linear(&ModuleNames::gate_up, 2 * wide, config.hidden, config.mlp_bias);
    layer.gate = Binder::part(gate_up, 0, wide);
    layer.up = Binder::part(gate_up, wide, wide);
  } else {
    if (config.gated) layer.gate = binder.linear(&ModuleNames::gate, wide, config.hidden, config.mlp_bias);
    layer.up = binder.linear(&ModuleNames::up, wide, config.hidden, config.mlp_bias);
  }
  layer.down = binder.linear(&ModuleNames::down, config.hidden, wide, config.mlp_bias);
}

void bind_experts(const DecoderConfig& config, Binder& binder, Experts& out) {
  const ExpertsConfig& experts = config.experts;
  const size_t hidden = config.hidden, wide = experts.intermediate, shared = experts.shared_intermediate;
  out.router = binder.linear(&ModuleNames::router, experts.count, hidden, false);
  if (experts.bias) out.bias = binder.vector(&ModuleNames::router_bias, experts.count, out.bias_name);
  for (uint32_t i = 0; i < experts.count; ++i) {
    Mlp each;
    if (binder.has_gate_up()) {
      std::tie(each.gate, each.up) = binder.expert_gate_up(i, experts.count, wide, hidden);
    } else {
      each.gate = binder.expert(&ModuleNames::expert_gate, i, experts.count, wide, hidden);
      each.up = binder.expert(&ModuleNames::expert_up, i, experts.count, wide, hidden);
    }
    each.down = binder.expert(&ModuleNames::expert_down, i, experts.count, hidden, wide);
    out.each.push_back(std::move(each));
  }
  if (shared == 0) return;
  out.shared = {binder.linear(&ModuleNames::shared_gate_proj, shared, hidden, false), binder.linear(&ModuleNames::shared_up, shared, hidden, false),
                binder.linear(&ModuleNames::shared_down, hidden, shared, false)};
  if (experts.shared_gate) out.shared_gate = binder.linear(&ModuleNames::shared_gate, 1, hidden, false);
}

DecoderLayer bind_layer(const DecoderConfig& config, size_t index, Binder& binder) {
  DecoderLayer layer;
  binder.enter(index);
  bind_norms(config, binder, layer);
  bind_attention(config, binder, layer);
  if (config.has_experts(index)) {
    bind_experts(config, binder, layer.experts);
  } else {
    bind_mlp(config, binder, layer);
  }
  binder.leave();
  return layer;
}

// Layers that predict further tokens come after the model's own.
void refuse_unused(const DecoderConfig& config, const WeightSource& source) {
  const ModuleNames& names = source.names() != nullptr ? *source.names() : config.names != nullptr ? *config.names : kLlamaNames;
  std::vector<std::string> unused = source.unused();
  for (uint32_t i = 0; i < config.surplus_layers; ++i) {
    const std::string prefix = std::string(names.layers) + std::to_string(config.layers + i) + ".";
    std::erase_if(unused, [&](const std::string& name) { return name.starts_with(prefix); });
  }
  if (unused.empty()) return;
  std::string message = source.what() + ": tensor " + unused.front() + " has no place in this architecture";
  if (unused.size() > 1) message += " (nor have " + std::to_string(unused.size() - 1) + " more)";
  throw Error(Code::unprocessable, message);
}

}  // namespace

std::string describe(const TensorShape& shape) {
  if (shape.vector) return "[" + std::to_string(shape.columns) + "]";
  return "[" + std::to_string(shape.rows) + ", " + std::to_string(shape.columns) + "]";
}

Decoder bind_decoder(DecoderConfig config, WeightSource& source) {
  Binder binder(config, source);
  Decoder out;
  out.embedding = binder.linear(&ModuleNames::embedding, config.vocab, config.hidden, false);
  if (config.learned_positions) out.positions = binder.linear(&ModuleNames::positions, config.context, config.hidden, false);
  out.layers.reserve(config.layers);
  for (uint32_t i = 0; i < config.layers; ++i) out.layers.push_back(bind_layer(config, i, binder));
  out.final_norm = binder.norm(&ModuleNames::final_norm, config.hidden);
  if (config.tied_embeddings) {
    binder.ignore(&ModuleNames::head, {config.vocab, config.hidden, false});
    out.head = {"lm_head", out.embedding.weight, {}};
  } else {
    out.head = binder.linear(&ModuleNames::head, config.vocab, config.hidden, false);
  }
  refuse_unused(config, source);
  out.storage = std::move(binder.storage);
  out.config = std::move(config);
  return out;
}

}  // namespace lyceum::models
