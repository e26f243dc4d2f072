// gemm.inl: C = A · B by register tiles over packed panels of B.
//
// B is unpacked a block at a time (kDepth x kWidth floats) into panels of 16 columns, [k][16], whatever its dtype and
// orientation; A is read in place. A register tile of up to 6 rows keeps its sums in registers over the whole depth block;
// between depth blocks they rest in `sums`. So each element is one fma chain in ascending k: blocking, instruction set and
// the other rows cannot be seen in the bytes. A whose rows are contiguous is not packed: they are short streams that the
// hardware prefetches well. A transposed A (the gradient of a weight) is copied, because its power-of-two strides would fall
// into one cache set.

static constexpr size_t kPanel = 16;
static constexpr size_t kWidth = 128;   // columns unpacked at once: eight panels
static constexpr size_t kDepth = 256;   // a panel of 256 x 16 floats is 16 KiB: half of a 32 KiB L1 cache
static constexpr size_t kHeight = 192;  // rows whose sums are kept; also the stride, in floats, of a copied transposed A
static constexpr size_t kAhead = 6;     // rows of B to prefetch ahead while unpacking

struct GemmSpace {
  alignas(64) float panels[kWidth * kDepth];
  alignas(64) float sums[kHeight * kWidth];
  alignas(64) float left[kDepth * kHeight];
};
// On the heap, as attention_space().
static inline GemmSpace& gemm_space() {
  static thread_local const std::unique_ptr<GemmSpace> space = std::make_unique<GemmSpace>();
  return *space;
}

// Four values at low in the low half, four at high in the high half.
template <tensor::DType D>
static inline __m256 load_pair(const std::byte* low, const std::byte* high) {
  if constexpr (D == tensor::DType::f32) {
    const __m256 half = _mm256_castps128_ps256(_mm_loadu_ps(reinterpret_cast<const float*>(low)));
    return _mm256_insertf128_ps(half, _mm_loadu_ps(reinterpret_cast<const float*>(high)), 1);
  } else {
    const __m128i both = _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(low)), _mm_loadl_epi64(reinterpret_cast<const __m128i*>(high)));
    if constexpr (D == tensor::DType::f16) return _mm256_cvtph_ps(both);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(both), 16));
  }
}

// Four columns of eight stored rows: columns[k] = rows 0..7 at k. Rows i and i + 4 share a register from the start, so the
// transposition never crosses its halves.
template <tensor::DType D>
static inline void load_columns(const std::byte* first, size_t stride, __m256 columns[4]) {
  __m256 pair[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) pair[i] = load_pair<D>(first + i * stride, first + (i + 4) * stride);
  const __m256 a = _mm256_unpacklo_ps(pair[0], pair[1]), b = _mm256_unpackhi_ps(pair[0], pair[1]);
  const __m256 c = _mm256_unpacklo_ps(pair[2], pair[3]), d = _mm256_unpackhi_ps(pair[2], pair[3]);
  columns[0] = _mm256_shuffle_ps(a, c, 0x44);
  columns[1] = _mm256_shuffle_ps(a, c, 0xee);
  columns[2] = _mm256_shuffle_ps(b, d, 0x44);
  columns[3] = _mm256_shuffle_ps(b, d, 0xee);
}

// Eight rows of which only `count` exist, or a depth that is not whole: row by row. The others become zeros.
template <tensor::DType D>
[[gnu::noinline]] static void pack_edge(const std::byte* first, size_t stride, size_t count, size_t depth, float* panel) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  for (size_t row = 0; row < 8; ++row) {
    for (size_t k = 0; k < depth; k += 8) {
      const size_t left = depth - k < 8 ? depth - k : 8;
      alignas(32) float values[8] = {};
      if (row < count) {
        std::byte bytes[32] = {};
        std::memcpy(bytes, first + row * stride + k * kBytes, left * kBytes);
        _mm256_store_ps(values, load8<D>(bytes));
      }
      for (size_t i = 0; i < left; ++i) panel[(k + i) * kPanel + row] = values[i];
    }
  }
}

