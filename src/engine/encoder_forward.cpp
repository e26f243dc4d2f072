#include "engine/encoder_forward.h"

#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/matmul.h"

namespace lyceum::engine {

using kernels::ConstRows;
using kernels::Rows;
using kernels::Write;

EncoderForward::EncoderForward(const models::Encoder& encoder, ThreadPool& pool) : encoder_(encoder), pool_(pool) {}

ConstRows EncoderForward::run(std::span<const EncoderInput> inputs) {
  embed(inputs);
  for (const models::EncoderLayer& layer : encoder_.layers) run_layer(layer);
  return {hidden_.data(), total_, encoder_.config.hidden};
}

// Word, position and token type are added, then normalised.
void EncoderForward::embed(std::span<const EncoderInput> inputs) {
  const models::EncoderConfig& config = encoder_.config;
  std::vector<int32_t> ids, positions, types;
  firsts_.assign(1, 0);
  for (const EncoderInput& input : inputs) {
    for (size_t i = 0; i < input.ids.size(); ++i) {
      ids.push_back(input.ids[i]);
      positions.push_back(static_cast<int32_t>(config.first_position + i));
      types.push_back(i >= input.second && config.token_types > 1 ? 1 : 0);
    }
    firsts_.push_back(ids.size());
  }
  total_ = ids.size();
  const Rows hidden = rows_of(hidden_, total_, config.hidden), more = rows_of(attended_, total_, config.hidden);
  kernels::embed(pool_, encoder_.words, ids, hidden);
  kernels::embed(pool_, encoder_.types, types, more);
  kernels::add(pool_, more, hidden);
  kernels::embed(pool_, encoder_.positions, positions, more);
  kernels::add(pool_, more, hidden);
  normalise(encoder_.embedding_norm);
}

void EncoderForward::run_layer(const models::EncoderLayer& layer) {
  const models::EncoderConfig& config = encoder_.config;
  const Rows hidden(hidden_.data(), total_, config.hidden);
  multiply(layer.q, hidden, rows_of(q_, total_, config.hidden));
  multiply(layer.k, hidden, rows_of(k_, total_, config.hidden));
  multiply(layer.v, hidden, rows_of(v_, total_, config.hidden));
  rows_of(attended_, total_, config.hidden);
  for (size_t i = 0; i + 1 < firsts_.size(); ++i) attend(firsts_[i], firsts_[i + 1] - firsts_[i]);
  multiply(layer.o, {attended_.data(), total_, config.hidden}, hidden, Write::add);
  normalise(layer.attention_norm);
  const Rows wide = rows_of(wide_, total_, config.intermediate);
  multiply(layer.up, hidden, wide);
  kernels::gelu(pool_, wide);
  multiply(layer.down, wide, hidden, Write::add);
  normalise(layer.output_norm);
}

// Rows [first, first + rows) of q_, k_ and v_ -> attended_; every token of the text sees all of it.
void EncoderForward::attend(size_t first, size_t rows) {
  const size_t columns = encoder_.config.hidden, begin = first * columns;
  const auto part = [&](std::vector<float>& buffer) { return Rows(buffer.data() + begin, rows, columns); };
  attention_.run(pool_, encoder_.config.heads, part(q_), part(k_), part(v_), part(attended_));
}

ConstRows EncoderForward::labels(ConstRows firsts) {
  const Rows pooled = rows_of(pooled_, firsts.rows, firsts.columns);
  multiply(encoder_.head_dense, firsts, pooled);
  for (size_t row = 0; row < pooled.rows; ++row) {
    for (size_t i = 0; i < pooled.columns; ++i) pooled.row(row)[i] = std::tanh(pooled.row(row)[i]);
  }
  const Rows out = rows_of(labels_, firsts.rows, encoder_.config.labels);
  multiply(encoder_.head_out, pooled, out);
  return out;
}

void EncoderForward::normalise(const models::LayerNorm& norm) {
  const Rows hidden(hidden_.data(), total_, encoder_.config.hidden);
  kernels::layer_norm(pool_, hidden, norm.weight.data(), norm.bias.data(), encoder_.config.norm_epsilon, hidden);
}

void EncoderForward::multiply(const models::Linear& linear, ConstRows x, Rows y, Write write) {
  kernels::matmul(pool_, x, linear.weight, reinterpret_cast<const float*>(linear.bias.data), y, write);
}

Rows EncoderForward::rows_of(std::vector<float>& buffer, size_t rows, size_t columns) {
  if (buffer.size() < rows * columns) buffer.resize(rows * columns);
  return {buffer.data(), rows, columns};
}

}  // namespace lyceum::engine
