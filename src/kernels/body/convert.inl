// convert.inl: stored values to floats and back, sixteen at a time. The block types are in blocks.inl, which follows load_half.

template <tensor::DType D>
static inline __m256 load8(const std::byte* p) {
  if constexpr (D == tensor::DType::f32) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  } else if constexpr (D == tensor::DType::f16) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  } else {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
}

template <tensor::DType D>
static inline v16 load16(const std::byte* p) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  return from8(load8<D>(p), load8<D>(p + 8 * kBytes));
}

template <tensor::DType D>
static inline v16 load16_part(const std::byte* p, size_t count) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  alignas(64) std::byte whole[64] = {};
  std::memcpy(whole, p, count * kBytes);
  return load16<D>(whole);
}

static inline float load_half(const std::byte* p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

#include "kernels/body/blocks.inl"

template <tensor::DType D>
static inline void dequantize_plain(const std::byte* in, size_t count, float* out) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) store(out + i, load16<D>(in + i * kBytes));
  if (i < count) store_part(out + i, load16_part<D>(in + i * kBytes, count - i), count - i);
}

static void dequantize_any(tensor::DType dtype, const std::byte* in, size_t count, float* out) noexcept {
  switch (dtype) {
    case tensor::DType::f32: std::memcpy(out, in, count * 4); break;
    case tensor::DType::f16: dequantize_plain<tensor::DType::f16>(in, count, out); break;
    case tensor::DType::bf16: dequantize_plain<tensor::DType::bf16>(in, count, out); break;
    default: dequantize_blocks(dtype, in, count, out); break;
  }
}

// Round to nearest even; a NaN keeps its top bits and becomes quiet.
static inline __m128i to_bf16(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
}

static inline __m128i to_half(tensor::DType dtype, const float* in) {
  const __m256 x = _mm256_loadu_ps(in);
  return dtype == tensor::DType::f16 ? _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT) : to_bf16(x);
}

static void quantize_any(tensor::DType dtype, const float* in, size_t count, std::byte* out) noexcept {
  if (dtype == tensor::DType::f32) {
    std::memcpy(out, in, count * 4);
    return;
  }
  size_t i = 0;
  for (; i + 8 <= count; i += 8) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i), to_half(dtype, in + i));
  if (i < count) {
    float rest[8] = {};
    std::byte halves[16];
    std::memcpy(rest, in + i, (count - i) * 4);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(halves), to_half(dtype, rest));
    std::memcpy(out + 2 * i, halves, (count - i) * 2);
  }
}
