#include "tuning/model/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/matmul.h"
#include "kernels/rms_norm.h"
#include "tuning/model/embedding_noise.h"
#include "tuning/model/linear_pass.h"

namespace lyceum::tuning {

using kernels::ConstRows;
using kernels::Rows;
using kernels::Write;

namespace {

// What one layer's backward pass needs from its forward pass.
struct LayerMemory {
  Buffer h1, rstd1, q_raw, k_raw, rstd_q, rstd_k, q, k, v, attended, log_sum_exp;
  Buffer middle, h2, rstd2, gate, up, activated;
  LinearMemory low_q, low_k, low_v, low_o, low_gate, low_up, low_down;
};

// A (tokens, heads * head_dim) matrix seen as (tokens * heads, head_dim): a norm per head.
Rows per_head(Rows x, size_t head_dim) { return {x.data, x.rows * (x.columns / head_dim), head_dim}; }

bool trains(const TrainLinear& linear) { return linear.lora.has_value() || linear.weight_parameter != nullptr || linear.bias_parameter != nullptr; }
bool trains_qkv(const TrainLayer& layer) {
  return trains(layer.q) || trains(layer.k) || trains(layer.v) || layer.q_norm.parameter != nullptr || layer.k_norm.parameter != nullptr || layer.input_norm.parameter != nullptr;
}
bool trains(const TrainLayer& layer) {
  return trains_qkv(layer) || trains(layer.o) || trains(layer.gate) || trains(layer.up) || trains(layer.down) || layer.post_attention_norm.parameter != nullptr;
}

void copy_rows(ConstRows from, Rows to) { std::memcpy(to.data, from.data, from.rows * from.columns * sizeof(float)); }

}  // namespace

struct Network::State {
  TrainModel& model;
  ThreadPool& pool;
  NetworkOptions options;
  kernels::RopeTable rope;
  size_t hidden, q_columns, kv_columns;

  std::vector<Buffer> inputs;          // residual stream entering each layer
  std::vector<LayerMemory> memories;   // one per layer, or one in all with recompute
  Buffer stream, normed, final_rstd, dstream, dnormed, dq, dk, dv, dattended, dwide_gate, dwide_up, dhidden;
  Buffer chunk_rows, chunk_logits, chunk_gradient, losses;
  LinearScratch scratch;
  std::vector<uint32_t> documents;
  uint64_t dropout_key = 0;
  bool adapters = true;
  size_t lowest = 0;                  // the first layer with something to train; gradients end there unless the embedding is trained
  std::unique_ptr<State> other;      // the other model, when the reference is one

  State(TrainModel& model_in, ThreadPool& pool_in, const NetworkOptions& options_in)
      : model(model_in), pool(pool_in), options(options_in),
        rope(kernels::make_rope_table(model.config.rope.inverse_frequencies, options.positions_max, model.config.rope.attention_scale)),
        hidden(model.config.hidden),
        q_columns(size_t{model.config.heads} * model.config.head_dim),
        kv_columns(size_t{model.config.kv_heads} * model.config.head_dim),
        inputs(model.layers.size()), memories(options.recompute ? 1 : model.layers.size()) {
    while (lowest + 1 < model.layers.size() && !trains(model.layers[lowest])) ++lowest;
    if (options.reference != nullptr) other = std::make_unique<State>(*options.reference, pool, NetworkOptions{.head_chunk_rows = options.head_chunk_rows, .positions_max = options.positions_max});
  }

  LinearPass linear_pass() { return {pool, scratch, dropout_key, adapters}; }
  LayerMemory& memory(size_t layer) { return memories[options.recompute ? 0 : layer]; }

  kernels::AttentionShape attention_shape(const TrainLayer& layer) const {
    return {model.config.heads, model.config.kv_heads, model.config.head_dim, 1.0f / std::sqrt(static_cast<float>(model.config.head_dim)), layer.window};
  }

  void begin(const Batch& batch) {
    LYCEUM_CHECK(!batch.ids.empty() && batch.positions.size() == batch.ids.size(), "a batch has tokens and their positions");
    documents.assign(1, 0);
    for (const Segment& segment : batch.segments) {
      LYCEUM_CHECK(segment.begin == documents.back() && segment.end - segment.begin <= options.positions_max, "segments follow each other and fit");
      documents.push_back(segment.end);
    }
  }