// Eight stored rows -> half a panel. The next cache lines are asked for early: rows are often a power of two apart, fall into one
// set, and must be used up at once.
template <tensor::DType D>
static inline void pack_eight(const std::byte* first, size_t stride, size_t depth, float* panel) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  for (size_t k = 0; k + 4 <= depth; k += 4, first += 4 * kBytes, panel += 4 * kPanel) {
    __m256 columns[4];
    if (k % 16 == 0) {
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; ++i) _mm_prefetch(reinterpret_cast<const char*>(first + i * stride + 192), _MM_HINT_T0);
    }
    load_columns<D>(first, stride, columns);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) _mm256_store_ps(panel + i * kPanel, columns[i]);
  }
}

// 16 stored rows from `first`, `depth` columns -> panel[k][16]. Rows beyond count become zeros.
template <tensor::DType D>
static void pack_transposed(const std::byte* first, size_t stride, size_t count, size_t depth, float* panel) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  const size_t whole = depth / 4 * 4;
  for (size_t half = 0; half < kPanel; half += 8) {
    const std::byte* rows = first + half * stride;
    if (count >= half + 8) {
      pack_eight<D>(rows, stride, whole, panel + half);
      if (whole < depth) pack_edge<D>(rows + whole * kBytes, stride, 8, depth - whole, panel + whole * kPanel + half);
    } else {
      pack_edge<D>(rows, stride, count > half ? count - half : 0, depth, panel + half);
    }
  }
}

// `depth` values from value k0 on of eight stored rows -> half a panel.
template <tensor::DType D>
static void pack_eight_blocks(const std::byte* rows, size_t stride, size_t k0, size_t depth, float* panel) {
  using P = Parts<D>;
  Eight<D> eight;
  for (size_t k = k0; k < k0 + depth; k += 32) {
    const std::byte* block = rows + k / P::kSize * P::kBytes;
    const int part = static_cast<int>(k % P::kSize / 32);
    if (part == 0) eight.load_scales(block, stride);
    eight.load_part(block, stride, part);
    for (int t = 0; t < 8; ++t, panel += 4 * kPanel) {
      _mm256_store_ps(panel, eight.template value<0>(part, t));
      _mm256_store_ps(panel + kPanel, eight.template value<1>(part, t));
      _mm256_store_ps(panel + 2 * kPanel, eight.template value<2>(part, t));
      _mm256_store_ps(panel + 3 * kPanel, eight.template value<3>(part, t));
    }
  }
}

// The same for `count` < 8 rows, by way of floats; the others become zeros.
static void pack_few_blocks(const GemmJob& job, const std::byte* rows, size_t k0, size_t count, size_t depth, float* panel) {
  const size_t size = tensor::block_size(job.b_dtype), bytes = tensor::row_bytes(job.b_dtype, size);
  alignas(32) float values[8 * tensor::kBlockMax] = {};
  for (size_t k = 0; k < depth; k += size) {
    for (size_t row = 0; row < count; ++row) {
      dequantize_blocks(job.b_dtype, rows + row * job.b_stride + (k0 + k) / size * bytes, size, values + row * size);
    }
    pack_eight<tensor::DType::f32>(reinterpret_cast<const std::byte*>(values), size * 4, size, panel + k * kPanel);
  }
}

// `depth` values from value k0 on of 16 stored rows at `rows`. k0 and depth are whole blocks.
static void pack_transposed_blocks(const GemmJob& job, const std::byte* rows, size_t k0, size_t count, size_t depth, float* panel) {
  for (size_t half = 0; half < kPanel; half += 8) {
    const std::byte* first = rows + half * job.b_stride;
    if (count < half + 8) {
      pack_few_blocks(job, first, k0, count > half ? count - half : 0, depth, panel + half);
    } else {
      with_block_type(job.b_dtype, [&]<tensor::DType D>() { pack_eight_blocks<D>(first, job.b_stride, k0, depth, panel + half); });
    }
  }
}

