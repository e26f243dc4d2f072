// blocks.inl: GGUF's block types to floats; the layouts are written out in reference/blocks.cpp. A block is parts of 32 values, and a part is
// whole numbers, 32 signed bytes, times a scale and, where the type has one, plus a number: two roundings, as in the reference.
//
// Parts<D> says for one type: kSize values in kBytes; kScales scales a block (1, or one each 32 or 16 values); whether there is something to
// add; scales() of a block; part(), the whole numbers of its i-th 32 values.

static inline __m256 int8_floats(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }

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

// The values in the lanes as places in kNf4Levels.
static inline __m256 nf4_levels(__m256i q) {
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(kNf4Levels), q), high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(kNf4Levels + 8), q);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(q, 28)));
}

static inline int byte_at(const std::byte* p, int i) { return static_cast<int>(p[i]); }

// Of one block, value by value in the lanes. `add` is used if the type has it.
struct Scales {
  __m256 scale[2], add[2];
};
static inline __m256 byte_floats(uint64_t bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes)))); }
static inline __m256 times(float factor, __m256 x) { return _mm256_mul_ps(_mm256_set1_ps(factor), x); }
static inline __m256 negative(__m256 x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }
static inline uint64_t load64(const std::byte* p) {
  uint64_t bits;
  std::memcpy(&bits, p, 8);
  return bits;
}
static inline Scales one_scale(float scale, float add = 0) {
  Scales out;
  out.scale[0] = _mm256_set1_ps(scale);
  out.add[0] = _mm256_set1_ps(add);
  return out;
}

template <tensor::DType D>
struct Parts;

template <size_t Size, size_t Bytes, int ScaleCount, bool Adds>
struct Layout {
  static constexpr size_t kSize = Size, kBytes = Bytes;
  static constexpr int kScales = ScaleCount;
  static constexpr bool kAdds = Adds;
};

template <>
struct Parts<tensor::DType::q8_0> : Layout<32, 34, 1, false> {
  static inline Scales scales(const std::byte* p) { return one_scale(load_half(p)); }
  static inline __m256i part(const std::byte* p, int) { return load32(p + 2); }
};
template <>
struct Parts<tensor::DType::q4_0> : Layout<32, 18, 1, false> {
  static inline Scales scales(const std::byte* p) { return one_scale(load_half(p)); }
  static inline __m256i part(const std::byte* p, int) { return minus(nibbles(p + 2), 8); }
};
template <>
struct Parts<tensor::DType::q4_1> : Layout<32, 20, 1, true> {
  static inline Scales scales(const std::byte* p) { return one_scale(load_half(p), load_half(p + 2)); }
  static inline __m256i part(const std::byte* p, int) { return nibbles(p + 4); }
};
template <>
struct Parts<tensor::DType::q5_0> : Layout<32, 22, 1, false> {
  static inline Scales scales(const std::byte* p) { return one_scale(load_half(p)); }
  static inline __m256i part(const std::byte* p, int) { return minus(_mm256_or_si256(nibbles(p + 6), fifth_bits(p + 2)), 16); }
};
template <>
struct Parts<tensor::DType::q5_1> : Layout<32, 24, 1, true> {
  static inline Scales scales(const std::byte* p) { return one_scale(load_half(p), load_half(p + 2)); }
  static inline __m256i part(const std::byte* p, int) { return _mm256_or_si256(nibbles(p + 8), fifth_bits(p + 4)); }
};
template <>
struct Parts<tensor::DType::iq4_nl> : Layout<32, 18, 1, false> {
  static inline Scales scales(const std::byte* p) { return one_scale(load_half(p)); }
  static inline __m256i part(const std::byte* p, int) { return look_up(kLevels, nibbles(p + 2)); }
};
template <>
struct Parts<tensor::DType::mxfp4> : Layout<32, 17, 1, false> {
  static inline Scales scales(const std::byte* p) {
    const auto exponent = static_cast<uint32_t>(p[0]);   // 2^(exponent - 128): subnormal below 2
    const uint32_t bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
    float scale;
    std::memcpy(&scale, &bits, 4);
    return one_scale(scale);
  }
  static inline __m256i part(const std::byte* p, int) { return look_up(kTwiceFp4, nibbles(p + 1)); }
};

