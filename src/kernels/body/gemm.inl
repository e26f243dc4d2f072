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
static thread_local GemmSpace gemm_space;

// rows[0..8) of 8 floats -> columns.
static inline void transpose8(__m256 rows[8]) {
  __m256 t[8], u[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    rows[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}

// The last depth < 8 columns, a value at a time.
template <tensor::DType D>
[[gnu::noinline]] static void pack_tail(const std::byte* first, size_t stride, size_t count, size_t depth, float* panel) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  for (size_t row = 0; row < kPanel; ++row) {
    alignas(32) float values[8] = {};
    if (row < count) {
      std::byte bytes[32] = {};
      std::memcpy(bytes, first + row * stride, depth * kBytes);
      _mm256_store_ps(values, load8<D>(bytes));
    }
    for (size_t k = 0; k < depth; ++k) panel[k * kPanel + row] = values[k];
  }
}

// Eight stored rows -> half a panel, 16 columns a step so that a cache line is used up at once: rows are often a power of two
// apart and fall into one set.
template <tensor::DType D>
static inline void pack_eight(const std::byte* first, size_t stride, size_t depth, float* panel) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  for (size_t k = 0; k + 8 <= depth; k += 8, first += 8 * kBytes, panel += 8 * kPanel) {
    __m256 block[8];
    if (k % 16 == 0) {
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; ++i) _mm_prefetch(reinterpret_cast<const char*>(first + i * stride + 192), _MM_HINT_T0);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) block[i] = load8<D>(first + i * stride);
    transpose8(block);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) _mm256_store_ps(panel + i * kPanel, block[i]);
  }
}

// The same for fewer than eight rows; the others are zeros.
template <tensor::DType D>
static void pack_some(const std::byte* first, size_t stride, size_t count, size_t depth, float* panel) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  for (size_t k = 0; k + 8 <= depth; k += 8, first += 8 * kBytes, panel += 8 * kPanel) {
    __m256 block[8];
    for (size_t i = 0; i < 8; ++i) block[i] = i < count ? load8<D>(first + i * stride) : _mm256_setzero_ps();
    transpose8(block);
    for (size_t i = 0; i < 8; ++i) _mm256_store_ps(panel + i * kPanel, block[i]);
  }
}

// 16 stored rows from `first`, `depth` columns -> panel[k][16]. Rows beyond count become zeros.
template <tensor::DType D>
static void pack_transposed(const std::byte* first, size_t stride, size_t count, size_t depth, float* panel) {
  constexpr size_t kBytes = D == tensor::DType::f32 ? 4 : 2;
  for (size_t half = 0; half < kPanel; half += 8) {
    if (count >= half + 8) {
      pack_eight<D>(first + half * stride, stride, depth, panel + half);
    } else {
      pack_some<D>(first + half * stride, stride, count > half ? count - half : 0, depth, panel + half);
    }
  }
  const size_t whole = depth / 8 * 8;
  if (whole < depth) pack_tail<D>(first + whole * kBytes, stride, count, depth - whole, panel + whole * kPanel);
}

static inline void pack_transposed_blocks(tensor::DType dtype, const std::byte* first, size_t stride, size_t count, size_t depth, float* panel) {
  const size_t block_bytes = dtype == tensor::DType::q8_0 ? 34 : 18;
  alignas(32) float rows[kPanel * 32] = {};
  for (size_t k = 0; k < depth; k += 32) {
    for (size_t row = 0; row < count; ++row) {
      const std::byte* block = first + row * stride + k / 32 * block_bytes;
      dtype == tensor::DType::q8_0 ? block_q8_0(block, rows + row * 32) : block_q4_0(block, rows + row * 32);
    }
    pack_transposed<tensor::DType::f32>(reinterpret_cast<const std::byte*>(rows), 32 * 4, kPanel, 32, panel + k * kPanel);
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

static void pack_rows_blocks(const GemmJob& job, size_t k0, size_t depth, size_t n, size_t width, float* panels) {
  alignas(64) float row[kWidth];
  const size_t offset = tensor::row_bytes(job.b_dtype, n);
  for (size_t k = 0; k < depth; ++k) {
    dequantize_any(job.b_dtype, job.b + (k0 + k) * job.b_stride + offset, width, row);
    for (size_t p = 0; p * kPanel < width; ++p) store(panels + p * depth * kPanel + k * kPanel, load(row + p * kPanel));
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
  const size_t block = tensor::block_size(job.b_dtype);
  const size_t skip = k0 / block * tensor::row_bytes(job.b_dtype, block);
  for (size_t p = 0; p * kPanel < width; ++p) {
    const std::byte* first = job.b + (n + p * kPanel) * job.b_stride + skip;
    const size_t count = width - p * kPanel < kPanel ? width - p * kPanel : kPanel;
    float* panel = panels + p * depth * kPanel;
    switch (job.b_dtype) {
      case tensor::DType::f32: pack_transposed<tensor::DType::f32>(first, job.b_stride, count, depth, panel); break;
      case tensor::DType::f16: pack_transposed<tensor::DType::f16>(first, job.b_stride, count, depth, panel); break;
      case tensor::DType::bf16: pack_transposed<tensor::DType::bf16>(first, job.b_stride, count, depth, panel); break;
      default: pack_transposed_blocks(job.b_dtype, first, job.b_stride, count, depth, panel); break;
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
  for (size_t k = 0; k < depth; ++k) std::memcpy(gemm_space.left + k * kHeight, source + k * job.a_k, (m1 - m0) * sizeof(float));
  return {gemm_space.left, 1, kHeight};
}

// All rows [m0, m1) against the unpacked block.
static void run_block(const GemmJob& job, const LeftRows& left, size_t m0, size_t m1, size_t n, size_t width, size_t k0, size_t depth) {
  GemmSpace& space = gemm_space;
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
      pack_columns(job, k, depth, n, width, gemm_space.panels);
    } else {
      pack_rows(job, k, depth, n, width, gemm_space.panels);
    }
    run_block(job, left_rows(job, m0, m1, k, depth), m0, m1, n, width, k, depth);
    k += depth;
  } while (k < job.k);
}

static void gemm_tile(const GemmJob& job, size_t m0, size_t m1, size_t n0, size_t n1) noexcept {
  for (size_t m = m0; m < m1; m += kHeight) {
    const size_t m_end = m1 - m < kHeight ? m1 : m + kHeight;
    for (size_t n = n0; n < n1; n += kWidth) gemm_block(job, m, m_end, n, n1 - n < kWidth ? n1 - n : kWidth);
  }
}