// Columns [n, n + width) of rows [k0, k0 + depth) -> panels.
template <tensor::DType D>
static void pack_rows_plain(const GemmJob& job, size_t k0, size_t depth, size_t n, size_t width, float* panels) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  const std::byte* source = job.b + k0 * job.b_stride + n * kBytes;
  const size_t panel = depth * kPanel, whole = width / kPanel, rest = width % kPanel;
  for (size_t k = 0; k < depth; ++k, source += job.b_stride, panels += kPanel) {
    for (size_t p = 0; p < whole; ++p) {
      _mm_prefetch(reinterpret_cast<const char*>(source + kAhead * job.b_stride + p * kPanel * kBytes), _MM_HINT_T0);
      store(panels + p * panel, load16<D>(source + p * kPanel * kBytes));
    }
    if (rest != 0) store(panels + whole * panel, load16_part<D>(source + whole * kPanel * kBytes, rest));
  }
}

// The columns are whole blocks of 32, but perhaps a part of a block of 256.
static void pack_rows_blocks(const GemmJob& job, size_t k0, size_t depth, size_t n, size_t width, float* panels) {
  const size_t size = tensor::block_size(job.b_dtype);
  const size_t begin = n / size * size, end = (n + width + size - 1) / size * size;
  alignas(64) float row[kWidth + 2 * tensor::kBlockMax];
  for (size_t k = 0; k < depth; ++k) {
    dequantize_any(job.b_dtype, job.b + (k0 + k) * job.b_stride + tensor::row_bytes(job.b_dtype, begin), end - begin, row);
    for (size_t p = 0; p * kPanel < width; ++p) store(panels + p * depth * kPanel + k * kPanel, load(row + n - begin + p * kPanel));
  }
}

static inline void pack_rows(const GemmJob& job, size_t k0, size_t depth, size_t n, size_t width, float* panels) {
  switch (job.b_dtype) {
    case tensor::DType::f32: pack_rows_plain<tensor::DType::f32>(job, k0, depth, n, width, panels); break;
    case tensor::DType::f16: pack_rows_plain<tensor::DType::f16>(job, k0, depth, n, width, panels); break;
    case tensor::DType::bf16: pack_rows_plain<tensor::DType::bf16>(job, k0, depth, n, width, panels); break;
    default: pack_rows_blocks(job, k0, depth, n, width, panels); break;
  }
}

static inline void pack_columns(const GemmJob& job, size_t k0, size_t depth, size_t n, size_t width, float* panels) {
  for (size_t p = 0; p * kPanel < width; ++p) {
    const std::byte* rows = job.b + (n + p * kPanel) * job.b_stride;
    const std::byte* first = rows + tensor::row_bytes(job.b_dtype, k0);
    const size_t count = width - p * kPanel < kPanel ? width - p * kPanel : kPanel;
    float* panel = panels + p * depth * kPanel;
    switch (job.b_dtype) {
      case tensor::DType::f32: pack_transposed<tensor::DType::f32>(first, job.b_stride, count, depth, panel); break;
      case tensor::DType::f16: pack_transposed<tensor::DType::f16>(first, job.b_stride, count, depth, panel); break;
      case tensor::DType::bf16: pack_transposed<tensor::DType::bf16>(first, job.b_stride, count, depth, panel); break;
      default: pack_transposed_blocks(job, rows, k0, count, depth, panel); break;
    }
  }
}

// One depth block of one register tile.
struct Tile {
  const GemmJob* job;
  const float* a;        // A(m, k0)
  size_t a_row, a_k;
  const float* panels;   // the first panel of the tile
  size_t depth;
  float* sums;           // (rows, kWidth), at the tile's first row and column
  float* c;              // C(m, n)
  const float* bias;     // bias[n] or null
  size_t width;          // columns that exist, counted from n
  bool first, last;      // of the depth blocks
};

