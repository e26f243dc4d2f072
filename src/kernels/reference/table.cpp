// The kernels in plain scalar C++: what the vector paths are tested against. Written to be read, not to be fast. Products
// are the same fma chains as the vector paths and give the same bytes; row sums run left to right and differ in rounding.
#include "kernels/table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/convert.h"
#include "kernels/reference/blocks.h"

namespace lyceum::kernels::reference {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float exp_one(float x) {
  if (x < -87.33654f) return 0.0f;
  if (x > 88.72283f) return kInfinity;
  if (std::isnan(x)) return x;
  const float n = std::nearbyint(x * 1.44269504f);
  float r = std::fma(n, -0.693145752f, x);
  r = std::fma(n, -1.42860677e-6f, r);
  float p = 1.0f / 5040;
  for (const float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) p = std::fma(p, r, c);
  return std::ldexp(p, static_cast<int>(n));
}

float sigmoid(float z) { return 1.0f / (1.0f + exp_one(0.0f - z)); }

void dequantize(tensor::DType dtype, const std::byte* in, size_t count, float* out) noexcept {
  const auto half = [](const std::byte* p) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return bits;
  };
  for (size_t i = 0; i < count; ++i) {
    switch (dtype) {
      case tensor::DType::f32: std::memcpy(out + i, in + 4 * i, 4); break;
      case tensor::DType::f16: out[i] = f16_to_f32(half(in + 2 * i)); break;
      case tensor::DType::bf16: out[i] = bf16_to_f32(half(in + 2 * i)); break;
      default: {
        const size_t size = tensor::block_size(dtype);
        out[i] = block_value(dtype, in + tensor::row_bytes(dtype, i / size * size), i % size);
        break;
      }
    }
  }
}

void quantize(tensor::DType dtype, const float* in, size_t count, std::byte* out) noexcept {
  for (size_t i = 0; i < count; ++i) {
    if (dtype == tensor::DType::f32) {
      std::memcpy(out + 4 * i, in + i, 4);
    } else {
      const uint16_t bits = dtype == tensor::DType::f16 ? f32_to_f16(in[i]) : f32_to_bf16(in[i]);
      std::memcpy(out + 2 * i, &bits, 2);
    }
  }
}

void gemm_tile(const GemmJob& job, size_t m0, size_t m1, size_t n0, size_t n1) noexcept {
  const size_t columns = job.b_transposed ? job.k : n1;
  const size_t stored = job.b_transposed ? n1 - n0 : job.k;
  const size_t block = tensor::block_size(job.b_dtype);
  const size_t padded = (columns + block - 1) / block * block;
  std::vector<float> b(stored * padded);
  for (size_t r = 0; r < stored; ++r) {
    const size_t row = job.b_transposed ? n0 + r : r;
    dequantize(job.b_dtype, job.b + row * job.b_stride, padded, b.data() + r * padded);
  }
  for (size_t m = m0; m < m1; ++m) {
    for (size_t n = n0; n < n1; ++n) {
      float total = 0.0f;
      for (size_t k = 0; k < job.k; ++k) {
        const float right = job.b_transposed ? b[(n - n0) * padded + k] : b[k * padded + n];
        total = std::fma(job.a[m * job.a_row + k * job.a_k], right, total);
      }
      float value = total * job.scale;
      if (job.bias != nullptr) value += job.bias[n];
      float& c = job.c[m * job.c_row + n];
      c = job.add ? value + c : value;
    }
  }
}

float weight_at(const tensor::WeightView& weight, size_t column) {
  float value;
  dequantize(weight.dtype, weight.data + tensor::row_bytes(weight.dtype, column), 1, &value);
  return value;
}

void rms_norm(ConstRows x, const tensor::WeightView& weight, float epsilon, Rows y, float* rstd, size_t row0, size_t row1) noexcept {
  for (size_t r = row0; r < row1; ++r) {
    float squares = 0.0f;
    for (size_t c = 0; c < x.columns; ++c) squares += x.row(r)[c] * x.row(r)[c];
    const float root = 1.0f / std::sqrt(squares / static_cast<float>(x.columns) + epsilon);
    if (rstd != nullptr) rstd[r] = root;
    for (size_t c = 0; c < x.columns; ++c) y.row(r)[c] = x.row(r)[c] * root * weight_at(weight, c);
  }
}

void rms_norm_dx(ConstRows x, const tensor::WeightView& weight, const float* rstd, ConstRows dy, Rows dx, Write write, size_t row0,
                 size_t row1) noexcept {
  for (size_t r = row0; r < row1; ++r) {
    float dot = 0.0f;
    for (size_t c = 0; c < x.columns; ++c) dot += dy.row(r)[c] * weight_at(weight, c) * x.row(r)[c];
    const float pull = dot * rstd[r] * rstd[r] / static_cast<float>(x.columns);
    for (size_t c = 0; c < x.columns; ++c) {
      const float value = (dy.row(r)[c] * weight_at(weight, c) - x.row(r)[c] * pull) * rstd[r];
      dx.row(r)[c] = write == Write::add ? dx.row(r)[c] + value : value;
    }
  }
}

