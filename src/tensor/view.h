// view.h: dtypes and non-owning tensors. Row-major, contiguous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lyceum::tensor {

// Element types as stored on disk. The block types follow GGUF (32 values a block).
enum class DType : uint8_t { f32, f16, bf16, q8_0, q4_0 };

size_t row_bytes(DType dtype, size_t columns) noexcept;   // columns % block == 0 for block types
size_t block_size(DType dtype) noexcept;                  // 1, or 32 for block types
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
