#include "kernels/attention.h"

#include <vector>

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {
namespace {

// Work of fewer score elements than this stays on the calling thread.
constexpr size_t kSmallScores = 8192;

// Maps a flat task index to (document, block of query rows, head) without allocating: blocks are counted document by document.
struct RowBlocks {
  std::span<const uint32_t> documents;

  size_t count() const {
    size_t total = 0;
    for (size_t i = 0; i + 1 < documents.size(); ++i) total += in_document(i);
    return total;
  }
  size_t in_document(size_t i) const { return (documents[i + 1] - documents[i] + kAttentionRows - 1) / kAttentionRows; }

  // Blocks are handed out from the back: the last block of a document is the longest.
  std::pair<size_t, size_t> find(size_t block) const {
    size_t i = 0;
    while (block >= in_document(i)) block -= in_document(i++);
    return {i, documents[i] + (in_document(i) - 1 - block) * kAttentionRows};
  }
};

template <typename Body>
void run_or_inline(ThreadPool& pool, size_t tasks, bool small, const Body& body) {
  if (!small) {
    pool.run(tasks, [&](size_t task, unsigned) { body(task); });
    return;
  }
  for (size_t task = 0; task < tasks; ++task) body(task);
}

}  // namespace

void attention(ThreadPool& pool, const AttentionShape& shape, std::span<const uint32_t> documents, ConstRows q, ConstRows k, ConstRows v,
               Rows out, float* log_sum_exp) noexcept {
  const AttentionJob job{shape, q, k, v, out, log_sum_exp};
  const RowBlocks blocks{documents};
  const size_t tasks = blocks.count() * shape.heads;
  run_or_inline(pool, tasks, q.rows * q.rows * shape.heads <= kSmallScores, [&](size_t task) {
    const auto [document, row] = blocks.find(task / shape.heads);
    table().attention_rows(job, documents[document], documents[document + 1], task % shape.heads, row);
  });
}

void attention_backward(ThreadPool& pool, const AttentionShape& shape, std::span<const uint32_t> documents, ConstRows q, ConstRows k,
                        ConstRows v, ConstRows out, const float* log_sum_exp, ConstRows dout, Rows dq, Rows dk, Rows dv) noexcept {
  const AttentionGradJob job{shape, q, k, v, out, dout, log_sum_exp, dq, dk, dv};
  const size_t tasks = documents.empty() ? 0 : (documents.size() - 1) * shape.kv_heads;
  run_or_inline(pool, tasks, q.rows * q.rows * shape.heads <= kSmallScores, [&](size_t task) {
    const size_t document = task / shape.kv_heads;
    table().attention_gradient(job, documents[document], documents[document + 1], task % shape.kv_heads);
  });
}

void kv_append(const KvCache& cache, size_t position, ConstRows k, ConstRows v) noexcept {
  const size_t bytes = tensor::row_bytes(cache.dtype, k.columns);
  for (size_t i = 0; i < k.rows; ++i) {
    const size_t block = (position + i) / cache.block_tokens, at = (position + i) % cache.block_tokens * bytes;
    table().quantize(cache.dtype, k.row(i), k.columns, cache.keys[block] + at);
    if (cache.values != nullptr) table().quantize(cache.dtype, v.row(i), v.columns, cache.values[block] + at);
  }
}

void attention_cached(ThreadPool& pool, const AttentionShape& shape, std::span<const CachedQuery> queries, ConstRows q, Rows out) noexcept {
  size_t blocks = 0, scores = 0;
  for (const CachedQuery& query : queries) {
    blocks += (query.rows + kAttentionRows - 1) / kAttentionRows;
    scores += query.rows * (query.position + query.rows) * shape.heads;
  }
  // Heads that share their keys are a task; where all of them do, they are divided.
  const size_t group = shape.heads / shape.kv_heads;
  const size_t together = shape.value_dim == 0 ? group : (group + 2 * pool.size() - 1) / (2 * pool.size());
  const size_t beside = shape.kv_heads * ((group + together - 1) / together);
  run_or_inline(pool, blocks * beside, scores <= kSmallScores, [&](size_t task) {
    size_t block = task / beside;
    const CachedQuery* query = queries.data();
    for (; block >= (query->rows + kAttentionRows - 1) / kAttentionRows; ++query) block -= (query->rows + kAttentionRows - 1) / kAttentionRows;
    const size_t row = query->row + block * kAttentionRows, head = task % beside * together;
    table().attention_cached(shape, *query, q, out, head, std::min(shape.heads, head + together), row, std::min(query->row + query->rows, row + kAttentionRows));
  });
}

}  // namespace lyceum::kernels