  void norm_forward(const TrainNorm& norm, ConstRows x, Rows y, float* rstd) {
    kernels::rms_norm(pool, x, norm.weight, model.config.norm_epsilon, y, rstd);
  }
  void norm_backward(const TrainNorm& norm, ConstRows x, const float* rstd, ConstRows dy, Rows dx, Write write) {
    kernels::rms_norm_backward(pool, x, norm.weight, rstd, dy, dx, norm.parameter ? norm.parameter->gradient.data() : nullptr, write);
  }

  // q or k: the head norm if there is one, then the rotation. raw keeps what the norm's backward pass needs.
  void prepare_heads(const TrainNorm& norm, Rows x, Buffer& raw, Buffer& rstd, std::span<const int32_t> positions) {
    const size_t head_dim = model.config.head_dim;
    if (!norm.weight.empty()) {
      const Rows kept = raw.rows(x.rows, x.columns);
      copy_rows(x, kept);
      norm_forward(norm, per_head(kept, head_dim), per_head(x, head_dim), rstd.floats(x.rows * x.columns / head_dim));
    }
    kernels::rope(pool, x, head_dim, rope, positions);
  }
  void unprepare_heads(const TrainNorm& norm, Rows dx, Buffer& raw, Buffer& rstd, std::span<const int32_t> positions) {
    const size_t head_dim = model.config.head_dim;
    kernels::rope(pool, dx, head_dim, rope, positions, kernels::Turn::inverse);
    if (norm.weight.empty()) return;
    const Rows kept = raw.rows(dx.rows, dx.columns);
    norm_backward(norm, per_head(kept, head_dim), rstd.floats(dx.rows * dx.columns / head_dim), per_head(dx, head_dim), per_head(dx, head_dim), Write::set);
  }

  // x: (tokens, hidden), replaced by the layer's output. The layer's input is kept by the caller.
  void layer_forward(const TrainLayer& layer, LayerMemory& m, const Batch& batch, Rows x) {
    const size_t tokens = x.rows;
    const size_t wide = model.config.intermediate;
    LinearPass linear = linear_pass();
    const Rows h1 = m.h1.rows(tokens, hidden);
    norm_forward(layer.input_norm, x, h1, m.rstd1.floats(tokens));
    const Rows q = m.q.rows(tokens, q_columns), k = m.k.rows(tokens, kv_columns), v = m.v.rows(tokens, kv_columns);
    linear.forward(layer.q, h1, m.low_q, q);
    linear.forward(layer.k, h1, m.low_k, k);
    linear.forward(layer.v, h1, m.low_v, v);
    prepare_heads(layer.q_norm, q, m.q_raw, m.rstd_q, batch.positions);
    prepare_heads(layer.k_norm, k, m.k_raw, m.rstd_k, batch.positions);
    const Rows attended = m.attended.rows(tokens, q_columns);
    kernels::attention(pool, attention_shape(layer), documents, q, k, v, attended, m.log_sum_exp.floats(tokens * model.config.heads));
    const Rows middle = m.middle.rows(tokens, hidden);
    linear.forward(layer.o, attended, m.low_o, middle);
    kernels::add(pool, x, middle);

    const Rows h2 = m.h2.rows(tokens, hidden);
    norm_forward(layer.post_attention_norm, middle, h2, m.rstd2.floats(tokens));
    const Rows gate = m.gate.rows(tokens, wide), up = m.up.rows(tokens, wide), activated = m.activated.rows(tokens, wide);
    linear.forward(layer.gate, h2, m.low_gate, gate);
    linear.forward(layer.up, h2, m.low_up, up);
    kernels::silu_mul(pool, gate, up, activated);
    linear.forward(layer.down, activated, m.low_down, x);
    kernels::add(pool, middle, x);
  }

  bool ends_at(size_t layer) const { return layer == lowest && model.embedding.weight_parameter == nullptr; }

