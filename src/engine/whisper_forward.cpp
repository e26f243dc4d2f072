#include "engine/whisper_forward.h"

#include <cmath>
#include <numeric>

#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/matmul.h"

namespace lyceum::engine {

using kernels::ConstRows;
using kernels::Rows;
using kernels::Write;

namespace {

constexpr float kNormEpsilon = 1e-5f;   // of every norm: PyTorch's own
constexpr size_t kTile = 64;            // attention reads blocks of a multiple of this in place

size_t round_up(size_t count) { return (count + kTile - 1) / kTile * kTile; }

Rows rows_of(std::vector<float>& buffer, size_t rows, size_t columns) {
  if (buffer.size() < rows * columns) buffer.resize(rows * columns);
  return {buffer.data(), rows, columns};
}

}  // namespace

WhisperForward::WhisperForward(const models::Whisper& model, ThreadPool& pool)
    : model_(model), pool_(pool), text_room_(round_up(model.config.text_positions)), sound_room_(round_up(model.config.sound_positions)) {
  reserve(text_, model.config.decoder_layers, text_room_);
  reserve(sound_, model.config.decoder_layers, sound_room_);
}

void WhisperForward::reserve(std::vector<Cache>& caches, size_t layers, size_t tokens) {
  caches.resize(layers);
  for (Cache& cache : caches) {
    cache.keys.resize(tokens * model_.config.hidden);
    cache.values.resize(tokens * model_.config.hidden);
    cache.key_block = reinterpret_cast<std::byte*>(cache.keys.data());
    cache.value_block = reinterpret_cast<std::byte*>(cache.values.data());
  }
}

kernels::KvCache WhisperForward::view(Cache& cache, size_t tokens) { return {tensor::DType::f32, tokens, &cache.key_block, &cache.value_block}; }

ConstRows WhisperForward::encode(ConstRows mel) {
  const models::WhisperConfig& config = model_.config;
  const Rows first = rows_of(wide_, config.window_frames(), config.hidden);
  convolve(model_.first, mel, 1, first);
  const Rows hidden = rows_of(hidden_, config.sound_positions, config.hidden);
  convolve(model_.second, first, 2, hidden);
  std::vector<int32_t> positions(config.sound_positions);
  std::iota(positions.begin(), positions.end(), 0);
  const Rows table = rows_of(attended_, config.sound_positions, config.hidden);
  kernels::embed(pool_, model_.sound_positions, positions, table);
  kernels::add(pool_, table, hidden);
  for (const models::WhisperEncoderLayer& layer : model_.encoder) encode_layer(layer, hidden);
  const Rows window = normalised(model_.encoder_norm, hidden);
  keep_window(window);
  return window;
}

// out[t] = gelu(bias + sum over k of weight[.., k] in[step t + k - 1]), zeros beyond the ends, as one product with the three frames side by side.
void WhisperForward::convolve(const models::Linear& weights, ConstRows in, size_t step, Rows out) {
  const Rows columns = rows_of(columns_, out.rows, in.columns * 3);
  pool_.run(out.rows, [&](size_t row, unsigned) {
    for (size_t k = 0; k < 3; ++k) {
      const size_t at = step * row + k;   // one ahead of the frame
      const float* frame = at >= 1 && at <= in.rows ? in.row(at - 1) : nullptr;
      for (size_t i = 0; i < in.columns; ++i) columns.row(row)[i * 3 + k] = frame != nullptr ? frame[i] : 0.0f;
    }
  });
  multiply(weights, columns, out);
  kernels::gelu(pool_, out);
}

void WhisperForward::encode_layer(const models::WhisperEncoderLayer& layer, Rows hidden) {
  const models::WhisperAttention& attention = layer.attention;
  const Rows normed = normalised(attention.norm, hidden);
  const Rows q = rows_of(q_, hidden.rows, hidden.columns), k = rows_of(k_, hidden.rows, hidden.columns), v = rows_of(v_, hidden.rows, hidden.columns);
  multiply(attention.q, normed, q);
  multiply(attention.k, normed, k);
  multiply(attention.v, normed, v);
  const Rows attended = rows_of(attended_, hidden.rows, hidden.columns);
  attention_.run(pool_, model_.config.encoder_heads, q, k, v, attended);
  multiply(attention.o, attended, hidden, Write::add);
  feed_forward(layer.norm, layer.up, layer.down, hidden);
}

// What every layer of the decoder attends to of the window.
void WhisperForward::keep_window(ConstRows window) {
  const Rows k = rows_of(k_, window.rows, window.columns), v = rows_of(v_, window.rows, window.columns);
  for (size_t i = 0; i < model_.decoder.size(); ++i) {
    multiply(model_.decoder[i].cross.k, window, k);
    multiply(model_.decoder[i].cross.v, window, v);
    kernels::kv_append(view(sound_[i], sound_room_), 0, k, v);
  }
}

ConstRows WhisperForward::decode(std::span<const int32_t> ids, size_t position) {
  const Rows hidden = rows_of(hidden_, ids.size(), model_.config.hidden), table = rows_of(attended_, ids.size(), model_.config.hidden);
  std::vector<int32_t> positions(ids.size());
  std::iota(positions.begin(), positions.end(), static_cast<int32_t>(position));
  kernels::embed(pool_, model_.words, ids, hidden);
  kernels::embed(pool_, model_.text_positions, positions, table);
  kernels::add(pool_, table, hidden);
  for (size_t i = 0; i < model_.decoder.size(); ++i) decode_layer(i, hidden, position);
  return normalised(model_.decoder_norm, hidden);
}

void WhisperForward::decode_layer(size_t index, Rows hidden, size_t position) {
  const models::WhisperDecoderLayer& layer = model_.decoder[index];
  attend_text(layer.self, text_[index], hidden, position);
  attend_sound(layer.cross, sound_[index], hidden);
  feed_forward(layer.norm, layer.up, layer.down, hidden);
}

void WhisperForward::attend_text(const models::WhisperAttention& attention, Cache& cache, Rows hidden, size_t position) {
  const Rows normed = normalised(attention.norm, hidden);
  const Rows q = rows_of(q_, hidden.rows, hidden.columns), k = rows_of(k_, hidden.rows, hidden.columns), v = rows_of(v_, hidden.rows, hidden.columns);
  multiply(attention.q, normed, q);
  multiply(attention.k, normed, k);
  multiply(attention.v, normed, v);
  const kernels::CachedQuery query{0, hidden.rows, position, view(cache, text_room_)};
  kernels::kv_append(query.cache, position, k, v);
  const Rows attended = rows_of(attended_, hidden.rows, hidden.columns);
  kernels::attention_cached(pool_, text_shape(), {&query, 1}, q, attended);
  multiply(attention.o, attended, hidden, Write::add);
}

// A row that stands after the whole window sees all of it.
void WhisperForward::attend_sound(const models::WhisperAttention& attention, Cache& cache, Rows hidden) {
  const Rows q = rows_of(q_, hidden.rows, hidden.columns), attended = rows_of(attended_, hidden.rows, hidden.columns);
  multiply(attention.q, normalised(attention.norm, hidden), q);
  std::vector<kernels::CachedQuery> queries;
  for (size_t row = 0; row < hidden.rows; ++row) queries.push_back({row, 1, model_.config.sound_positions - 1, view(cache, sound_room_)});
  kernels::attention_cached(pool_, text_shape(), queries, q, attended);
  multiply(attention.o, attended, hidden, Write::add);
}

kernels::AttentionShape WhisperForward::text_shape() const {
  const size_t heads = model_.config.decoder_heads, width = model_.config.hidden / heads;
  return {.heads = heads, .kv_heads = heads, .head_dim = width, .scale = 1.0f / std::sqrt(static_cast<float>(width))};
}

void WhisperForward::feed_forward(const models::LayerNorm& norm, const models::Linear& up, const models::Linear& down, Rows hidden) {
  const Rows wide = rows_of(wide_, hidden.rows, up.weight.rows);
  multiply(up, normalised(norm, hidden), wide);
  kernels::gelu(pool_, wide);
  multiply(down, wide, hidden, Write::add);
}

ConstRows WhisperForward::logits(ConstRows hidden) {
  const Rows out = rows_of(logits_, hidden.rows, model_.config.vocab);
  kernels::matmul(pool_, hidden, model_.words, nullptr, out);
  return out;
}

Rows WhisperForward::normalised(const models::LayerNorm& norm, ConstRows x) {
  const Rows out = rows_of(normed_, x.rows, x.columns);
  kernels::layer_norm(pool_, x, norm.weight.data(), norm.bias.data(), kNormEpsilon, out);
  return out;
}

void WhisperForward::multiply(const models::Linear& linear, ConstRows x, Rows y, Write write) {
  kernels::matmul(pool_, x, linear.weight, reinterpret_cast<const float*>(linear.bias.data), y, write);
}

}  // namespace lyceum::engine
