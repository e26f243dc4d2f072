#include "models/bind.h"

#include "base/error.h"
#include "kernels/convert.h"

namespace lyceum::models {

namespace {

class Binder {
 public:
  explicit Binder(WeightSource& source) : source_(source) {}

  tensor::WeightView require(const std::string& name, const TensorShape& shape) {
    const tensor::WeightView view = source_.find(name, shape);
    if (view.empty()) throw Error(Code::unprocessable, source_.what() + ": tensor " + name + " " + describe(shape) + " is missing");
    return view;
  }

  Linear linear(const std::string& name, size_t rows, size_t columns, bool bias) {
    Linear out{name, require(name + ".weight", {rows, columns, false}), {}};
    if (bias) out.bias = as_floats(require(name + ".bias", {1, rows, true}));
    return out;
  }

  // Rows [first, first + rows) of a larger matrix, without its bias.
  static Linear part(const Linear& whole, size_t first, size_t rows) {
    tensor::WeightView view = whole.weight;
    view.data += first * tensor::row_bytes(view.dtype, view.columns);
    view.rows = rows;
    return {whole.name, view, {}};
  }

  Norm norm(const std::string& name, size_t columns, bool minus_one) {
    const tensor::WeightView view = require(name + ".weight", {1, columns, true});
    if (!minus_one) return {name, view};
    auto values = std::make_shared<std::vector<float>>(columns);
    kernels::dequantize(view.dtype, view.data, columns, values->data());
    for (float& value : *values) value += 1.0f;
    storage.push_back(values);
    return {name, {reinterpret_cast<const std::byte*>(values->data()), tensor::DType::f32, 1, columns}};
  }

  std::vector<std::shared_ptr<void>> storage;

 private:
  // Kernels take a bias as float*. It is small: one that is stored otherwise is converted into owned memory.
  tensor::WeightView as_floats(const tensor::WeightView& view) {
    const bool aligned = reinterpret_cast<uintptr_t>(view.data) % alignof(float) == 0;
    if (view.dtype == tensor::DType::f32 && aligned) return view;
    auto values = std::make_shared<std::vector<float>>(view.columns);
    kernels::dequantize(view.dtype, view.data, view.columns, values->data());
    storage.push_back(values);
    return {reinterpret_cast<const std::byte*>(values->data()), tensor::DType::f32, 1, view.columns};
  }

  WeightSource& source_;
};

void bind_norms(const DecoderConfig& config, const std::string& prefix, Binder& binder, DecoderLayer& layer) {
  const auto bind = [&](std::string_view name) { return binder.norm(prefix + std::string(name), config.hidden, config.norms_minus_one); };
  if (config.pre_norms) {
    layer.input_norm = bind("input_layernorm");
    // Where there are norms on both sides, "post_attention" is the one after attention.
    layer.post_attention_norm = bind(config.output_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm");
  }
  if (config.output_norms) {
    layer.attention_output_norm = bind("post_attention_layernorm");
    layer.mlp_output_norm = bind("post_feedforward_layernorm");
  }
}

void bind_projections(const DecoderConfig& config, const std::string& prefix, Binder& binder, DecoderLayer& layer) {
  const size_t q_rows = size_t{config.heads} * config.head_dim, kv_rows = size_t{config.kv_heads} * config.head_dim, wide = config.intermediate;
  const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
  if (config.fused_projections) {
    const Linear qkv = binder.linear(attention + "qkv_proj", q_rows + 2 * kv_rows, config.hidden, false);
    layer.q = Binder::part(qkv, 0, q_rows);
    layer.k = Binder::part(qkv, q_rows, kv_rows);
    layer.v = Binder::part(qkv, q_rows + kv_rows, kv_rows);
    const Linear gate_up = binder.linear(mlp + "gate_up_proj", 2 * wide, config.hidden, false);
    layer.gate = Binder::part(gate_up, 0, wide);
    layer.up = Binder::part(gate_up, wide, wide);
  } else {
    layer.q = binder.linear(attention + "q_proj", q_rows, config.hidden, config.qkv_bias);
    layer.k = binder.linear(attention + "k_proj", kv_rows, config.hidden, config.qkv_bias);
    layer.v = binder.linear(attention + "v_proj", kv_rows, config.hidden, config.qkv_bias);
    layer.gate = binder.linear(mlp + "gate_proj", wide, config.hidden, config.mlp_bias);
    layer.up = binder.linear(mlp + "up_proj", wide, config.hidden, config.mlp_bias);
  }
  layer.o = binder.linear(attention + "o_proj", config.hidden, q_rows, config.output_bias);
  layer.down = binder.linear(mlp + "down_proj", config.hidden, wide, config.mlp_bias);
}

DecoderLayer bind_layer(const DecoderConfig& config, const std::string& prefix, Binder& binder) {
  DecoderLayer layer;
  bind_norms(config, prefix, binder, layer);
  bind_projections(config, prefix, binder, layer);
  if (config.qk_norm) {
    const size_t q_columns = config.qk_norm_wide ? config.heads * config.head_dim : config.head_dim;
    const size_t k_columns = config.qk_norm_wide ? config.kv_heads * config.head_dim : config.head_dim;
    layer.q_norm = binder.norm(prefix + "self_attn.q_norm", q_columns, config.norms_minus_one);
    layer.k_norm = binder.norm(prefix + "self_attn.k_norm", k_columns, config.norms_minus_one);
  }
  return layer;
}

void refuse_unused(const WeightSource& source) {
  const std::vector<std::string> unused = source.unused();
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
  Binder binder(source);
  Decoder out;
  out.embedding = binder.linear("model.embed_tokens", config.vocab, config.hidden, false);
  out.layers.reserve(config.layers);
  for (uint32_t i = 0; i < config.layers; ++i) {
    out.layers.push_back(bind_layer(config, "model.layers." + std::to_string(i) + ".", binder));
  }
  out.final_norm = binder.norm("model.norm", config.hidden, config.norms_minus_one);
  if (config.tied_embeddings) {
    source.find("lm_head.weight", {config.vocab, config.hidden, false});  // some writers store the tied copy too
    out.head = {"lm_head", out.embedding.weight, {}};
  } else {
    out.head = binder.linear("lm_head", config.vocab, config.hidden, false);
  }
  refuse_unused(source);
  out.storage = std::move(binder.storage);
  out.config = std::move(config);
  return out;
}

}  // namespace lyceum::models