  // dx: the gradient of the layer's output, replaced by that of its input; unless `last`, as nothing below is trained.
  void layer_backward(const TrainLayer& layer, LayerMemory& m, const Batch& batch, ConstRows x, Rows dx, bool last) {
    const size_t tokens = x.rows;
    const size_t wide = model.config.intermediate;
    LinearPass linear = linear_pass();
    const Rows dgate = dwide_gate.rows(tokens, wide), dup = dwide_up.rows(tokens, wide), dh = dhidden.rows(tokens, hidden);
    linear.backward(layer.down, m.activated.rows(tokens, wide), m.low_down, dx, dgate, Write::set);
    kernels::silu_mul_backward(pool, m.gate.rows(tokens, wide), m.up.rows(tokens, wide), dgate, dgate, dup);
    const Rows h2 = m.h2.rows(tokens, hidden);
    linear.backward(layer.gate, h2, m.low_gate, dgate, dh, Write::set);
    linear.backward(layer.up, h2, m.low_up, dup, dh, Write::add);
    norm_backward(layer.post_attention_norm, m.middle.rows(tokens, hidden), m.rstd2.floats(tokens), dh, dx, Write::add);

    if (last && !trains(layer.o) && !trains_qkv(layer)) return;
    const Rows attended = m.attended.rows(tokens, q_columns), da = dattended.rows(tokens, q_columns);
    const bool below_o = !last || trains_qkv(layer);
    linear.backward(layer.o, attended, m.low_o, dx, below_o ? da : Rows(), Write::set);
    if (!below_o) return;
    const Rows gq = dq.rows(tokens, q_columns), gk = dk.rows(tokens, kv_columns), gv = dv.rows(tokens, kv_columns);
    kernels::attention_backward(pool, attention_shape(layer), documents, m.q.rows(tokens, q_columns), m.k.rows(tokens, kv_columns),
                                m.v.rows(tokens, kv_columns), attended, m.log_sum_exp.floats(tokens * model.config.heads), da, gq, gk, gv);
    unprepare_heads(layer.q_norm, gq, m.q_raw, m.rstd_q, batch.positions);
    unprepare_heads(layer.k_norm, gk, m.k_raw, m.rstd_k, batch.positions);
    const Rows h1 = m.h1.rows(tokens, hidden);
    const bool through = !last || layer.input_norm.parameter != nullptr;
    linear.backward(layer.q, h1, m.low_q, gq, through ? dh : Rows(), Write::set);
    linear.backward(layer.k, h1, m.low_k, gk, through ? dh : Rows(), Write::add);
    linear.backward(layer.v, h1, m.low_v, gv, through ? dh : Rows(), Write::add);
    if (through) norm_backward(layer.input_norm, x, m.rstd1.floats(tokens), dh, dx, Write::add);
  }

  // Runs all layers; returns the final norm's output. inputs[i] keeps each layer's input when keep is set.
  Rows body_forward(const Batch& batch, bool keep) {
    const size_t tokens = batch.tokens();
    const Rows x = stream.rows(tokens, hidden);
    kernels::embed(pool, model.embedding.weight, batch.ids, x);
    if (keep && options.embedding_noise > 0 && dropout_key != 0) add_embedding_noise(pool, x, batch.segments, options.embedding_noise, dropout_key);
    for (size_t i = 0; i < model.layers.size(); ++i) {
      if (keep) copy_rows(x, inputs[i].rows(tokens, hidden));
      layer_forward(model.layers[i], keep ? memory(i) : memories[0], batch, x);
    }
    const Rows out = normed.rows(tokens, hidden);
    norm_forward(model.final_norm, x, out, final_rstd.floats(tokens));
    return out;
  }

  // What the head does with each row that has a target: its loss times a weight is what gradients are taken of.
  struct HeadPass {
    bool gradients = false;
    float scale = 1;                                // of all rows
    const std::vector<float>* row_scales = nullptr; // of each token besides, if not null
    std::vector<float>* row_losses = nullptr;       // -log p of each token's target, if asked for
  };

  // The loss over the rows that have a target, a chunk at a time. With gradients, dnormed gets the gradient of the final
  // norm's output (zero for rows without a target).
  double head(const Batch& batch, ConstRows out, const HeadPass& pass) {
    std::vector<uint32_t> rows;
    for (uint32_t t = 0; t < batch.tokens(); ++t) {
      if (batch.targets[t] != kNoTarget) rows.push_back(t);
    }
    const Rows dout = dnormed.rows(batch.tokens(), hidden);
    if (pass.gradients) std::fill(dout.data, dout.data + batch.tokens() * hidden, 0.0f);
    double sum = 0;
    for (size_t at = 0; at < rows.size(); at += options.head_chunk_rows) {
      const std::span<const uint32_t> chunk = std::span(rows).subspan(at, std::min(options.head_chunk_rows, rows.size() - at));
      sum += head_chunk(batch, chunk, out, dout, pass);
    }
    return sum;
  }

