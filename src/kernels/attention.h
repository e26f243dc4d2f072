// attention.h: causal attention with grouped query heads and an optional sliding window.
//
// Two users: training works on packed sequences of documents that must not see each other, keeps one log-sum-exp per
// (token, head) and has a backward pass; inference attends from new tokens to a cache of keys and values.
// Both run the online softmax over key tiles of fixed size counted from the first visible tile of the document or
// sequence, so the bytes of a row depend only on its own document, never on threads or on neighbours in the batch.
// Method: Dao et al., "FlashAttention" (2022).
#pragma once

#include <cstdint>
#include <span>

#include "base/threads.h"
#include "kernels/rows.h"
#include "tensor/view.h"

namespace lyceum::kernels {

struct AttentionShape {
  size_t heads = 0;
  size_t kv_heads = 0;      // divides heads; query head h reads kv head h / (heads / kv_heads)
  size_t head_dim = 0;      // of queries and keys, <= 576
  float scale = 1.0f;       // usually 1 / sqrt(head_dim)
  size_t window = 0;        // a token sees itself and the window - 1 tokens before it; 0 = all
  float softcap = 0.0f;     // scores become softcap * tanh(score / softcap) before the mask; 0 = off; forward only
  size_t value_dim = 0;     // of values and outputs where it is not head_dim, <= 576; 0 = head_dim; forward only

  size_t values() const noexcept { return value_dim == 0 ? head_dim : value_dim; }
};

// documents: n + 1 ascending row offsets; document i is rows [documents[i], documents[i + 1]).
// q: (tokens, heads * head_dim); k: (tokens, kv_heads * head_dim); v: (tokens, kv_heads * values()); out: (tokens, heads * values());
// log_sum_exp: tokens * heads floats (token-major), or null when there will be no backward pass.
void attention(ThreadPool& pool, const AttentionShape& shape, std::span<const uint32_t> documents, ConstRows q, ConstRows k,
               ConstRows v, Rows out, float* log_sum_exp) noexcept;

// dq, dk, dv are overwritten for the rows of the documents. out and log_sum_exp come from attention().
void attention_backward(ThreadPool& pool, const AttentionShape& shape, std::span<const uint32_t> documents, ConstRows q,
                        ConstRows k, ConstRows v, ConstRows out, const float* log_sum_exp, ConstRows dout, Rows dq, Rows dk,
                        Rows dv) noexcept;

// The keys and values of one sequence in one layer: blocks of `block_tokens` tokens, each (block_tokens, kv_heads * head_dim)
// contiguous in `dtype` (f32, f16 or bf16). Position p is at row p % block_tokens of block p / block_tokens. A contiguous
// cache is one block with block_tokens = its capacity. Blocks of a multiple of 64 tokens are read in place, others copied.
// Without values the value of a position is the beginning of its key (latent attention); then kv_heads is 1.
struct KvCache {
  tensor::DType dtype = tensor::DType::f32;
  size_t block_tokens = 0;
  std::byte* const* keys = nullptr;
  std::byte* const* values = nullptr;   // null: see above
};

// Writes rows k, v ((n, kv_heads * head_dim), keys already rotated) at positions [position, position + n). A cache without values has no use for v.
void kv_append(const KvCache& cache, size_t position, ConstRows k, ConstRows v) noexcept;

// Rows [row, row + rows) of q and out belong to one sequence, at positions [position, position + rows). The cache holds all
// positions up to the last of them.
struct CachedQuery {
  size_t row = 0;
  size_t rows = 0;
  size_t position = 0;
  KvCache cache;
};
void attention_cached(ThreadPool& pool, const AttentionShape& shape, std::span<const CachedQuery> queries, ConstRows q, Rows out) noexcept;

}  // namespace lyceum::kernels
