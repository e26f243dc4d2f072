// rows.inl: everything that works a row at a time. Partial vectors are zero-filled; sums run over lanes and then the halving
// tree of v16, so both vector instruction sets give the same bytes.

// e^x by x = n ln2 + r, |r| <= ln2 / 2, and the Taylor series of degree 7 (its remainder is 5e-9, a tenth of an ulp).
static inline v16 exp16(v16 x) {
  const v16 low = set1(-87.33654f), high = set1(88.72283f);
  const v16 safe = min(high, max(low, x));
  const v16 n = round(safe * set1(1.44269504f));
  v16 r = fma(n, set1(-0.693145752f), safe);
  r = fma(n, set1(-1.42860677e-6f), r);
  v16 p = set1(1.0f / 5040);
  p = fma(p, r, set1(1.0f / 720));
  p = fma(p, r, set1(1.0f / 120));
  p = fma(p, r, set1(1.0f / 24));
  p = fma(p, r, set1(1.0f / 6));
  p = fma(p, r, set1(0.5f));
  p = fma(p, r, set1(1.0f));
  p = fma(p, r, set1(1.0f));
  const v16 value = select_less(x, low, zero(), times_power_of_two(p, n));
  return select_less(high, x, set1(std::numeric_limits<float>::infinity()), value);
}

static inline size_t lanes(size_t left) { return left < 16 ? left : 16; }

static void exp_all(const float* in, float* out, size_t count) noexcept {
  for (size_t i = 0; i < count; i += 16) store_part(out + i, exp16(load_part(in + i, lanes(count - i))), lanes(count - i));
}

// ---- rms_norm

template <tensor::DType D>
static inline v16 weight_at(const tensor::WeightView& weight, size_t column, size_t count) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  const std::byte* p = weight.data + column * kBytes;
  return count == 16 ? load16<D>(p) : load16_part<D>(p, count);
}

static inline float root_of_mean_square(const float* x, size_t columns, float epsilon) {
  v16 squares = zero();
  for (size_t c = 0; c < columns; c += 16) {
    const v16 value = load_part(x + c, lanes(columns - c));
    squares = fma(value, value, squares);
  }
  return 1.0f / std::sqrt(sum(squares) / static_cast<float>(columns) + epsilon);
}

template <tensor::DType D>
static void norm_rows(ConstRows x, const tensor::WeightView& weight, float epsilon, Rows y, float* rstd, size_t row0, size_t row1) {
  for (size_t r = row0; r < row1; ++r) {
    const float* in = x.row(r);
    const float root = root_of_mean_square(in, x.columns, epsilon);
    if (rstd != nullptr) rstd[r] = root;
    for (size_t c = 0; c < x.columns; c += 16) {
      const size_t count = lanes(x.columns - c);
      store_part(y.row(r) + c, load_part(in + c, count) * set1(root) * weight_at<D>(weight, c, count), count);
    }
  }
}

template <tensor::DType D>
static void norm_dx_rows(ConstRows x, const tensor::WeightView& weight, const float* rstd, ConstRows dy, Rows dx, Write write, size_t row0,
                         size_t row1) {
  for (size_t r = row0; r < row1; ++r) {
    const float* in = x.row(r);
    const float* grad = dy.row(r);
    v16 dot = zero();
    for (size_t c = 0; c < x.columns; c += 16) {
      const size_t count = lanes(x.columns - c);
      dot = fma(load_part(grad + c, count) * weight_at<D>(weight, c, count), load_part(in + c, count), dot);
    }
    const float pull = sum(dot) * rstd[r] * rstd[r] / static_cast<float>(x.columns);
    for (size_t c = 0; c < x.columns; c += 16) {
      const size_t count = lanes(x.columns - c);
      const v16 g = load_part(grad + c, count) * weight_at<D>(weight, c, count);
      const v16 value = (g - load_part(in + c, count) * set1(pull)) * set1(rstd[r]);
      float* out = dx.row(r) + c;
      store_part(out, write == Write::add ? load_part(out, count) + value : value, count);
    }
  }
}

