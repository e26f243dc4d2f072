#include "tensor/view.h"

#include <gtest/gtest.h>

namespace lyceum::tensor {
namespace {

TEST(DType, StatesBytesOfARow) {
  EXPECT_EQ(row_bytes(DType::f32, 10), 40u);
  EXPECT_EQ(row_bytes(DType::f16, 10), 20u);
  EXPECT_EQ(row_bytes(DType::bf16, 10), 20u);
  EXPECT_EQ(row_bytes(DType::q8_0, 64), 68u);
  EXPECT_EQ(row_bytes(DType::q4_0, 64), 36u);
  EXPECT_EQ(row_bytes(DType::q4_k, 512), 288u);
  EXPECT_EQ(row_bytes(DType::mxfp4, 64), 34u);
  EXPECT_EQ(row_bytes(DType::nf4, 128), 72u);
}

TEST(DType, NamesItselfAsFilesDo) {
  EXPECT_EQ(name(DType::bf16), "BF16");
  EXPECT_EQ(name(DType::q4_0), "Q4_0");
  EXPECT_EQ(block_size(DType::f32), 1u);
  EXPECT_EQ(block_size(DType::q8_0), 32u);
  EXPECT_EQ(name(DType::mxfp4), "MXFP4");
  EXPECT_EQ(name(DType::iq4_xs), "IQ4_XS");
  EXPECT_EQ(block_size(DType::iq4_xs), 256u);
}

}  // namespace
}  // namespace lyceum::tensor
