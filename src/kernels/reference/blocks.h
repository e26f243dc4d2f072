// blocks.h: GGUF's block types, value by value. Internal to the room.
#pragma once

#include <cstddef>

#include "tensor/view.h"

namespace lyceum::kernels::reference {

// A value is scale * whole, plus add in the types that have one (blocks_add): two roundings.
struct BlockPart {
  int whole;
  float scale, add;
};
// Value `index` of the block at `block`. REQUIRES: a block dtype, for block_part not nf4, index < block_size(dtype).
BlockPart block_part(tensor::DType dtype, const std::byte* block, size_t index) noexcept;
float block_value(tensor::DType dtype, const std::byte* block, size_t index) noexcept;
bool blocks_add(tensor::DType dtype) noexcept;
size_t group_size(tensor::DType dtype) noexcept;   // values that share a scale: 16 or 32

}  // namespace lyceum::kernels::reference
