// forward.h: the forward pass of a decoder over rows of several sequences at once.
//
// Rows are tokens. A batch is a list of spans, each the next tokens of one sequence. With a cache a span attends to everything its
// sequence has in the blocks and appends itself; without one every span is a whole document from position 0 (scoring, embeddings).
// All matrix products run over all rows together; only attention, rotation and LoRA look at spans. Kernels compute each row
// independently of the others, so what a sequence gets does not depend on its neighbours nor on how its prompt was cut.
//
// One object serves one thread at a time; the decoder, the adapters and the pool are shared.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/threads.h"
#include "engine/adapter.h"
#include "engine/kv_pool.h"
#include "kernels/attention.h"
#include "kernels/grouped.h"
#include "kernels/integer.h"
#include "kernels/rope.h"
#include "models/decoder.h"

namespace lyceum::engine {

struct ForwardSpan {
  size_t rows = 0;
  size_t position = 0;                   // of its first row; 0 without a cache
  uint64_t rope_length = 0;              // how long the sequence may become (rope kinds that depend on length)
  const Adapter* adapter = nullptr;      // null = base. Spans of one adapter must be neighbours to be computed together
  std::span<KvBlock* const> blocks;      // cover position + rows; unused without a cache
};

// How rows are multiplied with block-quantised weights: as stored, widened to float exactly, or with activations rounded to 8 bits and
// summed in whole numbers (kernels/integer.h), which is several times as fast. Float weights are always multiplied exactly.
enum class Products { exact, integer };

class Forward {
 public:
  // cache: null for whole documents.
  Forward(const models::Decoder& decoder, ThreadPool& pool, const KvLayout* cache, Products products = Products::exact);

  // Runs the layers. ids: all rows, span after span. The hidden states stay inside until the next run().
  void run(std::span<const int32_t> ids, std::span<const ForwardSpan> spans);
  // Final-normed hidden states of these rows (ascending) of the last run(); valid until the next call of anything here.
  kernels::Rows final_hidden(std::span<const size_t> rows);
  // Logits of these rows of the last run(), (rows, vocab); valid until the next call.
  kernels::Rows logits(std::span<const size_t> rows);
  // Shown the rows that each matrix is about to be multiplied with; routers are not among them. For who measures what matrices see.
  using Observer = std::function<void(const tensor::WeightView& weight, kernels::ConstRows x)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

 private:
  struct Group {
    size_t row, rows;
    const Adapter* adapter;
  };
  // An adapter's matrices for one linear of one layer, or for the head.
  struct PairOf {
    size_t layer = 0;
    LowRank AdapterLayer::*member = nullptr;   // null: the head
    const LowRank& operator()(const Adapter& adapter) const { return member == nullptr ? adapter.head : adapter.layers[layer].*member; }
  };
  struct Projection {
    const models::Linear* linear;
    kernels::Rows y;
    PairOf pair;
    kernels::Write write = kernels::Write::set;
  };
  struct RopeGroup {
    size_t row, rows;
    const kernels::RopeTable* table;
  };