// C (+)= scale * sums + bias for the columns of one panel. Apart from the loop that sums, so that nothing there leaves its registers.
static void finish_panel(const Tile& tile, size_t rows, size_t panel) {
  const size_t from = panel * kPanel;
  const size_t count = tile.width - from < kPanel ? tile.width - from : kPanel;
  const v16 factor = set1(tile.job->scale);
  const v16 bias = tile.bias == nullptr ? zero() : load_part(tile.bias + from, count);
  for (size_t m = 0; m < rows; ++m) {
    float* c = tile.c + m * tile.job->c_row + from;
    v16 value = load(tile.sums + m * kWidth + from) * factor;
    if (tile.bias != nullptr) value = value + bias;
    if (count == kPanel) {
      store(c, tile.job->add ? value + load(c) : value);
    } else {
      store_part(c, tile.job->add ? value + load_part(c, count) : value, count);
    }
  }
}

template <int M, int V>
static void run_tile(const Tile& tile) {
  v16 acc[M][V];
  float* const sums = tile.sums;
  if (tile.first) {
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int p = 0; p < V; ++p) acc[m][p] = zero();
    }
  } else {
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int p = 0; p < V; ++p) acc[m][p] = load(sums + static_cast<size_t>(m) * kWidth + static_cast<size_t>(p) * kPanel);
    }
  }
  const size_t a_k = tile.a_k, a_row = tile.a_row, panel = tile.depth * kPanel;
  const float* a = tile.a;
  const float* b = tile.panels;
  for (const float* const end = b + panel; b != end; a += a_k, b += kPanel) {
    v16 right[V];
#pragma GCC unroll 4
    for (int p = 0; p < V; ++p) right[p] = load(b + static_cast<size_t>(p) * panel);
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
      const v16 left = broadcast(a + static_cast<size_t>(m) * a_row);
#pragma GCC unroll 4
      for (int p = 0; p < V; ++p) acc[m][p] = fma(left, right[p], acc[m][p]);
    }
  }
  if (tile.last && tile.bias == nullptr && tile.width >= V * kPanel) {
    const v16 factor = set1(tile.job->scale);
    const bool add = tile.job->add;
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
      float* c = tile.c + static_cast<size_t>(m) * tile.job->c_row;
#pragma GCC unroll 4
      for (int p = 0; p < V; ++p, c += kPanel) store(c, add ? acc[m][p] * factor + load(c) : acc[m][p] * factor);
    }
    return;
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int p = 0; p < V; ++p) store(sums + static_cast<size_t>(m) * kWidth + static_cast<size_t>(p) * kPanel, acc[m][p]);
  }
  if (!tile.last) return;
  for (size_t p = 0; p < V && p * kPanel < tile.width; ++p) finish_panel(tile, M, p);
}

// Moves a tile over `panels` panels to the right, V at a time, then one at a time.
template <int M>
static void run_row_tile(Tile tile, size_t panels) {
  constexpr size_t V = panels_of(M);
  const auto advance = [&tile](size_t count) {
    tile.panels += count * tile.depth * kPanel;
    tile.sums += count * kPanel;
    tile.c += count * kPanel;
    if (tile.bias != nullptr) tile.bias += count * kPanel;
    tile.width = tile.width > count * kPanel ? tile.width - count * kPanel : 0;
  };
  size_t p = 0;
  for (; p + V <= panels; p += V) {
    run_tile<M, static_cast<int>(V)>(tile);
    advance(V);
  }
  for (; p < panels; ++p) {
    run_tile<M, 1>(tile);
    advance(1);
  }
}

static void run_rows(const Tile& tile, size_t rows, size_t panels) {
  switch (rows) {
    case 1: run_row_tile<1>(tile, panels); break;
    case 2: run_row_tile<2>(tile, panels); break;
    case 3: run_row_tile<3>(tile, panels); break;
    case 4: run_row_tile<4>(tile, panels); break;
    case 5: run_row_tile<5>(tile, panels); break;
    default: run_row_tile<6>(tile, panels); break;
  }
}

struct LeftRows {
  const float* a;        // A(m0, k0)
  size_t a_row, a_k;
};