// Its part() gives places in kNf4Levels, not values.
template <>
struct Parts<tensor::DType::nf4> : Layout<64, 36, 1, false> {
  static inline Scales scales(const std::byte* p) {
    float scale;
    std::memcpy(&scale, p, 4);
    return one_scale(scale);
  }
  static inline __m256i part(const std::byte* p, int i) { return nibbles(p + 4 + i * 16); }
};

template <>
struct Parts<tensor::DType::q2_k> : Layout<256, 84, 16, true> {
  static inline Scales scales(const std::byte* p) {
    const float d = load_half(p + 80), dmin = load_half(p + 82);
    Scales out;
    for (int h = 0; h < 2; ++h) {
      const uint64_t both = load64(p + 8 * h);
      out.scale[h] = times(d, byte_floats(both & 0x0f0f0f0f0f0f0f0f));
      out.add[h] = negative(times(dmin, byte_floats(both >> 4 & 0x0f0f0f0f0f0f0f0f)));
    }
    return out;
  }
  static inline __m256i part(const std::byte* p, int i) { return bits_of(load32(p + 16 + i / 4 * 32), i % 4 * 2, 2); }
};
template <>
struct Parts<tensor::DType::q3_k> : Layout<256, 110, 16, false> {
  static inline Scales scales(const std::byte* p) {
    const float d = load_half(p + 108);
    const uint64_t low = load64(p + 96);                      // the four low bits of 16 scales
    uint32_t tops;                                            // their two high bits: of scales j, j + 4, j + 8, j + 12 in byte j
    std::memcpy(&tops, p + 104, 4);
    Scales out;
    for (int h = 0; h < 2; ++h) {
      const uint64_t even = tops >> (4 * h) & 0x03030303u, odd = tops >> (4 * h + 2) & 0x03030303u;
      const uint64_t whole = (low >> (4 * h) & 0x0f0f0f0f0f0f0f0f) | (even | odd << 32) << 4;
      out.scale[h] = times(d, _mm256_sub_ps(byte_floats(whole), _mm256_set1_ps(32)));
    }
    return out;
  }
  static inline __m256i part(const std::byte* p, int i) {
    const __m256i q = bits_of(load32(p + 32 + i / 4 * 32), i % 4 * 2, 2);
    return minus(_mm256_or_si256(q, _mm256_slli_epi16(bits_of(load32(p), i, 1), 2)), 4);
  }
};

