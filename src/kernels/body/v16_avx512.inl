// v16_avx512.inl: sixteen floats as one 512-bit register. Included inside namespace isa_avx512, under its target. Every
// operation gives the bytes of v16_avx2.inl.

struct v16 {
  __m512 x;
};

static inline v16 zero() { return {_mm512_setzero_ps()}; }
static inline v16 set1(float value) { return {_mm512_set1_ps(value)}; }
static inline v16 broadcast(const float* p) { return {_mm512_set1_ps(*p)}; }
static inline v16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
static inline void store(float* p, v16 a) { _mm512_storeu_ps(p, a.x); }
static inline __mmask16 lane_mask(size_t count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1); }
static inline v16 load_part(const float* p, size_t count) { return {_mm512_maskz_loadu_ps(lane_mask(count), p)}; }
static inline void store_part(float* p, v16 a, size_t count) { _mm512_mask_storeu_ps(p, lane_mask(count), a.x); }
static inline v16 keep(v16 a, size_t count, float other) { return {_mm512_mask_blend_ps(lane_mask(count), _mm512_set1_ps(other), a.x)}; }
static inline v16 fma(v16 a, v16 b, v16 c) { return {_mm512_fmadd_ps(a.x, b.x, c.x)}; }
static inline v16 operator+(v16 a, v16 b) { return {_mm512_add_ps(a.x, b.x)}; }
static inline v16 operator-(v16 a, v16 b) { return {_mm512_sub_ps(a.x, b.x)}; }
static inline v16 operator*(v16 a, v16 b) { return {_mm512_mul_ps(a.x, b.x)}; }
static inline v16 operator/(v16 a, v16 b) { return {_mm512_div_ps(a.x, b.x)}; }
static inline v16 max(v16 a, v16 b) { return {_mm512_max_ps(a.x, b.x)}; }
static inline v16 min(v16 a, v16 b) { return {_mm512_min_ps(a.x, b.x)}; }
static inline v16 sqrt(v16 a) { return {_mm512_sqrt_ps(a.x)}; }
static inline v16 round(v16 a) { return {_mm512_roundscale_ps(a.x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
static inline v16 select_less(v16 a, v16 b, v16 yes, v16 no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.x, b.x, _CMP_LT_OQ), no.x, yes.x)};
}
static inline v16 times_power_of_two(v16 a, v16 n) {
  const __m512i whole = _mm512_cvtps_epi32(n.x);
  const __m512i half = _mm512_srai_epi32(whole, 1);
  const __m512i rest = _mm512_sub_epi32(whole, half);
  const __m512i bias = _mm512_set1_epi32(127);
  const __m512 first = _mm512_mul_ps(a.x, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(half, bias), 23)));
  return {_mm512_mul_ps(first, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(rest, bias), 23)))};
}

static inline __m256 low8(v16 a) { return _mm512_castps512_ps256(a.x); }
static inline __m256 high8(v16 a) { return _mm512_extractf32x8_ps(a.x, 1); }
static inline v16 from8(__m256 low, __m256 high) { return {_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1)}; }
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
static inline float sum(v16 a) { return sum8(_mm256_add_ps(low8(a), high8(a))); }
static inline float max(v16 a) { return max8(_mm256_max_ps(low8(a), high8(a))); }

static constexpr int kRowTile = 6;
static constexpr int panels_of(int) { return 4; }