// A(m0.., k0..) as it is, or copied to (depth, kHeight) when its rows are not contiguous.
static LeftRows left_rows(const GemmJob& job, size_t m0, size_t m1, size_t k0, size_t depth) {
  const float* source = job.a + m0 * job.a_row + k0 * job.a_k;
  if (job.a_row != 1 || m1 - m0 <= kRowTile) return {source, job.a_row, job.a_k};
  float* const left = gemm_space().left;
  for (size_t k = 0; k < depth; ++k) std::memcpy(left + k * kHeight, source + k * job.a_k, (m1 - m0) * sizeof(float));
  return {left, 1, kHeight};
}

// All rows [m0, m1) against the unpacked block.
static void run_block(const GemmJob& job, const LeftRows& left, size_t m0, size_t m1, size_t n, size_t width, size_t k0, size_t depth) {
  GemmSpace& space = gemm_space();
  const size_t panels = (width + kPanel - 1) / kPanel;
  // With many rows one panel stays in the L1 cache while all rows pass over it; with few, all panels go in one sweep.
  const size_t group = m1 - m0 > kRowTile ? static_cast<size_t>(panels_of(kRowTile)) : panels;
  for (size_t p = 0; p < panels; p += group) {
    for (size_t m = m0; m < m1; m += kRowTile) {
      const size_t column = n + p * kPanel;
      const Tile tile{&job, left.a + (m - m0) * left.a_row, left.a_row, left.a_k, space.panels + p * depth * kPanel, depth,
                      space.sums + (m - m0) * kWidth + p * kPanel, job.c + m * job.c_row + column,
                      job.bias == nullptr ? nullptr : job.bias + column, width - p * kPanel, k0 == 0, k0 + depth == job.k};
      run_rows(tile, m1 - m < kRowTile ? m1 - m : kRowTile, panels - p < group ? panels - p : group);
    }
  }
}

static void gemm_block(const GemmJob& job, size_t m0, size_t m1, size_t n, size_t width) {
  size_t k = 0;
  do {
    const size_t depth = job.k - k < kDepth ? job.k - k : kDepth;
    if (job.b_transposed) {
      pack_columns(job, k, depth, n, width, gemm_space().panels);
    } else {
      pack_rows(job, k, depth, n, width, gemm_space().panels);
    }
    run_block(job, left_rows(job, m0, m1, k, depth), m0, m1, n, width, k, depth);
    k += depth;
  } while (k < job.k);
}

// ---- one row of A: the weights are read once and go through registers only

static constexpr int kRowGroups = 2;             // groups of eight outputs at once: more were slower, they crowd the cache sets
static constexpr size_t kPrefetchBytes = 256;    // ahead in each row, into L2
static constexpr size_t kCloseBytes = 64 << 10;  // of rows that the L2 cache holds beside the next ones
static constexpr int kBlockGroups = 2;           // the same for block types
static constexpr size_t kBlockPrefetchBytes = 512;

// Outputs [n, n + 8).
static inline void finish_eight(const GemmJob& job, size_t n, __m256 sums) {
  __m256 value = _mm256_mul_ps(sums, _mm256_set1_ps(job.scale));
  if (job.bias != nullptr) value = _mm256_add_ps(value, _mm256_loadu_ps(job.bias + n));
  if (job.add) value = _mm256_add_ps(value, _mm256_loadu_ps(job.c + n));
  _mm256_storeu_ps(job.c + n, value);
}

