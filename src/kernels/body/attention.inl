// attention.inl: softmax(scale q kᵀ) v over key tiles, never holding more than one tile of scores.
//
//           keys ->  tile 0    tile 1    tile 2
//   queries        [ scores ][ scores ][ scores\ ]      scores = scale * q · kᵀ, masked above the diagonal and left of the
//   (64 rows)      [        ][        ][     \   ]      window; running maximum and sum per row; out = out * shrink + p · v
//
// Tiles are counted from position 0 of the document, a wholly masked tile changes nothing, and the products are gemm_tile's
// chains: a row's bytes depend on its own document only, and decoding gives the bytes of prefill and of training.

struct AttentionSpace {
  alignas(64) float scores[kAttentionRows * kAttentionKeys];
  alignas(64) float gradients[kAttentionRows * kAttentionKeys];
  alignas(64) float out[kAttentionRows * kHeadDimMax];
  alignas(64) float keys[kAttentionKeys * kHeadDimMax];
  alignas(64) float values[kAttentionKeys * kHeadDimMax];
  float top[kAttentionRows], total[kAttentionRows], inner[kAttentionRows];
};
// On the heap: as static storage it would be part of every thread of the program, a web server's included, and few of them ever compute.
static inline AttentionSpace& attention_space() {
  static thread_local const std::unique_ptr<AttentionSpace> space = std::make_unique<AttentionSpace>();
  return *space;
}

// The keys that the query at `position` sees: [first, position].
static inline size_t first_key(const AttentionShape& shape, size_t position) {
  return shape.window == 0 || position < shape.window ? 0 : position + 1 - shape.window;
}

static inline void mask_row(float* scores, size_t count, size_t tile_begin, size_t first, size_t position) {
  for (size_t j = 0; j < count && tile_begin + j < first; ++j) scores[j] = kMinusInfinity;
  for (size_t j = position + 1 > tile_begin ? position + 1 - tile_begin : 0; j < count; ++j) scores[j] = kMinusInfinity;
}

// Turns a row of scores into exp(score - new maximum), and updates the row's maximum, sum and output.
static inline void online_softmax_row(float* scores, size_t count, float& top, float& total, float* out, size_t head_dim) {
  const float tile_top = maximum(scores, count);
  if (tile_top == kMinusInfinity) {
    std::memset(scores, 0, count * sizeof(float));
    return;
  }
  const float new_top = tile_top > top ? tile_top : top;
  v16 row_total = zero();
  for (size_t j = 0; j < count; j += 16) {
    const size_t n = lanes(count - j);
    const v16 p = exp16(load_part(scores + j, n) - set1(new_top));
    store_part(scores + j, p, n);
    row_total = row_total + keep(p, n, 0.0f);
  }
  const float shrink = top == kMinusInfinity ? 0.0f : _mm256_cvtss_f32(low8(exp16(set1(top - new_top))));
  total = total * shrink + sum(row_total);
  top = new_top;
  if (shrink != 1.0f) scale(out, shrink, head_dim);
}

// cap * tanh(score / cap), where tanh(z) = 2 sigmoid(2 z) - 1.
static inline void cap_row(float* scores, size_t count, float cap) {
  for (size_t j = 0; j < count; j += 16) {
    const size_t n = lanes(count - j);
    const v16 half = sigmoid(set1(2.0f / cap) * load_part(scores + j, n));
    store_part(scores + j, set1(cap) * (half + half - set1(1.0f)), n);
  }
}

// Rows of queries that share their keys: row i is at position `position + i * step` (step 0: heads of one token).
struct QueryRows {
  const float* q;
  size_t q_row;
  size_t rows;
  size_t position, step;
};

struct KeyTile {
  const std::byte* keys;
  const std::byte* values;
  tensor::DType dtype;
  size_t stride, value_stride;   // bytes from one to the next
  size_t begin;    // position of the first key
  size_t count;
};