// Eight 6-bit scales and minima in 12 bytes, after d and dmin.
static inline Scales six_bit_scales(const std::byte* p) {
  const float d = load_half(p), dmin = load_half(p + 2);
  uint32_t w[3];
  std::memcpy(w, p + 4, 12);
  const uint64_t scale = (w[0] & 0x3f3f3f3fu) | uint64_t{(w[2] & 0x0f0f0f0fu) | (w[0] >> 6 & 0x03030303u) << 4} << 32;
  const uint64_t min = (w[1] & 0x3f3f3f3fu) | uint64_t{(w[2] >> 4 & 0x0f0f0f0fu) | (w[1] >> 6 & 0x03030303u) << 4} << 32;
  Scales out;
  out.scale[0] = times(d, byte_floats(scale));
  out.add[0] = negative(times(dmin, byte_floats(min)));
  return out;
}
template <>
struct Parts<tensor::DType::q4_k> : Layout<256, 144, 8, true> {
  static inline Scales scales(const std::byte* p) { return six_bit_scales(p); }
  static inline __m256i part(const std::byte* p, int i) { return bits_of(load32(p + 16 + i / 2 * 32), i % 2 * 4, 4); }
};
template <>
struct Parts<tensor::DType::q5_k> : Layout<256, 176, 8, true> {
  static inline Scales scales(const std::byte* p) { return six_bit_scales(p); }
  static inline __m256i part(const std::byte* p, int i) {
    const __m256i fifth = _mm256_slli_epi16(bits_of(load32(p + 16), i, 1), 4);
    return _mm256_or_si256(bits_of(load32(p + 48 + i / 2 * 32), i % 2 * 4, 4), fifth);
  }
};
template <>
struct Parts<tensor::DType::q6_k> : Layout<256, 210, 16, false> {
  static inline Scales scales(const std::byte* p) {
    const float d = load_half(p + 208);
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 192));
    Scales out;
    out.scale[0] = times(d, int8_floats(bytes));
    out.scale[1] = times(d, int8_floats(_mm_srli_si128(bytes, 8)));
    return out;
  }
  static inline __m256i part(const std::byte* p, int i) {
    const int half = i / 4, strip = i % 4;
    const __m256i low = bits_of(load32(p + half * 64 + strip % 2 * 32), strip / 2 * 4, 4);
    const __m256i high = _mm256_slli_epi16(bits_of(load32(p + 128 + half * 32), strip * 2, 2), 4);
    return minus(_mm256_or_si256(low, high), 32);
  }
};
template <>
struct Parts<tensor::DType::iq4_xs> : Layout<256, 136, 8, false> {
  static inline Scales scales(const std::byte* p) {
    uint32_t low;
    std::memcpy(&low, p + 4, 4);
    const uint32_t tops = static_cast<uint32_t>(byte_at(p, 2) | byte_at(p, 3) << 8);
    const __m256i fours = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28), twos = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    const __m256i bottom = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(low)), fours), _mm256_set1_epi32(15));
    const __m256i top = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(tops)), twos), _mm256_set1_epi32(3));
    const __m256i whole = _mm256_sub_epi32(_mm256_or_si256(bottom, _mm256_slli_epi32(top, 4)), _mm256_set1_epi32(32));
    Scales out;
    out.scale[0] = times(load_half(p), _mm256_cvtepi32_ps(whole));
    return out;
  }
  static inline __m256i part(const std::byte* p, int i) { return look_up(kLevels, nibbles(p + 8 + i * 16)); }
};

// Calls use.operator()<D>() for the block dtype; nothing for the others.
template <typename Use>
static inline void with_block_type(tensor::DType dtype, const Use& use) {
  switch (dtype) {
    case tensor::DType::q8_0: use.template operator()<tensor::DType::q8_0>(); break;
    case tensor::DType::q4_0: use.template operator()<tensor::DType::q4_0>(); break;
    case tensor::DType::q4_1: use.template operator()<tensor::DType::q4_1>(); break;
    case tensor::DType::q5_0: use.template operator()<tensor::DType::q5_0>(); break;
    case tensor::DType::q5_1: use.template operator()<tensor::DType::q5_1>(); break;
    case tensor::DType::iq4_nl: use.template operator()<tensor::DType::iq4_nl>(); break;
    case tensor::DType::mxfp4: use.template operator()<tensor::DType::mxfp4>(); break;
    case tensor::DType::nf4: use.template operator()<tensor::DType::nf4>(); break;
    case tensor::DType::q2_k: use.template operator()<tensor::DType::q2_k>(); break;
    case tensor::DType::q3_k: use.template operator()<tensor::DType::q3_k>(); break;
    case tensor::DType::q4_k: use.template operator()<tensor::DType::q4_k>(); break;
    case tensor::DType::q5_k: use.template operator()<tensor::DType::q5_k>(); break;
    case tensor::DType::q6_k: use.template operator()<tensor::DType::q6_k>(); break;
    case tensor::DType::iq4_xs: use.template operator()<tensor::DType::iq4_xs>(); break;
    case tensor::DType::f32:
    case tensor::DType::f16:
    case tensor::DType::bf16: break;
  }
}