// G groups of eight outputs; the groups' chains run beside each other.
template <tensor::DType D, int G>
static inline void row_groups(const GemmJob& job, size_t n) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  constexpr size_t kLine = 64 / kBytes;
  const std::byte* rows = job.b + n * job.b_stride;
  const size_t stride = job.b_stride, whole = job.k / 4 * 4;
  __m256 sums[G];
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) sums[g] = _mm256_setzero_ps();
  // A group takes a whole cache line of its eight rows before the next group's turn: rows are often a power of two apart, and
  // more than eight lines at once would push each other out of one cache set.
  for (size_t line = 0; line < whole; line += kLine) {
    const size_t end = whole - line < kLine ? whole : line + kLine;
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) {
      const std::byte* first = rows + static_cast<size_t>(g) * 8 * stride + line * kBytes;
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; ++i) _mm_prefetch(reinterpret_cast<const char*>(first + i * stride + kPrefetchBytes), _MM_HINT_T1);
      for (size_t k = line; k < end; k += 4, first += 4 * kBytes) {
        __m256 columns[4];
        load_columns<D>(first, stride, columns);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; ++i) sums[g] = _mm256_fmadd_ps(_mm256_broadcast_ss(job.a + k + i), columns[i], sums[g]);
      }
    }
  }
  for (int g = 0; g < G; ++g) {
    const size_t at = n + static_cast<size_t>(g) * 8;
    if (whole < job.k) {
      alignas(32) float edge[3 * kPanel];
      pack_edge<D>(job.b + at * stride + whole * kBytes, stride, 8, job.k - whole, edge);
      for (size_t k = whole; k < job.k; ++k) sums[g] = _mm256_fmadd_ps(_mm256_broadcast_ss(job.a + k), _mm256_load_ps(edge + (k - whole) * kPanel), sums[g]);
    }
    finish_eight(job, at, sums[g]);
  }
}

// The same for BF16, whose values are the upper halves of floats: rows are turned beside each other in pairs of values.
template <int G>
static void row_groups_bf16(const GemmJob& job, size_t n) {
  const size_t stride = job.b_stride, whole = job.k / 16 * 16;
  const std::byte* first = job.b + n * stride;
  const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  // Short rows are no streams that the hardware would see: the rows behind these are asked for meanwhile, line by line.
  const std::byte* behind = first + 8 * G * stride;
  const bool close = 8 * G * stride <= kCloseBytes;
  __m256 sums[G];
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) sums[g] = _mm256_setzero_ps();
  for (size_t k = 0; k < whole; k += 16, first += 32) {
    __m256i pairs[G][8];
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) {
      const std::byte* rows = first + static_cast<size_t>(g) * 8 * stride;
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; ++i) {
        if (!close && k % 32 == 0) _mm_prefetch(reinterpret_cast<const char*>(rows + i * stride + kPrefetchBytes), _MM_HINT_T0);
      }
      turn_32(rows, stride, pairs[g]);
    }
    if (close) {
      for (size_t line = 0; line < 256 * G; line += 64) _mm_prefetch(reinterpret_cast<const char*>(behind + 16 * G * k + line), _MM_HINT_T1);
    }
#pragma GCC unroll 8
    for (int t = 0; t < 8; ++t) {
      const __m256 even = _mm256_broadcast_ss(job.a + k + 2 * static_cast<size_t>(t)), odd = _mm256_broadcast_ss(job.a + k + 2 * static_cast<size_t>(t) + 1);
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) sums[g] = _mm256_fmadd_ps(even, _mm256_castsi256_ps(_mm256_slli_epi32(pairs[g][t], 16)), sums[g]);
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) sums[g] = _mm256_fmadd_ps(odd, _mm256_castsi256_ps(_mm256_and_si256(pairs[g][t], upper)), sums[g]);
    }
  }
  for (int g = 0; g < G; ++g) {
    const size_t at = n + static_cast<size_t>(g) * 8;
    if (whole < job.k) {
      alignas(32) float edge[16 * kPanel];
      pack_edge<tensor::DType::bf16>(job.b + at * stride + whole * 2, stride, 8, job.k - whole, edge);
      for (size_t k = whole; k < job.k; ++k) sums[g] = _mm256_fmadd_ps(_mm256_broadcast_ss(job.a + k), _mm256_load_ps(edge + (k - whole) * kPanel), sums[g]);
    }
    finish_eight(job, at, sums[g]);
  }
}