void rms_norm_dweight(ConstRows x, const float* rstd, ConstRows dy, float* dweight, size_t column0, size_t column1) noexcept {
  for (size_t c = column0; c < column1; ++c) {
    float total = 0.0f;
    for (size_t r = 0; r < x.rows; ++r) total = std::fma(dy.row(r)[c], x.row(r)[c] * rstd[r], total);
    dweight[c] += total;
  }
}

void column_sum(ConstRows x, float* sums, size_t column0, size_t column1) noexcept {
  for (size_t c = column0; c < column1; ++c) {
    float total = 0.0f;
    for (size_t r = 0; r < x.rows; ++r) total += x.row(r)[c];
    sums[c] += total;
  }
}

void rope(Rows x, size_t head_dim, const RopeTable& table, const int32_t* positions, Turn turn, size_t row0, size_t row1) noexcept {
  for (size_t r = row0; r < row1; ++r) {
    for (size_t head = 0; head < x.columns; head += head_dim) {
      for (size_t i = 0; i < table.half; ++i) {
        const size_t at = static_cast<size_t>(positions[r]) * table.half + i;
        const float sine = turn == Turn::inverse ? 0.0f - table.sin[at] : table.sin[at];
        float& low = x.row(r)[head + i];
        float& high = x.row(r)[head + table.half + i];
        const float a = low, b = high;
        low = a * table.cos[at] - b * sine;
        high = b * table.cos[at] + a * sine;
      }
    }
  }
}

void silu_mul(const float* gate, const float* up, float* out, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) out[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

void gelu_mul(const float* gate, const float* up, float* out, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) {
    const float z = gate[i];
    out[i] = z * sigmoid(1.5957691216057308f * std::fma(0.044715f * z * z, z, z)) * up[i];
  }
}

void silu_mul_backward(const float* gate, const float* up, const float* dout, float* dgate, float* dup, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) {
    const float u = up[i], d = dout[i], s = sigmoid(gate[i]), silu = gate[i] * s;
    dgate[i] = d * u * std::fma(silu, 1.0f - s, s);
    dup[i] = d * silu;
  }
}

void add(const float* x, float* y, float factor, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) y[i] = std::fma(factor, x[i], y[i]);
}

void scale(float* x, float factor, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) x[i] *= factor;
}

void exp_all(const float* in, float* out, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) out[i] = exp_one(in[i]);
}

void softmax(float* x, float factor, size_t count) noexcept {
  const float top = *std::max_element(x, x + count) * factor;
  float total = 0.0f;
  for (size_t i = 0; i < count; ++i) total += x[i] = exp_one(x[i] * factor - top);
  scale(x, 1.0f / total, count);
}

float log_sum_exp(const float* x, size_t count) noexcept {
  const float top = *std::max_element(x, x + count);
  if (top == -kInfinity) return top;
  double total = 0.0;
  for (size_t i = 0; i < count; ++i) total += exp_one(x[i] - top);
  return top + static_cast<float>(std::log(total));
}

void softmax_gradient(float* x, float log_sum, float factor, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) x[i] = exp_one(x[i] - log_sum) * factor;
}

void adamw(const AdamWConstants& o, float* weights, const float* gradients, float* first, float* second, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) {
    const float g = gradients[i] * o.gradient_scale;
    first[i] = std::fma(o.one_minus_beta1, g - first[i], first[i]);
    second[i] = second[i] * o.beta2 + o.one_minus_beta2 * g * g;
    weights[i] = weights[i] * o.decay + o.negative_step * first[i] / (std::sqrt(second[i]) / o.root_correction2 + o.epsilon);
  }
}

