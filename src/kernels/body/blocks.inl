// blocks.inl: GGUF's block types to floats, a block at a time; the layouts are written out in reference/blocks.cpp. Bytes are taken
// apart 32 at a time, then widened, scaled and, where the type has one, lowered by a minimum. Each value is scale * q, then - min
// (or + min): two roundings, as in the reference.

static inline __m256 int8_floats(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }

static inline void emit16(__m128i q, float scale, float* out) {
  const __m256 s = _mm256_set1_ps(scale);
  _mm256_storeu_ps(out, _mm256_mul_ps(int8_floats(q), s));
  _mm256_storeu_ps(out + 8, _mm256_mul_ps(int8_floats(_mm_srli_si128(q, 8)), s));
}
static inline void emit16(__m128i q, float scale, float add, float* out) {
  const __m256 s = _mm256_set1_ps(scale), a = _mm256_set1_ps(add);
  _mm256_storeu_ps(out, _mm256_add_ps(_mm256_mul_ps(int8_floats(q), s), a));
  _mm256_storeu_ps(out + 8, _mm256_add_ps(_mm256_mul_ps(int8_floats(_mm_srli_si128(q, 8)), s), a));
}
static inline __m128i low16(__m256i x) { return _mm256_castsi256_si128(x); }
static inline __m128i high16(__m256i x) { return _mm256_extracti128_si256(x, 1); }
static inline void emit32(__m256i q, float scale, float* out) {
  emit16(low16(q), scale, out);
  emit16(high16(q), scale, out + 16);
}
static inline void emit32(__m256i q, float scale, float add, float* out) {
  emit16(low16(q), scale, add, out);
  emit16(high16(q), scale, add, out + 16);
}

static inline __m256i load32(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
static inline __m256i mask8(__m256i x, int mask) { return _mm256_and_si256(x, _mm256_set1_epi8(static_cast<char>(mask))); }
// Bits [shift, shift + width) of every byte.
static inline __m256i bits_of(__m256i x, int shift, int width) { return mask8(_mm256_srl_epi16(x, _mm_cvtsi32_si128(shift)), (1 << width) - 1); }

// 16 bytes of nibbles: the low halves, then the high halves.
static inline __m256i nibbles(const std::byte* p) {
  const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return mask8(_mm256_set_m128i(_mm_srli_epi16(packed, 4), packed), 15);
}
// 16 in every byte whose bit is set in the 32 bits at p.
static inline __m256i fifth_bits(const std::byte* p) {
  int32_t bits;
  std::memcpy(&bits, p, 4);
  const __m256i byte_of_lane = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), byte_of_lane);
  const __m256i mask = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  return mask8(_mm256_cmpeq_epi8(_mm256_and_si256(spread, mask), mask), 16);
}
static inline __m256i minus(__m256i q, int value) { return _mm256_sub_epi8(q, _mm256_set1_epi8(static_cast<char>(value))); }

// The levels of the 4-bit types that are not linear; part of the file format.
alignas(16) static constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
alignas(16) static constexpr int8_t kTwiceFp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
static inline __m256i look_up(const int8_t* levels, __m256i q) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(levels))), q);
}

static inline void block_q8_0(const std::byte* p, float* out) { emit32(load32(p + 2), load_half(p), out); }
static inline void block_q4_0(const std::byte* p, float* out) { emit32(minus(nibbles(p + 2), 8), load_half(p), out); }
static inline void block_q4_1(const std::byte* p, float* out) { emit32(nibbles(p + 4), load_half(p), load_half(p + 2), out); }
static inline void block_q5_0(const std::byte* p, float* out) {
  emit32(minus(_mm256_or_si256(nibbles(p + 6), fifth_bits(p + 2)), 16), load_half(p), out);
}
static inline void block_q5_1(const std::byte* p, float* out) {
  emit32(_mm256_or_si256(nibbles(p + 8), fifth_bits(p + 4)), load_half(p), load_half(p + 2), out);
}
static inline void block_iq4_nl(const std::byte* p, float* out) { emit32(look_up(kLevels, nibbles(p + 2)), load_half(p), out); }
static inline void block_mxfp4(const std::byte* p, float* out) {
  const auto exponent = static_cast<uint32_t>(p[0]);   // 2^(exponent - 128): subnormal below 2
  const uint32_t bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
  float scale;
  std::memcpy(&scale, &bits, 4);
  emit32(look_up(kTwiceFp4, nibbles(p + 1)), scale, out);
}

static inline int byte_at(const std::byte* p, int i) { return static_cast<int>(p[i]); }

static inline void block_q2_k(const std::byte* p, float* out) {
  const float d = load_half(p + 80), dmin = load_half(p + 82);
  for (int i = 0; i < 8; ++i) {
    const __m256i q = bits_of(load32(p + 16 + i / 4 * 32), i % 4 * 2, 2);
    const int a = byte_at(p, 2 * i), b = byte_at(p, 2 * i + 1);
    emit16(low16(q), d * static_cast<float>(a & 15), -(dmin * static_cast<float>(a >> 4)), out + i * 32);
    emit16(high16(q), d * static_cast<float>(b & 15), -(dmin * static_cast<float>(b >> 4)), out + i * 32 + 16);
  }
}