  double head_chunk(const Batch& batch, std::span<const uint32_t> chunk, ConstRows out, Rows dout, const HeadPass& pass) {
    const Rows x = chunk_rows.rows(chunk.size(), hidden);
    std::vector<int32_t> labels(chunk.size());
    for (size_t i = 0; i < chunk.size(); ++i) {
      std::memcpy(x.row(i), out.row(chunk[i]), hidden * sizeof(float));
      labels[i] = batch.targets[chunk[i]];
    }
    const Rows logits = chunk_logits.rows(chunk.size(), model.config.vocab);
    float* loss = losses.floats(chunk.size());
    kernels::matmul(pool, x, model.head.weight, model.head.bias, logits);
    if (!pass.gradients) {
      kernels::cross_entropy(pool, logits, labels, loss);
    } else {
      kernels::cross_entropy_backward(pool, logits, labels, pass.scale, loss);
      for (size_t i = 0; i < chunk.size() && pass.row_scales != nullptr; ++i) kernels::scale(pool, {logits.row(i), logits.columns}, (*pass.row_scales)[chunk[i]]);
      const Rows dx = chunk_gradient.rows(chunk.size(), hidden);
      LinearMemory unused;
      linear_pass().backward(model.head, x, unused, logits, dx, Write::set);
      for (size_t i = 0; i < chunk.size(); ++i) std::memcpy(dout.row(chunk[i]), dx.row(i), hidden * sizeof(float));
    }
    double sum = 0;
    for (size_t i = 0; i < chunk.size(); ++i) {
      sum += loss[i];
      if (pass.row_losses != nullptr) (*pass.row_losses)[chunk[i]] = loss[i];
    }
    return sum;
  }

  // Log-probability of what is learned of a segment: of all of it, and of its answer.
  struct SegmentLogps {
    double all = 0, answer = 0;
    size_t tokens = 0, answer_tokens = 0;
  };
  std::vector<SegmentLogps> segment_logps(const Batch& batch, ConstRows out) {
    std::vector<float> row_losses(batch.tokens(), 0.0f);
    head(batch, out, {.row_losses = &row_losses});
    std::vector<SegmentLogps> logps;
    for (const Segment& segment : batch.segments) {
      SegmentLogps& sums = logps.emplace_back();
      for (uint32_t t = segment.begin; t < segment.end; ++t) {
        if (batch.targets[t] == kNoTarget) continue;
        ++sums.tokens;
        sums.all -= double{row_losses[t]};
        sums.answer_tokens += batch.answers[t];
        sums.answer -= batch.answers[t] ? double{row_losses[t]} : 0.0;
      }
    }
    return logps;
  }

  std::vector<SegmentLogps> reference_logps(const Batch& batch) {
    if (other) {
      other->begin(batch);
      return other->segment_logps(batch, other->body_forward(batch, false));
    }
    adapters = false;
    dropout_key = 0;
    auto logps = segment_logps(batch, body_forward(batch, false));
    adapters = true;
    return logps;
  }

  struct PreferenceScales {
    bool gradients = false;
    float pair = 0, token = 0;
  };
  PreferenceSums preference(const Batch& batch, const PreferenceOptions& wanted, const PreferenceScales& scales, uint64_t key) {
    LYCEUM_CHECK(batch.segments.size() % 2 == 0, "pairs have two documents");
    const bool orpo = wanted.loss == PreferenceLoss::orpo;
    const std::vector<SegmentLogps> reference = orpo ? std::vector<SegmentLogps>(batch.segments.size()) : reference_logps(batch);
    dropout_key = key;
    const Rows out = body_forward(batch, scales.gradients);
    const std::vector<SegmentLogps> policy = segment_logps(batch, out);
    PreferenceSums sums;
    std::vector<float> row_scales(batch.tokens(), 0.0f);   // of -log p
    const auto share = [&](const SegmentLogps& logps) { return orpo ? 1.0 / static_cast<double>(std::max<size_t>(1, logps.answer_tokens)) : 1.0; };
    for (size_t i = 0; i + 1 < policy.size(); i += 2) {
      const SegmentLogps &chosen = policy[i], &rejected = policy[i + 1];
      const AnswerLogps logps = {chosen.answer * share(chosen), rejected.answer * share(rejected)};
      const PairSlopes slopes = add_pair(wanted, logps, {reference[i].answer, reference[i + 1].answer}, sums);
      set_scales(batch, batch.segments[i], -slopes.chosen * share(chosen) * double{scales.pair}, double{scales.token}, row_scales);
      set_scales(batch, batch.segments[i + 1], -slopes.rejected * share(rejected) * double{scales.pair}, 0, row_scales);
      if (!orpo) continue;
      sums.nll -= chosen.all;
      sums.nll_tokens += chosen.tokens;
    }
    if (!scales.gradients) return sums;
    head(batch, out, {.gradients = true, .row_scales = &row_scales});
    body_backward(batch);
    return sums;
  }

