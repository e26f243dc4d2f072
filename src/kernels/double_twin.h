// double_twin.h: for tests: every op that is trained, forward and backward, in float64, written from the formulas and sharing no code with the
// kernels. The backward ops are proven by finite differences of the forward ones (double_test.cpp); the kernels are then held to them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/rope.h"

namespace lyceum::kernels::twin {

struct Matrix {
  size_t rows = 0, columns = 0;
  std::vector<double> v;
  Matrix() = default;
  Matrix(size_t r, size_t c) : rows(r), columns(c), v(r * c) {}
  template <typename Value>
  Matrix(size_t r, size_t c, const Value* values) : rows(r), columns(c), v(values, values + r * c) {}
  double& operator()(size_t r, size_t c) { return v[r * columns + c]; }
  double operator()(size_t r, size_t c) const { return v[r * columns + c]; }
};

inline Matrix product(const Matrix& x, const Matrix& w) {   // x · wᵀ
  Matrix y(x.rows, w.rows);
  for (size_t r = 0; r < x.rows; ++r) {
    for (size_t o = 0; o < w.rows; ++o) {
      for (size_t i = 0; i < x.columns; ++i) y(r, o) += x(r, i) * w(o, i);
    }
  }
  return y;
}

inline Matrix transposed(const Matrix& x) {
  Matrix t(x.columns, x.rows);
  for (size_t r = 0; r < x.rows; ++r) {
    for (size_t c = 0; c < x.columns; ++c) t(c, r) = x(r, c);
  }
  return t;
}
inline Matrix product_dx(const Matrix& dy, const Matrix& w) { return product(dy, transposed(w)); }
inline Matrix product_dw(const Matrix& dy, const Matrix& x) { return product(transposed(dy), transposed(x)); }

inline Matrix rms_norm(const Matrix& x, const Matrix& w, double epsilon) {
  Matrix y = x;
  for (size_t r = 0; r < x.rows; ++r) {
    double squares = 0;
    for (size_t c = 0; c < x.columns; ++c) squares += x(r, c) * x(r, c);
    const double root = 1 / std::sqrt(squares / static_cast<double>(x.columns) + epsilon);
    for (size_t c = 0; c < x.columns; ++c) y(r, c) *= root * w.v[c];
  }
  return y;
}
struct NormGradient {
  Matrix dx, dw;
};
inline NormGradient rms_norm_backward(const Matrix& x, const Matrix& w, double epsilon, const Matrix& dy) {
  NormGradient out{Matrix(x.rows, x.columns), Matrix(1, x.columns)};
  const auto n = static_cast<double>(x.columns);
  for (size_t r = 0; r < x.rows; ++r) {
    double squares = 0, dot = 0;
    for (size_t c = 0; c < x.columns; ++c) squares += x(r, c) * x(r, c), dot += dy(r, c) * w.v[c] * x(r, c);
    const double root = 1 / std::sqrt(squares / n + epsilon);
    for (size_t c = 0; c < x.columns; ++c) {
      out.dx(r, c) = root * dy(r, c) * w.v[c] - root * root * root * dot / n * x(r, c);
      out.dw.v[c] += dy(r, c) * x(r, c) * root;
    }
  }
  return out;
}

inline Matrix rope(Matrix x, size_t head_dim, const RopeTable& table, std::span<const int32_t> positions, bool inverse) {
  for (size_t r = 0; r < x.rows; ++r) {
    for (size_t head = 0; head < x.columns; head += head_dim) {
      for (size_t i = 0; i < table.half; ++i) {
        const size_t at = static_cast<size_t>(positions[r]) * table.half + i;
        const double cosine = double{table.cos[at]}, sine = inverse ? -double{table.sin[at]} : double{table.sin[at]};
        const double a = x(r, head + i), b = x(r, head + table.half + i);
        x(r, head + i) = a * cosine - b * sine;
        x(r, head + table.half + i) = b * cosine + a * sine;
      }
    }
  }
  return x;
}

inline double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }
inline Matrix silu_mul(const Matrix& gate, const Matrix& up) {
  Matrix y = gate;
  for (size_t i = 0; i < y.v.size(); ++i) y.v[i] = gate.v[i] * sigmoid(gate.v[i]) * up.v[i];
  return y;
}
struct SiluGradient {
  Matrix dgate, dup;
};
inline SiluGradient silu_mul_backward(const Matrix& gate, const Matrix& up, const Matrix& dy) {
  SiluGradient out{gate, up};
  for (size_t i = 0; i < gate.v.size(); ++i) {
    const double s = sigmoid(gate.v[i]);
    out.dgate.v[i] = dy.v[i] * up.v[i] * (s + gate.v[i] * s * (1 - s));
    out.dup.v[i] = dy.v[i] * gate.v[i] * s;
  }
  return out;
}