  void plan(std::span<const ForwardSpan> spans);
  const kernels::RopeTable* get_rope_table(const models::Rope& rope, uint64_t length, size_t positions);
  void plan_rotation(const models::Rope& rope, std::span<const ForwardSpan> spans, std::vector<RopeGroup>& groups);
  void run_layer(size_t index, std::span<const ForwardSpan> spans);
  void attend_directly(size_t index, kernels::ConstRows x, std::span<const ForwardSpan> spans);
  void run_mlp(size_t index, kernels::ConstRows x);
  // forward_experts.cpp
  void run_experts(size_t index, kernels::ConstRows x);
  void route_to_experts(const models::Experts& experts, kernels::ConstRows x);
  void mix_experts(const models::Experts& experts, kernels::ConstRows x, kernels::Rows y);
  bool is_integer(const models::Linear& linear) const noexcept;
  // y of the rows of each expert of by_expert_, from x or, where the product is an integer one, from expert_activations_.
  void multiply_experts(const models::Experts& experts, models::Linear models::Mlp::*linear, kernels::ConstRows x, kernels::Rows y);
  void finish_products();
  void run_shared_expert(const models::Experts& experts, kernels::ConstRows x, kernels::Rows y);
  // gate_ = activation(gate) * up.
  kernels::Rows activate(kernels::Rows gate, kernels::Rows up);
  // residual_ (+)= scale * norm(W x): how attention and MLP join the residual stream.
  void join(const models::Linear& linear, kernels::ConstRows x, const models::Norm& norm, PairOf pair);
  void join_rows(kernels::Rows joined, const models::Norm& norm);
  void normalise(const models::Norm& norm, kernels::ConstRows x, kernels::Rows y);
  kernels::ConstRows norm_rows(const models::Norm& norm, kernels::ConstRows x);   // x itself without a norm
  void add_positions(kernels::Rows residual);
  void norm_heads(const models::DecoderLayer& layer, kernels::Rows q, kernels::Rows k);
  void rotate(size_t index, kernels::Rows q, kernels::Rows k);
  void turn(kernels::Rows heads, size_t head_dim, std::span<const RopeGroup> groups);
  void attend(size_t index, std::span<const ForwardSpan> spans);
  void attend_cached(size_t index, std::span<const ForwardSpan> spans, const kernels::AttentionShape& shape);
  // forward_latent.cpp
  void project_latent(size_t index, kernels::ConstRows x);
  void attend_latent(size_t index, std::span<const ForwardSpan> spans);
  // y (+)= W x + bias + adapters, for linears that read the same rows.
  void apply(kernels::ConstRows x, std::span<const Projection> projections, std::span<const Group> groups);
  void apply_adapter(const Projection& projection, kernels::ConstRows x, const Group& group, bool apart);
  // y (+)= row_scale * (W x + scale * B A x) + bias, for rows of one DoRA adapter.
  void apply_dora(const models::Linear& linear, const LowRank& pair, kernels::ConstRows x, kernels::Rows y, kernels::Write write);
  // The products alone, integer ones together.
  void multiply(kernels::ConstRows x, std::span<const kernels::IntegerProduct> products);
  kernels::Rows rows_of(std::vector<float>& buffer, size_t rows, size_t columns);

  const models::Decoder& decoder_;
  ThreadPool& pool_;
  const KvLayout* cache_;
  Products products_;
  Observer observer_;
  // By the rope and what its inverse_frequencies_for() depends on.
  std::map<std::pair<const models::Rope*, uint64_t>, kernels::RopeTable> rope_tables_;

  size_t total_ = 0;
  std::vector<Group> groups_;
  std::vector<RopeGroup> rope_groups_, local_rope_groups_;
  std::vector<int32_t> positions_;
  std::vector<uint32_t> documents_;
  std::vector<std::byte*> block_pointers_;
  std::vector<kernels::CachedQuery> queries_;
  kernels::ActivationBlocks activations_;
  std::vector<kernels::IntegerProduct> together_, integer_;
  std::vector<kernels::GroupedProduct> grouped_;
  std::vector<float> residual_, normed_, q_, k_, v_, attended_, gate_, up_, joined_, low_rank_, combined_, selected_, logits_;
  // Mixtures of experts: the router's scores and its choices, row by row; the choices by expert, and where each of them is there.
  struct ExpertRows {
    size_t expert, end;   // rows of this expert and those before it
  };
  std::vector<float> scores_, choice_weights_, gathered_, expert_out_, mixed_;
  std::vector<int32_t> choices_, places_, expert_rows_;
  std::vector<ExpertRows> by_expert_;
  std::vector<size_t> expert_ends_;
  kernels::ActivationBlocks expert_activations_;
  // Latent attention: queries before they are taken to the latent, what attention made there, and what values are made of it.
  std::vector<float> query_low_, queries_plain_, latent_out_;
};

}  // namespace lyceum::engine