static void attend_tile(const AttentionShape& shape, const QueryRows& rows, const KeyTile& tile, AttentionSpace& space) {
  GemmJob job;
  job.a = rows.q;
  job.a_row = rows.q_row;
  job.b = tile.keys;
  job.b_dtype = tile.dtype;
  job.b_stride = tile.stride;
  job.b_transposed = true;
  job.k = shape.head_dim;
  job.c = space.scores;
  job.c_row = kAttentionKeys;
  job.scale = shape.scale;
  gemm_tile(job, 0, rows.rows, 0, tile.count);
  for (size_t i = 0; i < rows.rows; ++i) {
    float* scores = space.scores + i * kAttentionKeys;
    const size_t position = rows.position + i * rows.step;
    if (shape.softcap != 0) cap_row(scores, tile.count, shape.softcap);
    mask_row(scores, tile.count, tile.begin, first_key(shape, position), position);
    online_softmax_row(scores, tile.count, space.top[i], space.total[i], space.out + i * kHeadDimMax, shape.values());
  }
  GemmJob mix;
  mix.a = space.scores;
  mix.a_row = kAttentionKeys;
  mix.b = tile.values;
  mix.b_dtype = tile.dtype;
  mix.b_stride = tile.value_stride;
  mix.k = tile.count;
  mix.c = space.out;
  mix.c_row = kHeadDimMax;
  mix.add = true;
  gemm_tile(mix, 0, rows.rows, 0, shape.values());
}

static inline void begin_rows(AttentionSpace& space, size_t rows, size_t value_dim) {
  for (size_t i = 0; i < rows; ++i) {
    space.top[i] = kMinusInfinity;
    space.total[i] = 0.0f;
    std::memset(space.out + i * kHeadDimMax, 0, value_dim * sizeof(float));
  }
}

static inline void finish_row(AttentionSpace& space, size_t row, size_t value_dim, float* out) {
  float* sums = space.out + row * kHeadDimMax;
  scale(sums, 1.0f / space.total[row], value_dim);
  std::memcpy(out, sums, value_dim * sizeof(float));
}

static void attention_rows(const AttentionJob& job, size_t begin, size_t end, size_t head, size_t row) noexcept {
  const AttentionShape& shape = job.shape;
  AttentionSpace& space = attention_space();
  const size_t kv_head = head / (shape.heads / shape.kv_heads);
  const size_t rows = end - row < kAttentionRows ? end - row : kAttentionRows;
  const QueryRows queries{job.q.row(row) + head * shape.head_dim, job.q.stride, rows, row - begin, 1};
  begin_rows(space, rows, shape.values());
  const size_t last = queries.position + rows;   // keys [0, last) are seen by some row
  for (size_t key = first_key(shape, queries.position) / kAttentionKeys * kAttentionKeys; key < last; key += kAttentionKeys) {
    const size_t count = last - key < kAttentionKeys ? last - key : kAttentionKeys;
    const KeyTile tile{reinterpret_cast<const std::byte*>(job.k.row(begin + key) + kv_head * shape.head_dim),
                       reinterpret_cast<const std::byte*>(job.v.row(begin + key) + kv_head * shape.values()), tensor::DType::f32,
                       job.k.stride * sizeof(float), job.v.stride * sizeof(float), key, count};
    attend_tile(shape, queries, tile, space);
  }
  for (size_t i = 0; i < rows; ++i) {
    if (job.log_sum_exp != nullptr) {
      job.log_sum_exp[(row + i) * shape.heads + head] = space.top[i] + static_cast<float>(std::log(static_cast<double>(space.total[i])));
    }
    finish_row(space, i, shape.values(), job.out.row(row + i) + head * shape.values());
  }
}

// ---- backward

static inline float dot_product(const float* a, const float* b, size_t count) {
  v16 total = zero();
  for (size_t i = 0; i < count; i += 16) total = fma(load_part(a + i, lanes(count - i)), load_part(b + i, lanes(count - i)), total);
  return sum(total);
}