// chances(row, key) of one head, rows and keys of the whole batch; 0 where a row does not see a key.
inline Matrix chances(const AttentionShape& shape, std::span<const uint32_t> documents, const Matrix& q, const Matrix& k, size_t head) {
  Matrix p(q.rows, q.rows);
  const size_t d = shape.head_dim, kv = head / (shape.heads / shape.kv_heads);
  for (size_t doc = 0; doc + 1 < documents.size(); ++doc) {
    for (size_t r = documents[doc]; r < documents[doc + 1]; ++r) {
      const size_t first = shape.window == 0 ? documents[doc] : std::max<size_t>(documents[doc], r + 1 - std::min(r + 1, shape.window));
      double total = 0;
      for (size_t t = first; t <= r; ++t) {
        double score = 0;
        for (size_t i = 0; i < d; ++i) score += q(r, head * d + i) * k(t, kv * d + i);
        total += p(r, t) = std::exp(score * double{shape.scale});
      }
      for (size_t t = first; t <= r; ++t) p(r, t) /= total;
    }
  }
  return p;
}

inline Matrix attention(const AttentionShape& shape, std::span<const uint32_t> documents, const Matrix& q, const Matrix& k, const Matrix& v) {
  Matrix y(q.rows, q.columns);
  const size_t d = shape.head_dim;
  for (size_t head = 0; head < shape.heads; ++head) {
    const Matrix p = chances(shape, documents, q, k, head);
    const size_t kv = head / (shape.heads / shape.kv_heads);
    for (size_t r = 0; r < q.rows; ++r) {
      for (size_t t = 0; t <= r; ++t) {
        for (size_t i = 0; i < d; ++i) y(r, head * d + i) += p(r, t) * v(t, kv * d + i);
      }
    }
  }
  return y;
}

struct AttentionGradient {
  Matrix dq, dk, dv;
};
inline AttentionGradient attention_backward(const AttentionShape& shape, std::span<const uint32_t> documents, const Matrix& q, const Matrix& k, const Matrix& v, const Matrix& dy) {
  AttentionGradient out{Matrix(q.rows, q.columns), Matrix(k.rows, k.columns), Matrix(v.rows, v.columns)};
  const size_t d = shape.head_dim;
  for (size_t head = 0; head < shape.heads; ++head) {
    const Matrix p = chances(shape, documents, q, k, head);
    const size_t at = head * d, kv = head / (shape.heads / shape.kv_heads) * d;
    for (size_t r = 0; r < q.rows; ++r) {
      std::vector<double> dp(r + 1);
      double mean = 0;
      for (size_t t = 0; t <= r; ++t) {
        for (size_t i = 0; i < d; ++i) dp[t] += dy(r, at + i) * v(t, kv + i);
        mean += p(r, t) * dp[t];
      }
      for (size_t t = 0; t <= r; ++t) {
        const double dscore = p(r, t) * (dp[t] - mean) * double{shape.scale};
        for (size_t i = 0; i < d; ++i) {
          out.dv(t, kv + i) += p(r, t) * dy(r, at + i);
          out.dq(r, at + i) += dscore * k(t, kv + i);
          out.dk(t, kv + i) += dscore * q(r, at + i);
        }
      }
    }
  }
  return out;
}

// The sum of -log p over the rows with a label (>= 0), and its gradient.
inline double cross_entropy(const Matrix& logits, std::span<const int32_t> labels, Matrix* gradient = nullptr) {
  if (gradient != nullptr) *gradient = Matrix(logits.rows, logits.columns);
  double sum = 0;
  for (size_t r = 0; r < logits.rows; ++r) {
    if (labels[r] < 0) continue;
    const auto label = static_cast<size_t>(labels[r]);
    double total = 0;
    for (size_t c = 0; c < logits.columns; ++c) total += std::exp(logits(r, c));
    sum += std::log(total) - logits(r, label);
    for (size_t c = 0; gradient != nullptr && c < logits.columns; ++c) (*gradient)(r, c) = std::exp(logits(r, c)) / total - (c == label ? 1 : 0);
  }
  return sum;
}

inline Matrix embed(const Matrix& table, std::span<const int32_t> ids) {
  Matrix y(ids.size(), table.columns);
  for (size_t r = 0; r < y.rows; ++r) {
    for (size_t c = 0; c < y.columns; ++c) y(r, c) = table(static_cast<size_t>(ids[r]), c);
  }
  return y;
}
inline Matrix embed_backward(std::span<const int32_t> ids, const Matrix& dy, size_t rows) {
  Matrix d(rows, dy.columns);
  for (size_t r = 0; r < dy.rows; ++r) {
    for (size_t c = 0; c < dy.columns; ++c) d(static_cast<size_t>(ids[r]), c) += dy(r, c);
  }
  return d;
}

}  // namespace lyceum::kernels::twin