template <tensor::DType D>
static inline __m256 part_floats(__m128i q) {
  if constexpr (D == tensor::DType::nf4) return nf4_levels(_mm256_cvtepi8_epi32(q));
  return int8_floats(q);
}

template <tensor::DType D>
static inline void emit16(__m128i q, float scale, float add, float* out) {
  for (int half = 0; half < 2; ++half, q = _mm_srli_si128(q, 8)) {
    __m256 value = times(scale, part_floats<D>(q));
    if constexpr (Parts<D>::kAdds) value = _mm256_add_ps(value, _mm256_set1_ps(add));
    _mm256_storeu_ps(out + half * 8, value);
  }
}

template <tensor::DType D>
static void dequantize_as(const std::byte* in, size_t count, float* out) {
  using P = Parts<D>;
  alignas(32) float scale[16], add[16] = {};
  for (size_t i = 0; i < count; i += P::kSize, in += P::kBytes, out += P::kSize) {
    const Scales scales = P::scales(in);
    for (int h = 0; h < (P::kScales + 7) / 8; ++h) {
      _mm256_store_ps(scale + 8 * h, scales.scale[h]);
      if constexpr (P::kAdds) _mm256_store_ps(add + 8 * h, scales.add[h]);
    }
    for (size_t part = 0; part < P::kSize / 32; ++part) {
      const __m256i whole = P::part(in, static_cast<int>(part));
      const size_t at = P::kScales == 1 ? 0 : part * static_cast<size_t>(P::kScales) / 8, next = P::kScales == 16 ? at + 1 : at;
      emit16<D>(_mm256_castsi256_si128(whole), scale[at], add[at], out + part * 32);
      emit16<D>(_mm256_extracti128_si256(whole, 1), scale[next], add[next], out + part * 32 + 16);
    }
  }
}

// Whole blocks of any block dtype.
static void dequantize_blocks(tensor::DType dtype, const std::byte* in, size_t count, float* out) noexcept {
  with_block_type(dtype, [&]<tensor::DType D>() { dequantize_as<D>(in, count, out); });
}

// ---- eight stored rows beside each other

// Element j of row i <-> element i of row j, in groups of four bytes.
static inline void transpose_eight(__m256i x[8]) {
  __m256i t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
  }
  __m256i u[8];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
    x[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
  }
}

static inline __m256i two_rows(const std::byte* low, const std::byte* high) {
  const __m256i first = _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low)));
  return _mm256_inserti128_si256(first, _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

// 16 bytes of eight rows: dword i of out[t] = bytes 4t to 4t + 3 of row i.
static inline void turn_16(const std::byte* first, size_t stride, __m256i out[4]) {
  __m256i pair[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) pair[i] = two_rows(first + i * stride, first + (i + 4) * stride);
  const __m256i a = _mm256_unpacklo_epi32(pair[0], pair[1]), b = _mm256_unpackhi_epi32(pair[0], pair[1]);
  const __m256i c = _mm256_unpacklo_epi32(pair[2], pair[3]), d = _mm256_unpackhi_epi32(pair[2], pair[3]);
  out[0] = _mm256_unpacklo_epi64(a, c);
  out[1] = _mm256_unpackhi_epi64(a, c);
  out[2] = _mm256_unpacklo_epi64(b, d);
  out[3] = _mm256_unpackhi_epi64(b, d);
}

// The same for 32 bytes: twice that.
static inline void turn_32(const std::byte* first, size_t stride, __m256i out[8]) {
  turn_16(first, stride, out);
  turn_16(first + 16, stride, out + 4);
}

static inline __m256 eight_halves(const std::byte* first, size_t stride) {
  uint16_t bits[8];
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) std::memcpy(bits + i, first + i * stride, 2);
  return _mm256_cvtph_ps(_mm_setr_epi16(static_cast<short>(bits[0]), static_cast<short>(bits[1]), static_cast<short>(bits[2]), static_cast<short>(bits[3]),
                                        static_cast<short>(bits[4]), static_cast<short>(bits[5]), static_cast<short>(bits[6]), static_cast<short>(bits[7])));
}

// A block of each of eight rows, turned so that a lane is a row.
template <tensor::DType D>
struct Eight {
  using P = Parts<D>;
  // Small whole numbers are moved to the top of their 32 bits, which is one step instead of two, and scaled down by as much, which is exact
  // unless the scale is next to the smallest float.
  static constexpr bool kAtTop = D != tensor::DType::mxfp4 && D != tensor::DType::nf4;

  __m256 scale[P::kScales], add[P::kAdds ? P::kScales : 1];
  __m256i bytes[8];  // of the part in hand: dword i of bytes[t] = values 4t to 4t + 3 of row i

  void load_scales(const std::byte* first, size_t stride) {
    if constexpr (P::kScales == 1 && kAtTop) {  // halves at the block's beginning
      scale[0] = times(0x1p-24f, eight_halves(first, stride));
      if constexpr (P::kAdds) add[0] = eight_halves(first + 2, stride);
      return;
    }
    __m256 each[2][8], adds[2][8];
    for (size_t i = 0; i < 8; ++i) {
      const Scales scales = P::scales(first + i * stride);
      for (int h = 0; h < (P::kScales + 7) / 8; ++h) {
        each[h][i] = scales.scale[h];
        if constexpr (P::kAdds) adds[h][i] = scales.add[h];
      }
    }
    for (int h = 0; h < (P::kScales + 7) / 8; ++h) {
      take(each[h], scale + 8 * h, kAtTop ? 0x1p-24f : 1.0f);
      if constexpr (P::kAdds) take(adds[h], add + 8 * h, 1.0f);
    }
  }
  void load_part(const std::byte* first, size_t stride, int part) {
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) bytes[i] = P::part(first + i * stride, part);
    transpose_eight(bytes);
  }
  // Value 4t + j of the part in hand, of each row.
  template <int J>
  __m256 value(int part, int t) const {
    const int at = P::kScales == 1 ? 0 : P::kScales == 8 ? part : 2 * part + t / 4;
    const __m256i place = _mm256_set1_epi32(static_cast<int>(0x00808080u | static_cast<unsigned>(J) << 24));
    const __m256i lanes = _mm256_broadcastsi128_si256(_mm_setr_epi32(0, 0x04000000, 0x08000000, 0x0c000000));
    __m256i whole = _mm256_shuffle_epi8(bytes[t], _mm256_add_epi8(place, lanes));
    if constexpr (!kAtTop) whole = _mm256_srai_epi32(whole, 24);
    if constexpr (D == tensor::DType::nf4) return _mm256_mul_ps(nf4_levels(whole), scale[at]);
    const __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(whole), scale[at]);
    if constexpr (P::kAdds) return _mm256_add_ps(value, add[at]);
    return value;
  }

 private:
  static void take(__m256 rows[8], __m256* out, float factor) {
    if constexpr (P::kScales == 1) {
      const __m256 a = _mm256_unpacklo_ps(rows[0], rows[1]), b = _mm256_unpacklo_ps(rows[2], rows[3]);
      const __m256 c = _mm256_unpacklo_ps(rows[4], rows[5]), d = _mm256_unpacklo_ps(rows[6], rows[7]);
      const __m256 low = _mm256_shuffle_ps(a, b, 0x44), high = _mm256_shuffle_ps(c, d, 0x44);
      out[0] = times(factor, _mm256_permute2f128_ps(low, high, 0x20));
    } else {
      __m256i whole[8];
      for (int i = 0; i < 8; ++i) whole[i] = _mm256_castps_si256(rows[i]);
      transpose_eight(whole);
      for (int i = 0; i < 8; ++i) out[i] = times(factor, _mm256_castsi256_ps(whole[i]));
    }
  }
};