static void rms_norm(ConstRows x, const tensor::WeightView& weight, float epsilon, Rows y, float* rstd, size_t row0, size_t row1) noexcept {
  switch (weight.dtype) {
    case tensor::DType::f16: norm_rows<tensor::DType::f16>(x, weight, epsilon, y, rstd, row0, row1); break;
    case tensor::DType::bf16: norm_rows<tensor::DType::bf16>(x, weight, epsilon, y, rstd, row0, row1); break;
    default: norm_rows<tensor::DType::f32>(x, weight, epsilon, y, rstd, row0, row1); break;
  }
}

static void rms_norm_dx(ConstRows x, const tensor::WeightView& weight, const float* rstd, ConstRows dy, Rows dx, Write write, size_t row0,
                        size_t row1) noexcept {
  switch (weight.dtype) {
    case tensor::DType::f16: norm_dx_rows<tensor::DType::f16>(x, weight, rstd, dy, dx, write, row0, row1); break;
    case tensor::DType::bf16: norm_dx_rows<tensor::DType::bf16>(x, weight, rstd, dy, dx, write, row0, row1); break;
    default: norm_dx_rows<tensor::DType::f32>(x, weight, rstd, dy, dx, write, row0, row1); break;
  }
}

static void rms_norm_dweight(ConstRows x, const float* rstd, ConstRows dy, float* dweight, size_t column0, size_t column1) noexcept {
  for (size_t c = column0; c < column1; c += 16) {
    const size_t count = lanes(column1 - c);
    v16 total = zero();
    for (size_t r = 0; r < x.rows; ++r) {
      total = fma(load_part(dy.row(r) + c, count), load_part(x.row(r) + c, count) * set1(rstd[r]), total);
    }
    store_part(dweight + c, load_part(dweight + c, count) + total, count);
  }
}

static void column_sum(ConstRows x, float* sums, size_t column0, size_t column1) noexcept {
  for (size_t c = column0; c < column1; c += 16) {
    const size_t count = lanes(column1 - c);
    v16 total = zero();
    for (size_t r = 0; r < x.rows; ++r) total = total + load_part(x.row(r) + c, count);
    store_part(sums + c, load_part(sums + c, count) + total, count);
  }
}

// ---- rope

static void rope(Rows x, size_t head_dim, const RopeTable& table, const int32_t* positions, Turn turn, size_t row0, size_t row1) noexcept {
  const size_t half = table.half;
  for (size_t r = row0; r < row1; ++r) {
    const size_t at = static_cast<size_t>(positions[r]) * half;
    for (float* head = x.row(r); head < x.row(r) + x.columns; head += head_dim) {
      for (size_t i = 0; i < half; i += 16) {
        const size_t count = lanes(half - i);
        const v16 cosine = load_part(table.cos.data() + at + i, count);
        v16 sine = load_part(table.sin.data() + at + i, count);
        if (turn == Turn::inverse) sine = zero() - sine;
        const v16 a = load_part(head + i, count);
        const v16 b = load_part(head + half + i, count);
        store_part(head + i, a * cosine - b * sine, count);
        store_part(head + half + i, b * cosine + a * sine, count);
      }
    }
  }
}

// ---- elementwise

static inline v16 sigmoid(v16 z) { return set1(1.0f) / (set1(1.0f) + exp16(zero() - z)); }

static void silu_mul(const float* gate, const float* up, float* out, size_t count) noexcept {
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    const v16 z = load_part(gate + i, n);
    store_part(out + i, z * sigmoid(z) * load_part(up + i, n), n);
  }
}

static void gelu_mul(const float* gate, const float* up, float* out, size_t count) noexcept {
  const v16 twice = set1(1.5957691216057308f);   // 2 sqrt(2 / pi)
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    const v16 z = load_part(gate + i, n);
    const v16 inner = twice * fma(set1(0.044715f) * z * z, z, z);
    store_part(out + i, z * sigmoid(inner) * load_part(up + i, n), n);
  }
}

