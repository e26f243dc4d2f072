// Latent attention, in the latent: a head's query is taken there (q_nope · W_k), scores and sums are made with the latents themselves, and what
// comes out is taken back (· W_v). So a token's keys and values of all heads are never made, and the cache holds one row of rank + rope numbers.
//
//     q of a head  [ nope | rope ]  ->  [ nope · W_k : rank | rope turned ]
//     cached row                        [ latent     : rank | rope turned ]       values: the first `rank` of it
//
// Prompts are computed in the same way, although making keys and values would cost them less (192 + 128 products a score in place of 576 + 512):
// with both ways, bytes would depend on how a prompt was cut. DeepSeek-AI, "DeepSeek-V2" (2024), section 2.1.
#include <cmath>
#include <cstring>

#include "engine/forward.h"
#include "kernels/rms_norm.h"

namespace lyceum::engine {

using kernels::ConstRows;
using kernels::Rows;

namespace {

constexpr float kLatentEpsilon = 1e-6f;   // of the norms of the latents, whatever rms_norm_eps says (transformers)

tensor::WeightView rows_of_weight(const tensor::WeightView& weight, size_t first, size_t count) {
  return {weight.data + first * tensor::row_bytes(weight.dtype, weight.columns), weight.dtype, count, weight.columns};
}

const float* bias_of(const models::Linear& linear) { return reinterpret_cast<const float*>(linear.bias.data); }

}  // namespace

// x -> q_ (heads * (rank + rope)) and k_ (rank + rope), turned.
void Forward::project_latent(size_t index, ConstRows x) {
  const models::DecoderConfig& config = decoder_.config;
  const models::LatentConfig& sizes = config.latent;
  const models::Latent& latent = decoder_.layers[index].latent;
  const size_t heads = config.heads, wide = sizes.rank + sizes.rope;
  const Rows plain = rows_of(queries_plain_, total_, heads * config.head_dim), k = rows_of(k_, total_, wide), q = rows_of(q_, total_, heads * wide);
  if (sizes.query_rank == 0) {
    const kernels::IntegerProduct products[] = {{latent.q_b.weight, nullptr, plain}, {latent.kv_a.weight, bias_of(latent.kv_a), k}};
    multiply(x, products);
  } else {
    const Rows low = rows_of(query_low_, total_, sizes.query_rank);
    const kernels::IntegerProduct products[] = {{latent.q_a.weight, bias_of(latent.q_a), low}, {latent.kv_a.weight, bias_of(latent.kv_a), k}};
    multiply(x, products);
    kernels::rms_norm(pool_, low, latent.q_a_norm.weight, kLatentEpsilon, low);
    const kernels::IntegerProduct second{latent.q_b.weight, nullptr, plain};
    multiply(low, {&second, 1});
  }
  const Rows latents(k.data, total_, sizes.rank, wide);
  kernels::rms_norm(pool_, latents, latent.kv_a_norm.weight, kLatentEpsilon, latents);
  turn(Rows(k.data + sizes.rank, total_, sizes.rope, wide), sizes.rope, rope_groups_);
  turn(Rows(plain.data + sizes.nope, total_, plain.columns, plain.columns), config.head_dim, rope_groups_);
  const bool split = latent.kv_b.weight.empty();
  grouped_.clear();
  for (size_t head = 0; head < heads; ++head) {
    const ConstRows nope(plain.data + head * config.head_dim, total_, sizes.nope, plain.columns);
    const tensor::WeightView weight = split ? rows_of_weight(latent.k_b.weight, head * sizes.rank, sizes.rank)
                                            : rows_of_weight(latent.kv_b.weight, head * (sizes.nope + sizes.value), sizes.nope);
    grouped_.push_back({nope, weight, Rows(q.data + head * wide, total_, sizes.rank, q.columns), split});
    for (size_t row = 0; row < total_; ++row) {
      std::memcpy(q.row(row) + head * wide + sizes.rank, nope.row(row) + sizes.nope, sizes.rope * sizeof(float));
    }
  }
  kernels::matmul_grouped(pool_, grouped_);
  grouped_.clear();
}

// q_, k_ -> attended_ (heads * value).
void Forward::attend_latent(size_t index, std::span<const ForwardSpan> spans) {
  const models::DecoderConfig& config = decoder_.config;
  const models::LatentConfig& sizes = config.latent;
  const models::Latent& latent = decoder_.layers[index].latent;
  const size_t heads = config.heads, wide = sizes.rank + sizes.rope;
  const kernels::AttentionShape shape{heads, 1, wide, config.attention_scale, 0, 0.0f, sizes.rank};
  const Rows k(k_.data(), total_, wide), out = rows_of(attended_, total_, heads * sizes.rank);
  if (cache_ != nullptr) {
    attend_cached(index, spans, shape);
  } else {
    kernels::attention(pool_, shape, documents_, ConstRows(q_.data(), total_, heads * wide), k, Rows(k.data, total_, sizes.rank, wide), out, nullptr);
  }
  const bool split = latent.kv_b.weight.empty();
  const Rows values = rows_of(latent_out_, total_, heads * sizes.value);
  grouped_.clear();
  for (size_t head = 0; head < heads; ++head) {
    const tensor::WeightView weight = split ? rows_of_weight(latent.v_b.weight, head * sizes.value, sizes.value)
                                            : rows_of_weight(latent.kv_b.weight, head * (sizes.nope + sizes.value) + sizes.nope, sizes.value);
    grouped_.push_back({ConstRows(out.data + head * sizes.rank, total_, sizes.rank, out.columns), weight,
                        Rows(values.data + head * sizes.value, total_, sizes.value, values.columns)});
  }
  kernels::matmul_grouped(pool_, grouped_);
  grouped_.clear();
  std::swap(attended_, latent_out_);
}

}  // namespace lyceum::engine
