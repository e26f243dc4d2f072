#include "quantizer/mix.h"

#include <gtest/gtest.h>

namespace lyceum::quantizer {
namespace {

using tensor::DType;

DType type_of(std::string_view mix, const std::string& name, uint64_t columns = 256, const MixFacts& facts = {32, 1, 0, false, false}, uint64_t matrices = 1) {
  SourceTensor tensor{name, {columns, 4}, {}};
  if (matrices > 1) tensor.shape.push_back(matrices);
  if (name.find("norm") != std::string::npos) tensor.shape = {columns};
  return choose_type(*find_mix(mix), facts, tensor);
}

TEST(Mix, FindsNamesInAnyCase) {
  EXPECT_EQ(find_mix("q4_k_m")->name, "Q4_K_M");
  EXPECT_EQ(find_mix("Q4_K")->name, "Q4_K_M");
  EXPECT_EQ(find_mix("bf16")->base, DType::bf16);
  EXPECT_EQ(find_mix("Q4_K_X"), nullptr);
}

TEST(Mix, KeepsVectorsNormsAndRoutersAsFloats) {
  for (const char* name : {"blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "position_embd.weight", "blk.0.attn_q.bias"}) {
    EXPECT_EQ(type_of("Q4_0", name), DType::f32) << name;
    EXPECT_EQ(type_of("F16", name), DType::f32) << name;
  }
}

TEST(Mix, GivesMoreBitsWhereRoundingHurts) {
  EXPECT_EQ(type_of("Q4_K_M", "blk.0.attn_v.weight"), DType::q6_k);    // the first eighth
  EXPECT_EQ(type_of("Q4_K_M", "blk.4.attn_v.weight"), DType::q4_k);
  EXPECT_EQ(type_of("Q4_K_M", "blk.6.ffn_down.weight"), DType::q6_k);  // every third
  EXPECT_EQ(type_of("Q4_K_M", "blk.31.ffn_down.weight"), DType::q6_k);
  EXPECT_EQ(type_of("Q4_K_M", "blk.0.attn_q.weight"), DType::q4_k);
  EXPECT_EQ(type_of("Q4_K_S", "blk.3.attn_v.weight"), DType::q5_k);
  EXPECT_EQ(type_of("Q3_K_L", "blk.9.attn_output.weight"), DType::q5_k);
  EXPECT_EQ(type_of("Q2_K", "blk.9.ffn_down.weight"), DType::q3_k);
  EXPECT_EQ(type_of("Q4_0", "blk.0.ffn_down.weight", 256, {32, 1, 0, false, true}), DType::q4_1);
  EXPECT_EQ(type_of("Q4_K_M", "blk.9.attn_k.weight", 256, {32, 4, 8, false, false}), DType::q8_0);   // eight experts share it
}

TEST(Mix, TreatsTheOutputWithCareTiedOrNot) {
  EXPECT_EQ(type_of("Q4_K_M", "output.weight"), DType::q6_k);
  EXPECT_EQ(type_of("Q4_0", "output.weight"), DType::q6_k);
  EXPECT_EQ(type_of("Q4_K_M", "token_embd.weight"), DType::q4_k);
  EXPECT_EQ(type_of("Q4_K_M", "token_embd.weight", 256, {32, 1, 0, true, false}), DType::q6_k);
  EXPECT_EQ(type_of("Q4_K_M", "output.weight", 192), DType::q8_0);
  EXPECT_EQ(type_of("MXFP4_MOE", "blk.1.ffn_up_exps.weight", 256, {32, 1, 8, false, false}, 8), DType::mxfp4);
  EXPECT_EQ(type_of("MXFP4_MOE", "blk.1.attn_q.weight"), DType::q8_0);
}

TEST(Mix, FallsBackWhereRowsAreNoWholeBlocks) {
  EXPECT_EQ(type_of("Q4_K_S", "blk.9.attn_q.weight", 192), DType::q5_0);
  EXPECT_EQ(type_of("Q6_K", "blk.9.attn_q.weight", 192), DType::q8_0);
  EXPECT_EQ(type_of("IQ4_XS", "blk.9.attn_q.weight", 192), DType::iq4_nl);
  EXPECT_EQ(type_of("Q2_K", "blk.9.attn_q.weight", 192), DType::q4_0);
  EXPECT_EQ(type_of("Q4_0", "blk.9.attn_q.weight", 100), DType::f16);
}

}  // namespace
}  // namespace lyceum::quantizer