double sum_squares(const float* x, size_t count) noexcept {
  double total = 0.0;
  for (size_t i = 0; i < count; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

// ---- attention: a query row at a time, without tiles

size_t first_key(const AttentionShape& shape, size_t position) {
  return shape.window == 0 || position < shape.window ? 0 : position + 1 - shape.window;
}

float dot(const float* a, const float* b, size_t count) {
  float total = 0.0f;
  for (size_t i = 0; i < count; ++i) total = std::fma(a[i], b[i], total);
  return total;
}

// key(p) and value(p) give the vectors of position p.
template <typename Key, typename Value>
float attend(const AttentionShape& shape, const float* q, size_t position, Key key, Value value, float* out) {
  const size_t first = first_key(shape, position);
  std::vector<float> scores(position + 1 - first);
  for (size_t p = first; p <= position; ++p) scores[p - first] = dot(q, key(p), shape.head_dim) * shape.scale;
  if (shape.softcap != 0) {
    for (float& score : scores) score = shape.softcap * std::tanh(score / shape.softcap);
  }
  const float log_sum = log_sum_exp(scores.data(), scores.size());
  softmax(scores.data(), 1.0f, scores.size());
  std::fill(out, out + shape.values(), 0.0f);
  for (size_t p = first; p <= position; ++p) add(value(p), out, scores[p - first], shape.values());
  return log_sum;
}

void attention_rows(const AttentionJob& job, size_t begin, size_t end, size_t head, size_t row) noexcept {
  const AttentionShape& shape = job.shape;
  const size_t kv_head = head / (shape.heads / shape.kv_heads);
  for (size_t r = row; r < std::min(end, row + kAttentionRows); ++r) {
    const float log_sum = attend(
        shape, job.q.row(r) + head * shape.head_dim, r - begin, [&](size_t p) { return job.k.row(begin + p) + kv_head * shape.head_dim; },
        [&](size_t p) { return job.v.row(begin + p) + kv_head * shape.values(); }, job.out.row(r) + head * shape.values());
    if (job.log_sum_exp != nullptr) job.log_sum_exp[r * shape.heads + head] = log_sum;
  }
}

void gradient_row(const AttentionGradJob& job, size_t begin, size_t row, size_t head) {
  const AttentionShape& shape = job.shape;
  const size_t d = shape.head_dim, at = head * d, column = head / (shape.heads / shape.kv_heads) * d;
  const float inner = dot(job.dout.row(row) + at, job.out.row(row) + at, d);
  for (size_t p = first_key(shape, row - begin); p <= row - begin; ++p) {
    const float score = dot(job.q.row(row) + at, job.k.row(begin + p) + column, d) * shape.scale;
    const float chance = exp_one(score - job.log_sum_exp[row * shape.heads + head]);
    const float dscore = chance * (dot(job.dout.row(row) + at, job.v.row(begin + p) + column, d) - inner) * shape.scale;
    add(job.dout.row(row) + at, job.dv.row(begin + p) + column, chance, d);
    add(job.q.row(row) + at, job.dk.row(begin + p) + column, dscore, d);
    add(job.k.row(begin + p) + column, job.dq.row(row) + at, dscore, d);
  }
}

void attention_gradient(const AttentionGradJob& job, size_t begin, size_t end, size_t kv_head) noexcept {
  const AttentionShape& shape = job.shape;
  const size_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (size_t row = begin; row < end; ++row) {
    std::fill_n(job.dq.row(row) + kv_head * group * d, group * d, 0.0f);
    std::fill_n(job.dk.row(row) + kv_head * d, d, 0.0f);
    std::fill_n(job.dv.row(row) + kv_head * d, d, 0.0f);
  }
  for (size_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    for (size_t row = begin; row < end; ++row) gradient_row(job, begin, row, head);
  }
}

void attention_cached(const AttentionShape& shape, const CachedQuery& query, ConstRows q, Rows out, size_t head0, size_t head1, size_t row0,
                      size_t row1) noexcept {
  const size_t d = shape.head_dim, kv_head = head0 / (shape.heads / shape.kv_heads), columns = shape.kv_heads * d;
  std::byte* const* stored = query.cache.values == nullptr ? query.cache.keys : query.cache.values;
  const size_t length = query.position + query.rows;
  std::vector<float> keys(length * d), values(length * d);
  for (size_t p = 0; p < length; ++p) {
    const size_t block = p / query.cache.block_tokens;
    const size_t at = tensor::row_bytes(query.cache.dtype, p % query.cache.block_tokens * columns + kv_head * d);
    dequantize(query.cache.dtype, query.cache.keys[block] + at, d, keys.data() + p * d);
    dequantize(query.cache.dtype, stored[block] + at, d, values.data() + p * d);
  }
  for (size_t row = row0; row < row1; ++row) {
    for (size_t head = head0; head < head1; ++head) {
      attend(shape, q.row(row) + head * d, query.position + row - query.row, [&](size_t p) { return keys.data() + p * d; },
             [&](size_t p) { return values.data() + p * d; }, out.row(row) + head * shape.values());
    }
  }
}

}  // namespace

const Table kTable = {Isa::reference, gemm_tile, rms_norm, rms_norm_dx, rms_norm_dweight, column_sum, rope, silu_mul, gelu_mul, silu_mul_backward,
                      add, scale, exp_all, softmax, log_sum_exp, softmax_gradient, adamw, sum_squares, dequantize, quantize,
                      attention_rows, attention_gradient, attention_cached, activation_blocks, integer_tile};

}  // namespace lyceum::kernels::reference
