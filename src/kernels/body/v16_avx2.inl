// v16_avx2.inl: sixteen floats as two 256-bit registers. Included inside namespace isa_avx2, under its target.

struct v16 {
  __m256 lo, hi;
};

static inline v16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
static inline v16 set1(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
static inline v16 broadcast(const float* p) {
  const __m256 value = _mm256_broadcast_ss(p);
  return {value, value};
}
static inline v16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline void store(float* p, v16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
static inline __m256i lane_mask(size_t count, int first) {
  const __m256i lanes = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
}
// The first count lanes, the others zero.
static inline v16 load_part(const float* p, size_t count) {
  if (count >= 16) return load(p);
  return {_mm256_maskload_ps(p, lane_mask(count, 0)), _mm256_maskload_ps(p + 8, lane_mask(count, 8))};
}
// Not by a masked store, which is microcode on AMD.
static inline void store_part(float* p, v16 x, size_t count) {
  if (count >= 16) return store(p, x);
  alignas(32) float whole[16];
  store(whole, x);
  std::memcpy(p, whole, count * sizeof(float));
}
// The first count lanes of x, the others `other`.
static inline v16 keep(v16 x, size_t count, float other) {
  if (count >= 16) return x;
  const __m256 fill = _mm256_set1_ps(other);
  return {_mm256_blendv_ps(fill, x.lo, _mm256_castsi256_ps(lane_mask(count, 0))),
          _mm256_blendv_ps(fill, x.hi, _mm256_castsi256_ps(lane_mask(count, 8)))};
}
static inline v16 fma(v16 a, v16 b, v16 c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
static inline v16 operator+(v16 a, v16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
static inline v16 operator-(v16 a, v16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
static inline v16 operator*(v16 a, v16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
static inline v16 operator/(v16 a, v16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
// As the instructions: b where either is NaN.
static inline v16 max(v16 a, v16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
static inline v16 min(v16 a, v16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
static inline v16 sqrt(v16 a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
static inline v16 round(v16 a) {
  return {_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// yes where a < b, else no.
static inline v16 select_less(v16 a, v16 b, v16 yes, v16 no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
// x * 2^n for whole n in [-252, 254], in two exact steps.
static inline __m256 times_power_of_two(__m256 x, __m256 n) {
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256i rest = _mm256_sub_epi32(whole, half);
  const __m256i bias = _mm256_set1_epi32(127);
  x = _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
  return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}
static inline v16 times_power_of_two(v16 x, v16 n) { return {times_power_of_two(x.lo, n.lo), times_power_of_two(x.hi, n.hi)}; }

// The halving tree that both instruction sets use.
static inline float sum8(__m256 x) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_shuffle_ps(four, four, 1)));
}
static inline float max8(__m256 x) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_shuffle_ps(four, four, 1)));
}
static inline float sum(v16 x) { return sum8(_mm256_add_ps(x.lo, x.hi)); }
static inline float max(v16 x) { return max8(_mm256_max_ps(x.lo, x.hi)); }
static inline __m256 low8(v16 x) { return x.lo; }
static inline __m256 high8(v16 x) { return x.hi; }
static inline v16 from8(__m256 low, __m256 high) { return {low, high}; }

static constexpr int kRowTile = 6;  // rows of a full register tile

// Panels of 16 columns that a register tile of `rows` rows takes at once: enough chains to hide the fma latency, at most 12 registers.
static constexpr int panels_of(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }
