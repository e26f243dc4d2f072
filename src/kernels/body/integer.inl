// integer.inl: integer.h's products. Eight stored rows are turned beside each other, so that a lane is an output: 32 values of eight outputs
// are eight registers, q[t] with values 4t to 4t + 3 of output i in dword i, and each activation row is broadcast against them four bytes at
// a time. Whole numbers are kept as unsigned bytes where that is possible, kOffset more than they are, as the instruction multiplies
// unsigned by signed bytes; kOffset times the sum of the activations is taken off again. 256-bit registers on every instruction set.
//
// Turned<D> says for one type: kOffset; kTop, the largest magnitude of what q holds; kSigned; load(), the next 32 values of eight rows.

// 32 nibbles in 16 bytes of eight rows.
static inline void turn_nibbles(const std::byte* first, size_t stride, __m256i q[8]) {
  turn_16(first, stride, q);
#pragma GCC unroll 4
  for (int t = 0; t < 4; ++t) {
    q[t + 4] = mask8(_mm256_srli_epi16(q[t], 4), 15);
    q[t] = mask8(q[t], 15);
  }
}

// The fifth bits of 32 values of eight rows, in 4 bytes each.
static inline void turn_fifth_bits(const std::byte* first, size_t stride, __m256i q[8]) {
  alignas(32) uint32_t bits[8];
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) std::memcpy(bits + i, first + i * stride, 4);
  const __m256i all = _mm256_load_si256(reinterpret_cast<const __m256i*>(bits));
  const __m256i dwords = _mm256_broadcastsi128_si256(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
  const __m256i low = _mm256_set1_epi32(0x08040201), high = _mm256_set1_epi32(static_cast<int>(0x80402010u));
#pragma GCC unroll 8
  for (int t = 0; t < 8; ++t) {
    const __m256i spread = _mm256_shuffle_epi8(all, _mm256_add_epi8(dwords, _mm256_set1_epi8(static_cast<char>(t / 2))));
    const __m256i bit = t % 2 == 0 ? low : high;
    q[t] = _mm256_or_si256(q[t], mask8(_mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit), 16));
  }
}

template <int Offset, int Top, bool Signed = false>
struct Whole {
  static constexpr int kOffset = Offset, kTop = Top;
  static constexpr bool kSigned = Signed;
};

template <tensor::DType D>
struct Turned;
template <>
struct Turned<tensor::DType::q8_0> : Whole<0, 128, true> {
  void load(const std::byte* first, size_t stride, int, __m256i q[8]) { turn_32(first + 2, stride, q); }
};
template <>
struct Turned<tensor::DType::q4_0> : Whole<8, 15> {
  void load(const std::byte* first, size_t stride, int, __m256i q[8]) { turn_nibbles(first + 2, stride, q); }
};
template <>
struct Turned<tensor::DType::q4_1> : Whole<0, 15> {
  void load(const std::byte* first, size_t stride, int, __m256i q[8]) { turn_nibbles(first + 4, stride, q); }
};
template <>
struct Turned<tensor::DType::q5_0> : Whole<16, 31> {
  void load(const std::byte* first, size_t stride, int, __m256i q[8]) {
    turn_nibbles(first + 6, stride, q);
    turn_fifth_bits(first + 2, stride, q);
  }
};
template <>
struct Turned<tensor::DType::q5_1> : Whole<0, 31> {
  void load(const std::byte* first, size_t stride, int, __m256i q[8]) {
    turn_nibbles(first + 8, stride, q);
    turn_fifth_bits(first + 4, stride, q);
  }
};
static inline void look_up_all(const int8_t* levels, __m256i q[8]) {
#pragma GCC unroll 8
  for (int t = 0; t < 8; ++t) q[t] = look_up(levels, q[t]);
}
template <>
struct Turned<tensor::DType::iq4_nl> : Whole<0, 127, true> {
  void load(const std::byte* first, size_t stride, int, __m256i q[8]) {
    turn_nibbles(first + 2, stride, q);
    look_up_all(kLevels, q);
  }
};
template <>
struct Turned<tensor::DType::iq4_xs> : Whole<0, 127, true> {
  void load(const std::byte* first, size_t stride, int part, __m256i q[8]) {
    turn_nibbles(first + 8 + part * 16, stride, q);
    look_up_all(kLevels, q);
  }
};
template <>
struct Turned<tensor::DType::mxfp4> : Whole<0, 12, true> {
  void load(const std::byte* first, size_t stride, int, __m256i q[8]) {
    turn_nibbles(first + 1, stride, q);
    look_up_all(kTwiceFp4, q);
  }
};
// Strips of 32 bytes hold two or four parts; they are turned once.
static inline void strip_nibbles(const __m256i strip[8], bool upper, __m256i q[8]) {
  if (upper) {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) q[t] = mask8(_mm256_srli_epi16(strip[t], 4), 15);
  } else {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) q[t] = mask8(strip[t], 15);
  }
}
// Adds bits of every byte: those at `from`, moved to `to`, under the mask that is right for that place.
static inline void add_bits(const __m256i strip[8], int from, int to, int mask, __m256i q[8]) {
  const __m128i left = _mm_cvtsi32_si128(to - from), right = _mm_cvtsi32_si128(from - to);
  if (to >= from) {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) q[t] = _mm256_or_si256(q[t], mask8(_mm256_sll_epi16(strip[t], left), mask));
  } else {
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) q[t] = _mm256_or_si256(q[t], mask8(_mm256_srl_epi16(strip[t], right), mask));
  }
}
template <>
struct Turned<tensor::DType::q4_k> : Whole<0, 15> {
  __m256i strip[8];
  void load(const std::byte* first, size_t stride, int part, __m256i q[8]) {
    if (part % 2 == 0) turn_32(first + 16 + part / 2 * 32, stride, strip);
    strip_nibbles(strip, part % 2 != 0, q);
  }
};
template <>
struct Turned<tensor::DType::q5_k> : Whole<0, 31> {
  __m256i strip[8], fifth[8];
  void load(const std::byte* first, size_t stride, int part, __m256i q[8]) {
    if (part == 0) turn_32(first + 16, stride, fifth);
    if (part % 2 == 0) turn_32(first + 48 + part / 2 * 32, stride, strip);
    strip_nibbles(strip, part % 2 != 0, q);
    add_bits(fifth, part, 4, 16, q);
  }
};
template <>
struct Turned<tensor::DType::q6_k> : Whole<32, 63> {
  __m256i low[16], high[8];
  void load(const std::byte* first, size_t stride, int part, __m256i q[8]) {
    const int half = part / 4, strip = part % 4;
    if (strip < 2) turn_32(first + half * 64 + strip * 32, stride, low + strip * 8);
    if (strip == 0) turn_32(first + 128 + half * 32, stride, high);
    strip_nibbles(low + strip % 2 * 8, strip >= 2, q);
    add_bits(high, strip * 2, 4, 48, q);
  }
};
template <>
struct Turned<tensor::DType::q2_k> : Whole<0, 3> {
  __m256i strip[8];
  void load(const std::byte* first, size_t stride, int part, __m256i q[8]) {
    if (part % 4 == 0) turn_32(first + 16 + part / 4 * 32, stride, strip);
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) q[t] = bits_of(strip[t], part % 4 * 2, 2);
  }
};
template <>
struct Turned<tensor::DType::q3_k> : Whole<4, 7> {
  __m256i strip[8], third[8];
  void load(const std::byte* first, size_t stride, int part, __m256i q[8]) {
    if (part == 0) turn_32(first, stride, third);
    if (part % 4 == 0) turn_32(first + 32 + part / 4 * 32, stride, strip);
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) q[t] = bits_of(strip[t], part % 4 * 2, 2);
    add_bits(third, part, 2, 4, q);
  }
};

// ---- scales of a block of eight rows, a lane a row: the same numbers as Parts<D>::scales()

// Byte j of each dword, as floats.
template <bool Signed>
static inline __m256 byte_of(__m256i dwords, int j) {
  const __m256i top = _mm256_sll_epi32(dwords, _mm_cvtsi32_si128(24 - 8 * j));
  return _mm256_cvtepi32_ps(Signed ? _mm256_srai_epi32(top, 24) : _mm256_srli_epi32(top, 24));
}
// The lower or upper half of each dword, from f16.
static inline __m256 half_of(__m256i dwords, int upper) {
  const __m256i halves = upper != 0 ? _mm256_srli_epi32(dwords, 16) : _mm256_and_si256(dwords, _mm256_set1_epi32(0xffff));
  const __m256i packed = _mm256_packus_epi32(halves, halves);
  return _mm256_cvtph_ps(_mm_unpacklo_epi64(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1)));
}

template <tensor::DType D>
struct TurnedScales {
  using P = Parts<D>;
  __m256 scale[P::kScales], add[P::kAdds ? P::kScales : 1];

  void load(const std::byte* first, size_t stride) {
    if constexpr (P::kScales == 1 && D != tensor::DType::mxfp4) {
      scale[0] = eight_halves(first, stride);
      if constexpr (P::kAdds) add[0] = eight_halves(first + 2, stride);
    } else if constexpr (D == tensor::DType::q4_k || D == tensor::DType::q5_k) {
      load_six_bit(first, stride);
    } else if constexpr (D == tensor::DType::q6_k) {
      const __m256 d = eight_halves(first + 208, stride);
      __m256i bytes[4];
      turn_16(first + 192, stride, bytes);
      for (int i = 0; i < 16; ++i) scale[i] = _mm256_mul_ps(d, byte_of<true>(bytes[i / 4], i % 4));
    } else {
      load_each(first, stride);
    }
  }

 private:
  void load_six_bit(const std::byte* first, size_t stride) {
    __m256i w[4];   // d and dmin, then twelve bytes of scales
    turn_16(first, stride, w);
    const __m256 d = half_of(w[0], 0), dmin = half_of(w[0], 1);
    const __m256i scale_tops = _mm256_slli_epi32(bits_of(w[1], 6, 2), 4), min_tops = _mm256_slli_epi32(bits_of(w[2], 6, 2), 4);
    const __m256i scales[2] = {mask8(w[1], 63), _mm256_or_si256(mask8(w[3], 15), scale_tops)};
    const __m256i mins[2] = {mask8(w[2], 63), _mm256_or_si256(bits_of(w[3], 4, 4), min_tops)};
    for (int i = 0; i < 8; ++i) {
      scale[i] = _mm256_mul_ps(d, byte_of<false>(scales[i / 4], i % 4));
      add[i] = negative(_mm256_mul_ps(dmin, byte_of<false>(mins[i / 4], i % 4)));
    }
  }
  // Row by row; of the types that are rare.
  void load_each(const std::byte* first, size_t stride) {
    constexpr int kWide = (P::kScales + 7) / 8 * 8;
    alignas(32) float scales[kWide * 8], adds[kWide * 8];
    for (size_t i = 0; i < 8; ++i) {
      const Scales row = P::scales(first + i * stride);
      alignas(32) float values[16] = {}, more[16] = {};
      for (int h = 0; h < kWide / 8; ++h) {
        _mm256_store_ps(values + 8 * h, row.scale[h]);
        if constexpr (P::kAdds) _mm256_store_ps(more + 8 * h, row.add[h]);
      }
      for (size_t s = 0; s < P::kScales; ++s) {
        scales[8 * s + i] = values[s];
        adds[8 * s + i] = more[s];
      }
    }
    for (int s = 0; s < P::kScales; ++s) {
      scale[s] = _mm256_load_ps(scales + 8 * s);
      if constexpr (P::kAdds) add[s] = _mm256_load_ps(adds + 8 * s);
    }
  }
};

// ---- sums

// Sum over values [4 * From, 4 * To) of whole numbers times activations, of eight outputs.
template <tensor::DType D, int From, int To>
static inline __m256i whole_sum(const __m256i q[8], const __m256i magnitudes[8], const int8_t* x) {
  using T = Turned<D>;
  constexpr int kRun = 32767 / (T::kTop * 254) < 8 ? 32767 / (T::kTop * 254) : 8;   // products of pairs that a 16-bit sum holds
  __m256i total = _mm256_setzero_si256(), run = total;
#pragma GCC unroll 8
  for (int t = From; t < To; ++t) {
    int32_t four;
    std::memcpy(&four, x + 4 * t, 4);
    const __m256i right = _mm256_set1_epi32(four);
    const __m256i pairs = T::kSigned ? _mm256_maddubs_epi16(magnitudes[t], _mm256_sign_epi8(right, q[t])) : _mm256_maddubs_epi16(q[t], right);
    const int place = (t - From) % kRun;
    run = place == 0 ? pairs : _mm256_add_epi16(run, pairs);
    if (place != kRun - 1 && t != To - 1) continue;
    const __m256i wide = _mm256_madd_epi16(run, _mm256_set1_epi16(1));
    total = t - From < kRun ? wide : _mm256_add_epi32(total, wide);
  }
  return total;
}

template <int Offset>
static inline __m256i without_offset(__m256i total, const int32_t* sum) {
  if constexpr (Offset == 0) return total;
  return _mm256_sub_epi32(total, _mm256_slli_epi32(_mm256_set1_epi32(*sum), __builtin_ctz(Offset)));
}

// One group of 16 or 32 values.
template <tensor::DType D>
static inline __m256 add_group(__m256 sums, __m256i total, __m256 scale, __m256 add, float x_scale, const float* scaled_sum) {
  sums = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total), _mm256_mul_ps(scale, _mm256_set1_ps(x_scale)), sums);
  if constexpr (Parts<D>::kAdds) sums = _mm256_fmadd_ps(add, _mm256_broadcast_ss(scaled_sum), sums);
  return sums;
}

// One block of activations against 32 values of eight outputs, the part-th of a weight block.
template <tensor::DType D>
static inline __m256 add_part(__m256 sums, const __m256i q[8], const __m256i magnitudes[8], const TurnedScales<D>& scales, int part, const ActivationBlock& x) {
  using P = Parts<D>;
  constexpr int kOffset = Turned<D>::kOffset;
  if constexpr (P::kScales == 16) {
    for (int half = 0; half < 2; ++half) {
      const __m256i total = half == 0 ? whole_sum<D, 0, 4>(q, magnitudes, x.values) : whole_sum<D, 4, 8>(q, magnitudes, x.values);
      const int at = 2 * part + half;
      sums = add_group<D>(sums, without_offset<kOffset>(total, x.half_sums + half), scales.scale[at], scales.add[P::kAdds ? at : 0], x.scale, x.scaled_half_sums + half);
    }
    return sums;
  }
  const int at = P::kScales == 1 ? 0 : part;
  const __m256i total = without_offset<kOffset>(whole_sum<D, 0, 8>(q, magnitudes, x.values), &x.sum);
  return add_group<D>(sums, total, scales.scale[at], scales.add[P::kAdds ? at : 0], x.scale, &x.scaled_sum);
}

// Lanes [from, 8) of outputs [n, n + 8) of one row.
static inline void finish_outputs(const IntegerJob& job, size_t row, size_t n, size_t from, __m256 sums) {
  __m256 value = _mm256_mul_ps(sums, _mm256_set1_ps(job.scale));
  float* c = job.c + row * job.c_row + n;
  if (job.bias != nullptr) value = _mm256_add_ps(value, _mm256_loadu_ps(job.bias + n));
  if (job.add) value = _mm256_add_ps(value, _mm256_loadu_ps(c));
  if (from == 0) return _mm256_storeu_ps(c, value);
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, value);
  std::memcpy(c + from, lanes + from, (8 - from) * sizeof(float));
}

static constexpr size_t kLine = 64;

