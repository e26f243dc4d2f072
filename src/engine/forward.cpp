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
  for (const kernels::IntegerProduct& one : products) {
    if (observer_) observer_(one.weight, x);
    if (products_ == Products::integer && kernels::has_integer_product(one.weight.dtype)) {
      integer_.push_back(one);
    } else {
      kernels::matmul(pool_, x, one.weight, one.bias, one.y, one.write);
    }
  }
  if (integer_.empty()) return;
  activations_.set(pool_, x);
  kernels::matmul_integer(pool_, activations_, integer_);
  integer_.clear();
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
  if (config.latent.rank != 0) {
    project_latent(index, normed);
    attend_latent(index, spans);
  } else {
    attend_directly(index, normed, spans);
  }
  const ConstRows attended(attended_.data(), total_, layer.o.weight.columns);
  join(layer.o, attended, layer.attention_output_norm, {index, &AdapterLayer::o});

  normed = norm_rows(layer.post_attention_norm, residual);
  if (config.has_experts(index)) {
    run_experts(index, normed);
  } else {
    run_mlp(index, normed);
  }
}

void Forward::attend_directly(size_t index, ConstRows x, std::span<const ForwardSpan> spans) {
  const models::DecoderConfig& config = decoder_.config;
  const models::DecoderLayer& layer = decoder_.layers[index];
  const size_t kv_columns = size_t{config.kv_heads} * config.head_dim;
  const Projection attention[] = {{&layer.q, rows_of(q_, total_, size_t{config.heads} * config.head_dim), {index, &AdapterLayer::q}},
                                  {&layer.k, rows_of(k_, total_, kv_columns), {index, &AdapterLayer::k}},
                                  {&layer.v, rows_of(v_, total_, kv_columns), {index, &AdapterLayer::v}}};
  apply(x, attention, groups_);
  attend(index, spans);
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
  for (const Rows& each : {q, k}) turn(each, decoder_.config.head_dim, which == models::LayerRope::local ? local_rope_groups_ : rope_groups_);
}

void Forward::turn(Rows heads, size_t head_dim, std::span<const RopeGroup> groups) {
  if (decoder_.config.rope_adjacent) kernels::part_neighbours(pool_, heads, head_dim, decoder_.config.rope.inverse_frequencies.size());
  for (const RopeGroup& group : groups) {
    kernels::rope(pool_, slice(heads, group.row, group.rows), head_dim, *group.table, std::span(positions_).subspan(group.row, group.rows));
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
  const size_t kv_columns = shape.kv_heads * shape.head_dim, half = cache_->half_bytes(), layer = index * cache_->layer_bytes();
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
      keys[i] = span.blocks[i]->memory.get() + layer;
      values[i] = keys[i] + half;
    }
    next += 2 * span.blocks.size();
    const kernels::KvCache cache{cache_->dtype, kBlockTokens, keys, cache_->values ? values : nullptr};
    const ConstRows k(k_.data() + row * kv_columns, span.rows, kv_columns);
    kernels::kv_append(cache, span.position, k, cache_->values ? ConstRows(v_.data() + row * kv_columns, span.rows, kv_columns) : k);
    queries_.push_back({row, span.rows, span.position, cache});
    row += span.rows;
  }
  const ConstRows q(q_.data(), total_, shape.heads * shape.head_dim);
  kernels::attention_cached(pool_, shape, queries_, q, Rows(attended_.data(), total_, shape.heads * shape.values()));
}

Rows Forward::rows_of(std::vector<float>& buffer, size_t rows, size_t columns) {
  if (buffer.size() < rows * columns) buffer.resize(rows * columns);
  return {buffer.data(), rows, columns};
}

}  // namespace lyceum::engine
