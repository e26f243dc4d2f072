// view.h: dtypes and non-owning tensors. Row-major, contiguous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lyceum::tensor {

// Element types as stored on disk. The block types are GGUF's: 32 values a block (q8_0 … q5_1, iq4_nl, mxfp4) or 256 (the K
// types, iq4_xs). Their layouts are written out in kernels/reference/blocks.cpp. nf4 (QLoRA's NormalFloat, 64 values a block) is in no
// file as it is here: bitsandbytes keeps scales apart from the halves of bytes (kernels/nf4.h).
enum class DType : uint8_t { f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs, mxfp4, nf4 };
inline constexpr DType kDTypes[] = {DType::f32,  DType::f16,  DType::bf16, DType::q8_0, DType::q4_0, DType::q4_1,   DType::q5_0,   DType::q5_1,
                                    DType::q2_k, DType::q3_k, DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs, DType::mxfp4, DType::nf4};
inline constexpr size_t kBlockMax = 256;                  // values of the largest block

size_t row_bytes(DType dtype, size_t columns) noexcept;   // columns % block == 0 for block types
size_t block_size(DType dtype) noexcept;                  // values: 1, 32, 64 or 256
std::string_view name(DType dtype) noexcept;              // "F32", "BF16", "Q8_0"

// A weight matrix (rows = out features, columns = in features), or a vector when rows == 1. data is not owned and may point
// into a memory map; it need not be aligned beyond 1 byte.
struct WeightView {
  const std::byte* data = nullptr;
  DType dtype = DType::f32;
  size_t rows = 0;
  size_t columns = 0;
  bool empty() const noexcept { return data == nullptr; }
};

}  // namespace lyceum::tensor