static inline void product(const float* a, size_t a_row, size_t a_k, const float* b, size_t b_row, bool transposed, size_t m, size_t n,
                           size_t k, float* c, size_t c_row, bool add, float factor) {
  const GemmJob job{a, a_row, a_k, reinterpret_cast<const std::byte*>(b), tensor::DType::f32, b_row * sizeof(float), transposed, k,
                    nullptr, c, c_row, add, factor};
  gemm_tile(job, 0, m, 0, n);
}

// One tile of scores: rows [row, row + rows) of `head`, keys [key, key + keys), all counted from the document's begin.
struct GradTile {
  size_t begin, head, row, rows, key, keys;
};

static void gradient_tile(const AttentionGradJob& job, const GradTile& t, AttentionSpace& space) {
  const AttentionShape& shape = job.shape;
  const size_t d = shape.head_dim;
  const size_t kv_column = t.head / (shape.heads / shape.kv_heads) * d;
  const float* q = job.q.row(t.begin + t.row) + t.head * d;
  const float* dout = job.dout.row(t.begin + t.row) + t.head * d;
  const float* out = job.out.row(t.begin + t.row) + t.head * d;
  const float* k = job.k.row(t.begin + t.key) + kv_column;
  const float* v = job.v.row(t.begin + t.key) + kv_column;
  product(q, job.q.stride, 1, k, job.k.stride, true, t.rows, t.keys, d, space.scores, kAttentionKeys, false, shape.scale);
  product(dout, job.dout.stride, 1, v, job.v.stride, true, t.rows, t.keys, d, space.gradients, kAttentionKeys, false, 1.0f);
  for (size_t i = 0; i < t.rows; ++i) {
    float* p = space.scores + i * kAttentionKeys;
    float* g = space.gradients + i * kAttentionKeys;
    mask_row(p, t.keys, t.key, first_key(shape, t.row + i), t.row + i);
    const float log_sum = job.log_sum_exp[(t.begin + t.row + i) * shape.heads + t.head];
    const float inner = dot_product(dout + i * job.dout.stride, out + i * job.out.stride, d);
    for (size_t j = 0; j < t.keys; j += 16) {
      const size_t n = lanes(t.keys - j);
      const v16 chance = exp16(load_part(p + j, n) - set1(log_sum));
      store_part(p + j, chance, n);
      store_part(g + j, chance * (load_part(g + j, n) - set1(inner)), n);
    }
  }
  product(space.scores, 1, kAttentionKeys, dout, job.dout.stride, false, t.keys, d, t.rows, job.dv.row(t.begin + t.key) + kv_column,
          job.dv.stride, true, 1.0f);
  product(space.gradients, 1, kAttentionKeys, q, job.q.stride, false, t.keys, d, t.rows, job.dk.row(t.begin + t.key) + kv_column,
          job.dk.stride, true, shape.scale);
  product(space.gradients, kAttentionKeys, 1, k, job.k.stride, false, t.rows, d, t.keys, job.dq.row(t.begin + t.row) + t.head * d,
          job.dq.stride, true, shape.scale);
}

static void attention_gradient(const AttentionGradJob& job, size_t begin, size_t end, size_t kv_head) noexcept {
  const AttentionShape& shape = job.shape;
  const size_t d = shape.head_dim;
  const size_t group = shape.heads / shape.kv_heads;
  for (size_t row = begin; row < end; ++row) {
    std::memset(job.dq.row(row) + kv_head * group * d, 0, group * d * sizeof(float));
    std::memset(job.dk.row(row) + kv_head * d, 0, d * sizeof(float));
    std::memset(job.dv.row(row) + kv_head * d, 0, d * sizeof(float));
  }
  const size_t length = end - begin;
  for (size_t key = 0; key < length; key += kAttentionKeys) {
    const size_t keys = length - key < kAttentionKeys ? length - key : kAttentionKeys;
    for (size_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      for (size_t row = key; row < length && first_key(shape, row) < key + keys; row += kAttentionRows) {
        const size_t rows = length - row < kAttentionRows ? length - row : kAttentionRows;
        gradient_tile(job, {begin, head, row, rows, key, keys}, attention_space());
      }
    }
  }
}