// Outputs [n, n + 8) of the rows of one chunk; the first `done` of them are there already. The next eight outputs' weights, which lie
// behind these, are asked for meanwhile, line by line: eight short rows are no streams that the hardware would see.
template <tensor::DType D, bool One>
static void eight_outputs(const IntegerJob& job, const ActivationBlock* x, size_t row, size_t rows, size_t n, size_t done) {
  using P = Parts<D>;
  const std::byte* weights = job.weight.data + n * job.stride;
  const std::byte* ahead = weights + 8 * job.stride;
  alignas(32) float sums[One ? 8 : kActivationRows * 8] = {};
  __m256 one = _mm256_setzero_ps();
  Turned<D> turned{};
  TurnedScales<D> scales;
  for (size_t k = 0; k < job.blocks; k += P::kSize / 32, weights += P::kBytes, ahead += 8 * P::kBytes) {
    for (size_t line = 0; line < 8 * P::kBytes; line += kLine) _mm_prefetch(reinterpret_cast<const char*>(ahead + line), _MM_HINT_T0);
    scales.load(weights, job.stride);
    for (int part = 0; part < static_cast<int>(P::kSize / 32); ++part) {
      __m256i q[8], magnitudes[8];
      turned.load(weights, job.stride, part, q);
      if constexpr (Turned<D>::kSigned) {
#pragma GCC unroll 8
        for (int t = 0; t < 8; ++t) magnitudes[t] = _mm256_abs_epi8(q[t]);
      }
      if constexpr (One) {
        one = add_part<D>(one, q, magnitudes, scales, part, *x++);
      } else {
        for (size_t i = 0; i < rows; ++i, ++x) {
          _mm256_store_ps(sums + 8 * i, add_part<D>(_mm256_load_ps(sums + 8 * i), q, magnitudes, scales, part, *x));
        }
      }
    }
  }
  if constexpr (One) return finish_outputs(job, row, n, done, one);
  for (size_t i = 0; i < rows; ++i) finish_outputs(job, row + i, n, done, _mm256_load_ps(sums + 8 * i));
}

template <tensor::DType D>
static void integer_tile_as(const IntegerJob& job, size_t chunk0, size_t chunk1, size_t n0, size_t n1) {
  for (size_t chunk = chunk0; chunk < chunk1; ++chunk) {
    const size_t row = chunk * kActivationRows, rows = job.rows - row < kActivationRows ? job.rows - row : kActivationRows;
    const ActivationBlock* x = job.x + row * job.blocks;
    for (size_t n = n0; n < n1; n += 8) {
      const size_t first = n + 8 <= job.weight.rows ? n : job.weight.rows - 8;   // the last eight overlap those before
      if (rows == 1) eight_outputs<D, true>(job, x, row, 1, first, n - first);
      else eight_outputs<D, false>(job, x, row, rows, first, n - first);
    }
  }
}

static void integer_tile(const IntegerJob& job, size_t chunk0, size_t chunk1, size_t n0, size_t n1) noexcept {
  if (job.weight.rows < 8) return reference::integer_tile(job, chunk0, chunk1, n0, n1);
  with_block_type(job.weight.dtype, [&]<tensor::DType D>() {
    if constexpr (D != tensor::DType::nf4) integer_tile_as<D>(job, chunk0, chunk1, n0, n1);
  });
}

// ---- activations

// The largest magnitude's bits: NaN and infinity are above every number.
static inline uint32_t top_bits(const float* x) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256i eight = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) eight = _mm256_max_epi32(eight, _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + 8 * i)), mask));
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1))));
}

static inline int32_t sum_of(__m128i four) {
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

static inline void activation_block(const float* x, ActivationBlock* out) {
  const uint32_t bits = top_bits(x);
  if (bits >= 0x7f800000u || bits < 0x03800000u) return reference::activation_blocks(x, 1, out, 1);   // not finite, or below 2^-120
  float top;
  std::memcpy(&top, &bits, 4);
  const __m256 inverse = _mm256_set1_ps(127.0f / top);
  __m256i whole[4];
  for (int i = 0; i < 4; ++i) whole[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), inverse));
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
  const __m256i values = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_store_si256(reinterpret_cast<__m256i*>(out->values), values);
  const __m256i sums = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), values), _mm256_set1_epi16(1));
  out->scale = top / 127.0f;
  out->half_sums[0] = sum_of(_mm256_castsi256_si128(sums));
  out->half_sums[1] = sum_of(_mm256_extracti128_si256(sums, 1));
  out->sum = out->half_sums[0] + out->half_sums[1];
  out->scaled_sum = out->scale * static_cast<float>(out->sum);
  for (int half = 0; half < 2; ++half) out->scaled_half_sums[half] = out->scale * static_cast<float>(out->half_sums[half]);
  out->unused = 0;
}

static void activation_blocks(const float* x, size_t count, ActivationBlock* out, size_t step) noexcept {
  for (size_t i = 0; i < count; ++i) activation_block(x + 32 * i, out + i * step);
}