static inline void block_q3_k(const std::byte* p, float* out) {
  const float d = load_half(p + 108);
  const std::byte* scales = p + 96;
  const __m256i high = load32(p);
  const auto scale = [&](int j) {
    const int low = byte_at(scales, j % 8) >> (j / 8 * 4) & 15, top = byte_at(scales, 8 + j % 4) >> (j / 4 * 2) & 3;
    return d * static_cast<float>((low | top << 4) - 32);
  };
  for (int i = 0; i < 8; ++i) {
    const __m256i q = bits_of(load32(p + 32 + i / 4 * 32), i % 4 * 2, 2);
    const __m256i third = _mm256_slli_epi16(bits_of(high, i, 1), 2);
    const __m256i value = minus(_mm256_or_si256(q, third), 4);
    emit16(low16(value), scale(2 * i), out + i * 32);
    emit16(high16(value), scale(2 * i + 1), out + i * 32 + 16);
  }
}

struct ScaleMin {
  float scale, min;
};
// Eight 6-bit scales and minima in 12 bytes.
static inline ScaleMin scale_min(const std::byte* scales, int j) {
  if (j < 4) return {static_cast<float>(byte_at(scales, j) & 63), static_cast<float>(byte_at(scales, j + 4) & 63)};
  const int low = byte_at(scales, j + 4);
  return {static_cast<float>((low & 15) | byte_at(scales, j - 4) >> 6 << 4), static_cast<float>(low >> 4 | byte_at(scales, j) >> 6 << 4)};
}

static inline void block_q4_k(const std::byte* p, float* out) {
  const float d = load_half(p), dmin = load_half(p + 2);
  for (int i = 0; i < 8; ++i) {
    const ScaleMin sub = scale_min(p + 4, i);
    emit32(bits_of(load32(p + 16 + i / 2 * 32), i % 2 * 4, 4), d * sub.scale, -(dmin * sub.min), out + i * 32);
  }
}

static inline void block_q5_k(const std::byte* p, float* out) {
  const float d = load_half(p), dmin = load_half(p + 2);
  const __m256i high = load32(p + 16);
  for (int i = 0; i < 8; ++i) {
    const ScaleMin sub = scale_min(p + 4, i);
    const __m256i fifth = _mm256_slli_epi16(bits_of(high, i, 1), 4);
    const __m256i q = _mm256_or_si256(bits_of(load32(p + 48 + i / 2 * 32), i % 2 * 4, 4), fifth);
    emit32(q, d * sub.scale, -(dmin * sub.min), out + i * 32);
  }
}

static inline void block_q6_k(const std::byte* p, float* out) {
  const float d = load_half(p + 208);
  for (int i = 0; i < 8; ++i) {
    const int half = i / 4, strip = i % 4;
    const __m256i low = bits_of(load32(p + half * 64 + strip % 2 * 32), strip / 2 * 4, 4);
    const __m256i high = _mm256_slli_epi16(bits_of(load32(p + 128 + half * 32), strip * 2, 2), 4);
    const __m256i q = minus(_mm256_or_si256(low, high), 32);
    emit16(low16(q), d * static_cast<float>(static_cast<int8_t>(p[192 + 2 * i])), out + i * 32);
    emit16(high16(q), d * static_cast<float>(static_cast<int8_t>(p[193 + 2 * i])), out + i * 32 + 16);
  }
}

static inline void block_iq4_xs(const std::byte* p, float* out) {
  const float d = load_half(p);
  const int tops = byte_at(p, 2) | byte_at(p, 3) << 8;
  for (int i = 0; i < 8; ++i) {
    const int scale = (byte_at(p, 4 + i / 2) >> (i % 2 * 4) & 15) | (tops >> (2 * i) & 3) << 4;
    emit32(look_up(kLevels, nibbles(p + 8 + i * 16)), d * static_cast<float>(scale - 32), out + i * 32);
  }
}

// `blocks` blocks, `size` values and `bytes` bytes each.
template <size_t Size, size_t BytesEach, typename Block>
static inline void each_block(const std::byte* in, size_t count, float* out, Block block) {
  for (size_t i = 0; i < count; i += Size) block(in + i / Size * BytesEach, out + i);
}

// Whole blocks of any block dtype.
static void dequantize_blocks(tensor::DType dtype, const std::byte* in, size_t count, float* out) noexcept {
  switch (dtype) {
    case tensor::DType::q8_0: each_block<32, 34>(in, count, out, block_q8_0); break;
    case tensor::DType::q4_0: each_block<32, 18>(in, count, out, block_q4_0); break;
    case tensor::DType::q4_1: each_block<32, 20>(in, count, out, block_q4_1); break;
    case tensor::DType::q5_0: each_block<32, 22>(in, count, out, block_q5_0); break;
    case tensor::DType::q5_1: each_block<32, 24>(in, count, out, block_q5_1); break;
    case tensor::DType::iq4_nl: each_block<32, 18>(in, count, out, block_iq4_nl); break;
    case tensor::DType::mxfp4: each_block<32, 17>(in, count, out, block_mxfp4); break;
    case tensor::DType::q2_k: each_block<256, 84>(in, count, out, block_q2_k); break;
    case tensor::DType::q3_k: each_block<256, 110>(in, count, out, block_q3_k); break;
    case tensor::DType::q4_k: each_block<256, 144>(in, count, out, block_q4_k); break;
    case tensor::DType::q5_k: each_block<256, 176>(in, count, out, block_q5_k); break;
    case tensor::DType::q6_k: each_block<256, 210>(in, count, out, block_q6_k); break;
    case tensor::DType::iq4_xs: each_block<256, 136>(in, count, out, block_iq4_xs); break;
    case tensor::DType::f32:
    case tensor::DType::f16:
    case tensor::DType::bf16: break;
  }
}