// ---- inference

static inline KeyTile cached_tile(const AttentionShape& shape, const KvCache& cache, size_t kv_head, size_t key, size_t count, AttentionSpace& space) {
  const size_t bytes = cache.dtype == tensor::DType::f32 ? 4 : 2;
  const size_t stride = shape.kv_heads * shape.head_dim * bytes;
  const size_t column = kv_head * shape.head_dim * bytes;
  const size_t block = key / cache.block_tokens, offset = key % cache.block_tokens;
  std::byte* const* values = cache.values == nullptr ? cache.keys : cache.values;
  if (offset + count <= cache.block_tokens) {
    return {cache.keys[block] + offset * stride + column, values[block] + offset * stride + column, cache.dtype, stride, stride, key, count};
  }
  for (size_t i = 0; i < count; ++i) {
    const size_t at = (key + i) % cache.block_tokens * stride + column;
    dequantize_any(cache.dtype, cache.keys[(key + i) / cache.block_tokens] + at, shape.head_dim, space.keys + i * shape.head_dim);
    if (cache.values != nullptr) dequantize_any(cache.dtype, values[(key + i) / cache.block_tokens] + at, shape.head_dim, space.values + i * shape.head_dim);
  }
  const float* copied = cache.values == nullptr ? space.keys : space.values;
  const size_t copied_stride = shape.head_dim * sizeof(float);
  return {reinterpret_cast<const std::byte*>(space.keys), reinterpret_cast<const std::byte*>(copied), tensor::DType::f32, copied_stride, copied_stride, key, count};
}

static inline void attend_cached(const AttentionShape& shape, const KvCache& cache, const QueryRows& rows, size_t kv_head, AttentionSpace& space) {
  begin_rows(space, rows.rows, shape.values());
  const size_t last = rows.position + (rows.rows - 1) * rows.step + 1;
  for (size_t key = first_key(shape, rows.position) / kAttentionKeys * kAttentionKeys; key < last; key += kAttentionKeys) {
    const size_t count = last - key < kAttentionKeys ? last - key : kAttentionKeys;
    attend_tile(shape, rows, cached_tile(shape, cache, kv_head, key, count, space), space);
  }
}

// One new token: the heads are the rows. Several: each head by itself, its tokens are the rows.
static void attention_cached(const AttentionShape& shape, const CachedQuery& query, ConstRows q, Rows out, size_t head0, size_t head1, size_t row0,
                             size_t row1) noexcept {
  AttentionSpace& space = attention_space();
  const size_t d = shape.head_dim, value_dim = shape.values(), kv_head = head0 / (shape.heads / shape.kv_heads);
  if (row1 - row0 == 1 && head1 - head0 <= kAttentionRows) {
    attend_cached(shape, query.cache, {q.row(row0) + head0 * d, d, head1 - head0, query.position + row0 - query.row, 0}, kv_head, space);
    for (size_t i = 0; i < head1 - head0; ++i) finish_row(space, i, value_dim, out.row(row0) + (head0 + i) * value_dim);
    return;
  }
  for (size_t head = head0; head < head1; ++head) {
    for (size_t row = row0; row < row1; row += kAttentionRows) {
      const size_t rows = row1 - row < kAttentionRows ? row1 - row : kAttentionRows;
      attend_cached(shape, query.cache, {q.row(row) + head * d, q.stride, rows, query.position + row - query.row, 1}, kv_head, space);
      for (size_t i = 0; i < rows; ++i) finish_row(space, i, value_dim, out.row(row + i) + head * value_dim);
    }
  }
}