// Outputs [n0, the returned n) of one row; fewer than eight are left over.
template <tensor::DType D>
static size_t multiply_row(const GemmJob& job, size_t n0, size_t n1) {
  size_t n = n0;
  if constexpr (D == tensor::DType::bf16) {
    for (; n + 8 * kRowGroups <= n1; n += 8 * kRowGroups) row_groups_bf16<kRowGroups>(job, n);
    for (; n + 8 <= n1; n += 8) row_groups_bf16<1>(job, n);
  } else {
    for (; n + 8 * kRowGroups <= n1; n += 8 * kRowGroups) row_groups<D, kRowGroups>(job, n);
    for (; n + 8 <= n1; n += 8) row_groups<D, 1>(job, n);
  }
  return n;
}

// The same for block types: G groups of eight rows.
template <tensor::DType D, int G>
static void row_groups_blocks(const GemmJob& job, size_t n) {
  using P = Parts<D>;
  const size_t stride = job.b_stride;
  const std::byte* block = job.b + n * stride;
  Eight<D> groups[G];
  __m256 sums[G];
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) sums[g] = _mm256_setzero_ps();
  for (size_t k = 0; k < job.k; k += P::kSize, block += P::kBytes) {
    for (size_t i = 0; i < 8 * G; ++i) {
      for (size_t line = 0; line < P::kBytes; line += 64) _mm_prefetch(reinterpret_cast<const char*>(block + i * stride + kBlockPrefetchBytes + line), _MM_HINT_T0);
    }
    for (int g = 0; g < G; ++g) groups[g].load_scales(block + static_cast<size_t>(g) * 8 * stride, stride);
    for (int part = 0; part < static_cast<int>(P::kSize / 32); ++part) {
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) groups[g].load_part(block + static_cast<size_t>(g) * 8 * stride, stride, part);
      const float* a = job.a + k + static_cast<size_t>(part) * 32;
      for (int t = 0; t < 8; ++t, a += 4) {
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) sums[g] = _mm256_fmadd_ps(_mm256_broadcast_ss(a), groups[g].template value<0>(part, t), sums[g]);
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) sums[g] = _mm256_fmadd_ps(_mm256_broadcast_ss(a + 1), groups[g].template value<1>(part, t), sums[g]);
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) sums[g] = _mm256_fmadd_ps(_mm256_broadcast_ss(a + 2), groups[g].template value<2>(part, t), sums[g]);
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) sums[g] = _mm256_fmadd_ps(_mm256_broadcast_ss(a + 3), groups[g].template value<3>(part, t), sums[g]);
      }
    }
  }
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) finish_eight(job, n + static_cast<size_t>(g) * 8, sums[g]);
}

template <tensor::DType D>
static size_t multiply_row_blocks(const GemmJob& job, size_t n0, size_t n1) {
  size_t n = n0;
  for (; n + 8 * kBlockGroups <= n1; n += 8 * kBlockGroups) row_groups_blocks<D, kBlockGroups>(job, n);
  for (; n + 8 <= n1; n += 8) row_groups_blocks<D, 1>(job, n);
  return n;
}

static size_t multiply_row_any(const GemmJob& job, size_t n0, size_t n1) {
  switch (job.b_dtype) {
    case tensor::DType::f32: return multiply_row<tensor::DType::f32>(job, n0, n1);
    case tensor::DType::f16: return multiply_row<tensor::DType::f16>(job, n0, n1);
    case tensor::DType::bf16: return multiply_row<tensor::DType::bf16>(job, n0, n1);
    default: break;
  }
  with_block_type(job.b_dtype, [&]<tensor::DType D>() { n0 = multiply_row_blocks<D>(job, n0, n1); });
  return n0;
}

static void gemm_tile(const GemmJob& job, size_t m0, size_t m1, size_t n0, size_t n1) noexcept {
  if (m1 - m0 == 1 && job.b_transposed && job.a_k == 1) {
    GemmJob row = job;
    row.a += m0 * job.a_row;
    row.c += m0 * job.c_row;
    n0 = multiply_row_any(row, n0, n1);
  }
  for (size_t m = m0; m < m1; m += kHeight) {
    const size_t m_end = m1 - m < kHeight ? m1 : m + kHeight;
    for (size_t n = n0; n < n1; n += kWidth) gemm_block(job, m, m_end, n, n1 - n < kWidth ? n1 - n : kWidth);
  }
}