  PreferenceSums examples(const Batch& batch, const PreferenceOptions& wanted, double kl, const PreferenceScales& scales, uint64_t key) {
    const std::vector<SegmentLogps> of_reference = reference_logps(batch);
    dropout_key = key;
    const Rows out = body_forward(batch, scales.gradients);
    const std::vector<SegmentLogps> policy = segment_logps(batch, out);
    PreferenceSums sums;
    std::vector<float> row_scales(batch.tokens(), 0.0f);   // of -log p
    for (size_t i = 0; i < policy.size(); ++i) {
      const double slope = add_example(wanted, policy[i].answer, of_reference[i].answer, kl, batch.segments[i].desirable, sums);
      set_scales(batch, batch.segments[i], -slope * double{scales.pair}, 0, row_scales);
    }
    if (!scales.gradients) return sums;
    head(batch, out, {.gradients = true, .row_scales = &row_scales});
    body_backward(batch);
    return sums;
  }

  double reference_gap(const Batch& batch) {
    double gap = 0;
    for (const SegmentLogps& logps : reference_logps(batch)) gap -= logps.answer;
    dropout_key = 0;
    for (const SegmentLogps& logps : segment_logps(batch, body_forward(batch, false))) gap += logps.answer;
    return gap;
  }

  static void set_scales(const Batch& batch, const Segment& segment, double of_answer, double of_all, std::vector<float>& row_scales) {
    for (uint32_t t = segment.begin; t < segment.end; ++t) row_scales[t] = static_cast<float>(of_all + (batch.answers[t] ? of_answer : 0.0));
  }

  void body_backward(const Batch& batch) {
    const size_t tokens = batch.tokens();
    const Rows dx = dstream.rows(tokens, hidden);
    norm_backward(model.final_norm, stream.rows(tokens, hidden), final_rstd.floats(tokens), dnormed.rows(tokens, hidden), dx, Write::set);
    for (size_t i = model.layers.size(); i-- > 0 && (i >= lowest || !ends_at(lowest));) {
      const Rows input = inputs[i].rows(tokens, hidden);
      if (options.recompute && i + 1 != model.layers.size()) {
        const Rows again = stream.rows(tokens, hidden);
        copy_rows(input, again);
        layer_forward(model.layers[i], memory(i), batch, again);
      }
      layer_backward(model.layers[i], memory(i), batch, input, dx, ends_at(i));
    }
    if (Parameter* table = model.embedding.weight_parameter) {
      kernels::embed_backward(pool, batch.ids, dx, Rows(table->gradient.data(), table->rows, table->columns));
    }
  }
};

Network::Network(TrainModel& model, ThreadPool& pool, const NetworkOptions& options) : state_(std::make_unique<State>(model, pool, options)) {
  update_dora_norms(model, pool);
}
Network::~Network() = default;

double Network::forward_backward(const Batch& batch, float gradient_scale, uint64_t dropout_key) {
  state_->dropout_key = dropout_key;
  state_->begin(batch);
  const Rows out = state_->body_forward(batch, true);
  const double sum = state_->head(batch, out, {.gradients = true, .scale = gradient_scale});
  state_->body_backward(batch);
  return sum;
}

PreferenceSums Network::preference_forward_backward(const Batch& batch, const PreferenceOptions& options, float pair_scale, uint64_t dropout_key, float token_scale) {
  state_->begin(batch);
  return state_->preference(batch, options, {.gradients = true, .pair = pair_scale, .token = token_scale}, dropout_key);
}

PreferenceSums Network::preference_loss(const Batch& batch, const PreferenceOptions& options) {
  state_->begin(batch);
  return state_->preference(batch, options, {}, 0);
}

double Network::reference_gap(const Batch& batch) {
  state_->begin(batch);
  return state_->reference_gap(batch);
}

PreferenceSums Network::examples_forward_backward(const Batch& batch, const PreferenceOptions& options, double kl, float example_scale, uint64_t dropout_key) {
  state_->begin(batch);
  return state_->examples(batch, options, kl, {.gradients = true, .pair = example_scale}, dropout_key);
}

PreferenceSums Network::examples_loss(const Batch& batch, const PreferenceOptions& options, double kl) {
  state_->begin(batch);
  return state_->examples(batch, options, kl, {}, 0);
}

double Network::loss(const Batch& batch) {
  state_->dropout_key = 0;
  state_->begin(batch);
  return state_->head(batch, state_->body_forward(batch, false), {});
}

}  // namespace lyceum::tuning