static void silu_mul_backward(const float* gate, const float* up, const float* dout, float* dgate, float* dup, size_t count) noexcept {
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    const v16 z = load_part(gate + i, n), u = load_part(up + i, n), d = load_part(dout + i, n);
    const v16 s = sigmoid(z);
    const v16 silu = z * s;
    // silu'(z) = s + z s (1 - s).
    store_part(dgate + i, d * u * fma(silu, set1(1.0f) - s, s), n);
    store_part(dup + i, d * silu, n);
  }
}

static void add(const float* x, float* y, float factor, size_t count) noexcept {
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    store_part(y + i, fma(set1(factor), load_part(x + i, n), load_part(y + i, n)), n);
  }
}

static void scale(float* x, float factor, size_t count) noexcept {
  for (size_t i = 0; i < count; i += 16) store_part(x + i, load_part(x + i, lanes(count - i)) * set1(factor), lanes(count - i));
}

static constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

static inline float maximum(const float* x, size_t count) {
  v16 top = set1(kMinusInfinity);
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    top = max(top, keep(load_part(x + i, n), n, kMinusInfinity));
  }
  return max(top);
}

static void softmax(float* x, float factor, size_t count) noexcept {
  const float top = maximum(x, count) * factor;
  v16 total = zero();
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    const v16 value = exp16(load_part(x + i, n) * set1(factor) - set1(top));
    store_part(x + i, value, n);
    total = total + keep(value, n, 0.0f);
  }
  scale(x, 1.0f / sum(total), count);
}

static float log_sum_exp(const float* x, size_t count) noexcept {
  const float top = maximum(x, count);
  if (top == kMinusInfinity) return top;
  v16 total = zero();
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    total = total + keep(exp16(load_part(x + i, n) - set1(top)), n, 0.0f);
  }
  return top + static_cast<float>(std::log(static_cast<double>(sum(total))));
}

static void softmax_gradient(float* x, float log_sum, float factor, size_t count) noexcept {
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    store_part(x + i, exp16(load_part(x + i, n) - set1(log_sum)) * set1(factor), n);
  }
}

// ---- optimizer

static void adamw(const AdamWConstants& o, float* weights, const float* gradients, float* first, float* second, size_t count) noexcept {
  for (size_t i = 0; i < count; i += 16) {
    const size_t n = lanes(count - i);
    const v16 g = load_part(gradients + i, n) * set1(o.gradient_scale);
    const v16 m0 = load_part(first + i, n);
    const v16 m = fma(set1(o.one_minus_beta1), g - m0, m0);
    const v16 v = load_part(second + i, n) * set1(o.beta2) + set1(o.one_minus_beta2) * g * g;
    const v16 denominator = sqrt(v) / set1(o.root_correction2) + set1(o.epsilon);
    const v16 w = load_part(weights + i, n) * set1(o.decay) + set1(o.negative_step) * m / denominator;
    store_part(first + i, m, n);
    store_part(second + i, v, n);
    store_part(weights + i, w, n);
  }
}

static double sum_squares(const float* x, size_t count) noexcept {
  __m256d total[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};
  for (size_t i = 0; i < count; i += 16) {
    const v16 value = load_part(x + i, lanes(count - i));
    const __m128 parts[4] = {_mm256_castps256_ps128(low8(value)), _mm256_extractf128_ps(low8(value), 1), _mm256_castps256_ps128(high8(value)),
                             _mm256_extractf128_ps(high8(value), 1)};
    for (int p = 0; p < 4; ++p) {
      const __m256d wide = _mm256_cvtps_pd(parts[p]);
      total[p] = _mm256_fmadd_pd(wide, wide, total[p]);
    }
  }
  alignas(32) double four[4];
  _mm256_store_pd(four, _mm256_add_pd(_mm256_add_pd(total[0], total[2]), _mm256_add_pd(total[1], total[3])));
  return (four[0] + four[2]) + (four[1] + four[3]);
}
