#include "engine/forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/layer_norm.h"
#include "kernels/matmul.h"
#include "kernels/rms_norm.h"
#include "kernels/routing.h"

namespace lyceum::engine {

namespace {

using kernels::ConstRows;
using kernels::Rows;
using kernels::Write;

constexpr size_t kRopeTablesMax = 16;
constexpr size_t kRopePositionsMin = 1024;

Rows slice(const Rows& rows, size_t first, size_t count) { return {rows.row(first), count, rows.columns, rows.stride}; }
ConstRows slice(const ConstRows& rows, size_t first, size_t count) { return {rows.row(first), count, rows.columns, rows.stride}; }

// (tokens, heads * head_dim) as (tokens * heads, head_dim).
Rows by_head(const Rows& rows, size_t head_dim) { return {rows.data, rows.rows * (rows.columns / head_dim), head_dim}; }

}  // namespace

Forward::Forward(const models::Decoder& decoder, ThreadPool& pool, const KvLayout* cache, Products products)
    : decoder_(decoder), pool_(pool), cache_(cache), products_(products) {}

void Forward::run(std::span<const int32_t> ids, std::span<const ForwardSpan> spans) {
  plan(spans);
  LYCEUM_CHECK(ids.size() == total_, "one id a row");
  const Rows residual = rows_of(residual_, total_, decoder_.config.hidden);
  kernels::embed(pool_, decoder_.embedding.weight, ids, residual);
  if (decoder_.config.embedding_scale != 1) kernels::scale(pool_, {residual.data, residual.rows * residual.columns}, decoder_.config.embedding_scale);
  if (decoder_.config.learned_positions) add_positions(residual);
  for (size_t i = 0; i < decoder_.layers.size(); ++i) run_layer(i, spans);
}

Rows Forward::final_hidden(std::span<const size_t> rows) {
  const size_t hidden = decoder_.config.hidden;
  const Rows out = rows_of(selected_, rows.size(), hidden);
  for (size_t i = 0; i < rows.size(); ++i) std::memcpy(out.row(i), residual_.data() + rows[i] * hidden, hidden * sizeof(float));
  normalise(decoder_.final_norm, out, out);
  return out;
}

Rows Forward::logits(std::span<const size_t> rows) {
  const Rows hidden = final_hidden(rows);
  const Rows out = rows_of(logits_, rows.size(), decoder_.config.vocab);
  std::vector<Group> groups;
  for (const Group& group : groups_) {
    const auto begin = std::lower_bound(rows.begin(), rows.end(), group.row);
    const auto end = std::lower_bound(begin, rows.end(), group.row + group.rows);
    if (begin != end) groups.push_back({static_cast<size_t>(begin - rows.begin()), static_cast<size_t>(end - begin), group.adapter});
  }
  if (groups.empty()) groups.push_back({0, rows.size(), nullptr});
  const Projection head{&decoder_.head, out, {}};
  apply(hidden, {&head, 1}, groups);
  if (decoder_.config.logits_scale != 1) kernels::scale(pool_, {out.data, out.rows * out.columns}, decoder_.config.logits_scale);
  if (decoder_.config.logits_softcap != 0) kernels::softcap(pool_, {out.data, out.rows * out.columns}, decoder_.config.logits_softcap);
  return out;
}

// Works out what all layers share: positions, runs of one adapter, runs of one rope table.
void Forward::plan(std::span<const ForwardSpan> spans) {
  total_ = 0;
  groups_.clear();
  positions_.clear();
  documents_.assign(1, 0);
  for (const ForwardSpan& span : spans) {
    if (!groups_.empty() && groups_.back().adapter == span.adapter) {
      groups_.back().rows += span.rows;
    } else {
      groups_.push_back({total_, span.rows, span.adapter});
    }
    for (size_t i = 0; i < span.rows; ++i) positions_.push_back(static_cast<int32_t>(span.position + i));
    total_ += span.rows;
    documents_.push_back(static_cast<uint32_t>(total_));
  }
  if (rope_tables_.size() > kRopeTablesMax) rope_tables_.clear();
  plan_rotation(decoder_.config.rope, spans, rope_groups_);
  if (!decoder_.config.local_rope.inverse_frequencies.empty()) plan_rotation(decoder_.config.local_rope, spans, local_rope_groups_);
}

void Forward::plan_rotation(const models::Rope& rope, std::span<const ForwardSpan> spans, std::vector<RopeGroup>& groups) {
  size_t positions_end = 0, row = 0;
  for (const ForwardSpan& span : spans) positions_end = std::max(positions_end, span.position + span.rows);
  for (const ForwardSpan& span : spans) get_rope_table(rope, span.rope_length, positions_end);  // grow first: pointers below stay valid
  groups.clear();
  for (const ForwardSpan& span : spans) {
    const kernels::RopeTable* table = get_rope_table(rope, span.rope_length, positions_end);
    if (!groups.empty() && groups.back().table == table) {
      groups.back().rows += span.rows;
    } else {
      groups.push_back({row, span.rows, table});
    }
    row += span.rows;
  }
}

const kernels::RopeTable* Forward::get_rope_table(const models::Rope& rope, uint64_t length, size_t positions) {
  uint64_t key = 0;
  if (rope.kind != models::Rope::Kind::fixed && length > rope.original_context) key = rope.kind == models::Rope::Kind::longrope ? 1 : length;
  kernels::RopeTable& table = rope_tables_[{&rope, key}];
  if (table.positions < positions) {
    const size_t wanted = std::max(positions, std::min<size_t>(std::max(2 * table.positions, kRopePositionsMin), decoder_.config.context));
    table = kernels::make_rope_table(rope.inverse_frequencies_for(length), wanted, rope.attention_scale);
  }
  return &table;
}

void Forward::multiply(ConstRows x, std::span<const kernels::IntegerProduct> products) {
  integer_.clear();
  for (const kernels::IntegerProduct& one : products) {
    if (products_ == Products::integer && kernels::has_integer_product(one.weight.dtype)) {
      integer_.push_back(one);
    } else {
      kernels::matmul(pool_, x, one.weight, one.bias, one.y, one.write);
    }
  }
  if (integer_.empty()) return;
  activations_.set(pool_, x);
  kernels::matmul_integer(pool_, activations_, integer_);
}

void Forward::apply(ConstRows x, std::span<const Projection> projections, std::span<const Group> groups) {
  // DoRA scales the base's part too, so that part is not the same for all rows.
  const auto apart = [&](const Projection& projection) {
    return std::any_of(groups.begin(), groups.end(), [&](const Group& group) { return group.adapter != nullptr && !projection.pair(*group.adapter).row_scale.empty(); });
  };
  together_.clear();
  for (const Projection& one : projections) {
    if (!apart(one)) together_.push_back({one.linear->weight, reinterpret_cast<const float*>(one.linear->bias.data), one.y, one.write});
  }
  multiply(x, together_);
  for (const Projection& one : projections) {
    for (const Group& group : groups) apply_adapter(one, x, group, apart(one));
  }
}

void Forward::apply_adapter(const Projection& projection, ConstRows x, const Group& group, bool apart) {
  const ConstRows rows = slice(x, group.row, group.rows);
  const Rows y = slice(projection.y, group.row, group.rows);
  const LowRank* pair = group.adapter == nullptr ? nullptr : &projection.pair(*group.adapter);
  if (pair != nullptr && !pair->row_scale.empty()) return apply_dora(*projection.linear, *pair, rows, y, projection.write);
  if (apart) {
    const kernels::IntegerProduct base{projection.linear->weight, reinterpret_cast<const float*>(projection.linear->bias.data), y, projection.write};
    multiply(rows, {&base, 1});
  }
  if (pair == nullptr || pair->a.empty()) return;
  const Rows low = rows_of(low_rank_, group.rows, pair->a.rows);
  kernels::matmul(pool_, rows, pair->a, nullptr, low);
  kernels::matmul(pool_, low, pair->b, nullptr, y, Write::add, pair->scale);
}

void Forward::apply_dora(const models::Linear& linear, const LowRank& pair, ConstRows x, Rows y, Write write) {
  const auto* bias = reinterpret_cast<const float*>(linear.bias.data);
  const Rows combined = rows_of(combined_, x.rows, y.columns), low = rows_of(low_rank_, x.rows, pair.a.rows);
  const kernels::IntegerProduct base{linear.weight, nullptr, combined};
  multiply(x, {&base, 1});
  kernels::matmul(pool_, x, pair.a, nullptr, low);
  kernels::matmul(pool_, low, pair.b, nullptr, combined, Write::add, pair.scale);
  const bool add = write == Write::add;
  pool_.run(y.rows, [&](size_t row, unsigned) {
    for (size_t j = 0; j < y.columns; ++j) {
      const float value = pair.row_scale[j] * combined.row(row)[j] + (bias != nullptr ? bias[j] : 0.0f);
      y.row(row)[j] = add ? y.row(row)[j] + value : value;
    }
  });
}

void Forward::run_layer(size_t index, std::span<const ForwardSpan> spans) {
  const models::DecoderConfig& config = decoder_.config;
  const models::DecoderLayer& layer = decoder_.layers[index];
  const Rows residual(residual_.data(), total_, config.hidden);
  ConstRows normed = norm_rows(layer.input_norm, residual);
  const size_t kv_columns = size_t{config.kv_heads} * config.head_dim;
  const Projection attention[] = {{&layer.q, rows_of(q_, total_, size_t{config.heads} * config.head_dim), {index, &AdapterLayer::q}},
                                  {&layer.k, rows_of(k_, total_, kv_columns), {index, &AdapterLayer::k}},
                                  {&layer.v, rows_of(v_, total_, kv_columns), {index, &AdapterLayer::v}}};
  apply(normed, attention, groups_);
  attend(index, spans);
  const ConstRows attended(attended_.data(), total_, size_t{config.heads} * config.head_dim);
  join(layer.o, attended, layer.attention_output_norm, {index, &AdapterLayer::o});

  normed = norm_rows(layer.post_attention_norm, residual);
  if (config.has_experts(index)) {
    run_experts(index, normed);
  } else {
    run_mlp(index, normed);
  }
}

void Forward::run_mlp(size_t index, ConstRows x) {
  const models::DecoderLayer& layer = decoder_.layers[index];
  const Rows gate = rows_of(gate_, total_, decoder_.config.intermediate), up = rows_of(up_, total_, decoder_.config.intermediate);
  const Projection gates[] = {{&layer.up, up, {index, &AdapterLayer::up}}, {&layer.gate, gate, {index, &AdapterLayer::gate}}};
  apply(x, std::span(gates).first(decoder_.config.gated ? 2 : 1), groups_);
  join(layer.down, activate(gate, up), layer.mlp_output_norm, {index, &AdapterLayer::down});
}

Rows Forward::activate(Rows gate, Rows up) {
  if (!decoder_.config.gated) {
    const std::vector<float> ones(up.columns, 1.0f);
    kernels::gelu_mul(pool_, up, {ones.data(), up.rows, up.columns, 0}, gate);   // one row of ones for all
  } else if (decoder_.config.activation == models::Activation::gelu_tanh) {
    kernels::gelu_mul(pool_, gate, up, gate);
  } else {
    kernels::silu_mul(pool_, gate, up, gate);
  }
  return gate;
}

// Experts are taken in ascending order, each with all rows that chose it: a row's sum has the same order whatever else is in the batch.
void Forward::run_experts(size_t index, ConstRows x) {
  const models::ExpertsConfig& config = decoder_.config.experts;
  const models::Experts& experts = decoder_.layers[index].experts;
  const Rows scores = rows_of(scores_, total_, config.count);
  kernels::matmul(pool_, x, experts.router.weight, nullptr, scores);
  choices_.resize(total_ * config.chosen);
  choice_weights_.resize(choices_.size());
  kernels::route(scores, config.chosen, config.normalise, choices_.data(), choice_weights_.data());
  const Rows mixed = rows_of(mixed_, total_, x.columns);
  std::fill_n(mixed.data, mixed.rows * mixed.columns, 0.0f);
  for (size_t expert = 0; expert < config.count; ++expert) {
    chosen_.clear();
    for (size_t i = 0; i < choices_.size(); ++i) {
      if (choices_[i] == static_cast<int32_t>(expert)) chosen_.push_back({i / config.chosen, choice_weights_[i]});
    }
    if (!chosen_.empty()) run_expert(experts.each[expert], x, mixed);
  }
  if (config.shared_intermediate != 0) run_shared_expert(experts, x, mixed);
  join_rows(mixed, decoder_.layers[index].mlp_output_norm);
}

void Forward::run_expert(const models::Mlp& expert, ConstRows x, Rows y) {
  const size_t count = chosen_.size(), wide = decoder_.config.experts.intermediate;
  const Rows rows = rows_of(gathered_, count, x.columns), gate = rows_of(gate_, count, wide), up = rows_of(up_, count, wide);
  for (size_t i = 0; i < count; ++i) std::memcpy(rows.row(i), x.row(chosen_[i].row), x.columns * sizeof(float));
  const kernels::IntegerProduct gates[] = {{expert.gate.weight, nullptr, gate}, {expert.up.weight, nullptr, up}};
  multiply(rows, gates);
  const Rows out = rows_of(expert_out_, count, y.columns);
  const kernels::IntegerProduct down{expert.down.weight, nullptr, out};
  multiply(activate(gate, up), {&down, 1});
  for (size_t i = 0; i < count; ++i) kernels::add(pool_, slice(ConstRows(out), i, 1), slice(y, chosen_[i].row, 1), chosen_[i].weight);
}

void Forward::run_shared_expert(const models::Experts& experts, ConstRows x, Rows y) {
  const size_t wide = decoder_.config.experts.shared_intermediate;
  const Rows gate = rows_of(gate_, total_, wide), up = rows_of(up_, total_, wide), out = rows_of(expert_out_, total_, y.columns);
  const kernels::IntegerProduct gates[] = {{experts.shared.gate.weight, nullptr, gate}, {experts.shared.up.weight, nullptr, up}};
  multiply(x, gates);
  const kernels::IntegerProduct down{experts.shared.down.weight, nullptr, out};
  multiply(activate(gate, up), {&down, 1});
  if (!decoder_.config.experts.shared_gate) return kernels::add(pool_, out, y);
  const Rows open = rows_of(scores_, total_, 1);
  kernels::matmul(pool_, x, experts.shared_gate.weight, nullptr, open);
  for (size_t i = 0; i < total_; ++i) {
    kernels::add(pool_, slice(ConstRows(out), i, 1), slice(y, i, 1), 1.0f / (1.0f + std::exp(-open.row(i)[0])));
  }
}

void Forward::add_positions(Rows residual) {
  const Rows positions = rows_of(joined_, total_, residual.columns);
  kernels::embed(pool_, decoder_.positions.weight, positions_, positions);
  kernels::add(pool_, positions, residual);
}

void Forward::normalise(const models::Norm& norm, ConstRows x, Rows y) {
  if (decoder_.config.norm == models::NormKind::rms) return kernels::rms_norm(pool_, x, norm.weight, decoder_.config.norm_epsilon, y);
  const auto floats = [](const tensor::WeightView& view) { return reinterpret_cast<const float*>(view.data); };
  kernels::layer_norm(pool_, x, floats(norm.weight), floats(norm.bias), decoder_.config.norm_epsilon, y);
}

ConstRows Forward::norm_rows(const models::Norm& norm, ConstRows x) {
  if (norm.weight.empty()) return x;
  const Rows out = rows_of(normed_, x.rows, x.columns);
  normalise(norm, x, out);
  return out;
}

void Forward::join(const models::Linear& linear, ConstRows x, const models::Norm& norm, PairOf pair) {
  const Rows residual(residual_.data(), total_, decoder_.config.hidden);
  const bool straight = norm.weight.empty() && decoder_.config.residual_scale == 1;
  const Rows joined = straight ? residual : rows_of(joined_, total_, residual.columns);
  const Projection projection{&linear, joined, pair, straight ? Write::add : Write::set};
  apply(x, {&projection, 1}, groups_);
  if (!straight) join_rows(joined, norm);
}

void Forward::join_rows(Rows joined, const models::Norm& norm) {
  if (!norm.weight.empty()) normalise(norm, joined, joined);
  kernels::add(pool_, joined, Rows(residual_.data(), total_, decoder_.config.hidden), decoder_.config.residual_scale);
}

void Forward::norm_heads(const models::DecoderLayer& layer, Rows q, Rows k) {
  const models::DecoderConfig& config = decoder_.config;
  const Rows q_norm = config.qk_norm_wide ? q : by_head(q, config.head_dim), k_norm = config.qk_norm_wide ? k : by_head(k, config.head_dim);
  kernels::rms_norm(pool_, q_norm, layer.q_norm.weight, config.norm_epsilon, q_norm);
  kernels::rms_norm(pool_, k_norm, layer.k_norm.weight, config.norm_epsilon, k_norm);
}

void Forward::rotate(size_t index, Rows q, Rows k) {
  const models::LayerRope which = decoder_.config.rope_of(index);
  if (which == models::LayerRope::none) return;
  if (decoder_.config.rope_adjacent) {
    for (const Rows& each : {q, k}) kernels::part_neighbours(pool_, each, decoder_.config.head_dim, decoder_.config.rope.inverse_frequencies.size());
  }
  for (const RopeGroup& group : which == models::LayerRope::local ? local_rope_groups_ : rope_groups_) {
    const std::span<const int32_t> positions(positions_.data() + group.row, group.rows);
    kernels::rope(pool_, slice(q, group.row, group.rows), decoder_.config.head_dim, *group.table, positions);
    kernels::rope(pool_, slice(k, group.row, group.rows), decoder_.config.head_dim, *group.table, positions);
  }
}

// q_, k_, v_ -> attended_.
void Forward::attend(size_t index, std::span<const ForwardSpan> spans) {
  const models::DecoderConfig& config = decoder_.config;
  const models::DecoderLayer& layer = decoder_.layers[index];
  const Rows q(q_.data(), total_, size_t{config.heads} * config.head_dim);
  const Rows k(k_.data(), total_, size_t{config.kv_heads} * config.head_dim);
  const Rows v(v_.data(), total_, k.columns);
  if (config.qk_norm) norm_heads(layer, q, k);
  rotate(index, q, k);
  const Rows out = rows_of(attended_, total_, q.columns);
  const float scale = config.attention_scale != 0 ? config.attention_scale : 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  const kernels::AttentionShape shape{config.heads, config.kv_heads, config.head_dim, scale, config.sliding_window[index], config.attention_softcap};
  if (cache_ != nullptr) return attend_cached(index, spans, shape);
  kernels::attention(pool_, shape, documents_, q, k, v, out, nullptr);
}

void Forward::attend_cached(size_t index, std::span<const ForwardSpan> spans, const kernels::AttentionShape& shape) {
  const size_t kv_columns = shape.kv_heads * shape.head_dim, half = cache_->half_bytes();
  size_t blocks = 0;
  for (const ForwardSpan& span : spans) blocks += span.blocks.size();
  block_pointers_.resize(2 * blocks);
  queries_.clear();
  std::byte** next = block_pointers_.data();
  size_t row = 0;
  for (const ForwardSpan& span : spans) {
    std::byte** keys = next;
    std::byte** values = next + span.blocks.size();
    for (size_t i = 0; i < span.blocks.size(); ++i) {
      keys[i] = span.blocks[i]->memory.get() + 2 * index * half;
      values[i] = keys[i] + half;
    }
    next += 2 * span.blocks.size();
    const kernels::KvCache cache{cache_->dtype, kBlockTokens, keys, values};
    kernels::kv_append(cache, span.position, ConstRows(k_.data() + row * kv_columns, span.rows, kv_columns),
                       ConstRows(v_.data() + row * kv_columns, span.rows, kv_columns));
    queries_.push_back({row, span.rows, span.position, cache});
    row += span.rows;
  }
  const size_t columns = shape.heads * shape.head_dim;
  kernels::attention_cached(pool_, shape, queries_, ConstRows(q_.data(), total_, columns), Rows(attended_.data(), total_, columns));
}

Rows Forward::rows_of(std::vector<float>& buffer, size_t rows, size_t columns) {
  if (buffer.size() < rows * columns) buffer.resize(rows * columns);
  return {buffer.data(), rows, columns};
}

}  // namespace lyceum::engine
