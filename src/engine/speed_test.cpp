#include "engine/speed.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/load.h"

namespace lyceum::engine {
namespace {

constexpr const char* kDense = R"({"architectures":["LlamaForCausalLM"],"hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,
  "num_key_value_heads":2,"vocab_size":96,"max_position_embeddings":512})";
constexpr const char* kMixture = R"({"architectures":["MixtralForCausalLM"],"model_type":"mixtral","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,
  "num_key_value_heads":2,"vocab_size":96,"max_position_embeddings":512,"num_local_experts":8,"num_experts_per_tok":2})";

TEST(Footprint, CountsWhatAStepReads) {
  const auto dense = models::make_decoder(kDense);
  const Footprint plain = measure_footprint(*dense);
  EXPECT_EQ(plain.weights, 4 * dense->parameters());
  EXPECT_EQ(plain.step_weights, plain.weights - 4 * 96 * 32);   // all but the embedding table
  EXPECT_EQ(plain.step_parameters * 4, plain.step_weights);
  EXPECT_EQ(plain.kv_token, 2u * 2 * (2 * 8) * 4);              // keys and values, layers, kv columns, floats
  EXPECT_EQ(measure_footprint(*dense, EngineOptions::KvType::f16).kv_token * 2, plain.kv_token);

  const Footprint mixture = measure_footprint(*models::make_decoder(kMixture));
  EXPECT_EQ(mixture.weights - mixture.step_weights, 4u * (96 * 32 + 2 * 6 * 3 * 64 * 32));   // six of eight experts a layer stay unread
}

TEST(SpeedTest, RunsPromptsAndManySequences) {
  const auto decoder = models::make_decoder(kDense);
  ThreadPool pool(2);
  SpeedTest test(*decoder, pool, Products::integer, 1 << 20);
  EXPECT_GT(test.prompt(40).wall_s, 0);
  EXPECT_GT(test.decode(3, 4).wall_s, 0);
  EXPECT_THROW(test.prompt(1 << 20), Error);
  EXPECT_GT(test.prompt(40).wall_s, 0);   // nothing was kept
}

TEST(Probes, GiveRates) {
  ThreadPool pool(2);
  EXPECT_GT(probe_products(pool, tensor::DType::q8_0, Products::integer), 0);
  EXPECT_GT(probe_products(pool, tensor::DType::bf16, Products::integer), 0);
}

}  // namespace
}  // namespace lyceum::engine
