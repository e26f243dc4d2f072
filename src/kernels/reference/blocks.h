// blocks.h: GGUF's block types, value by value. Internal to the room.
#pragma once

#include <cstddef>

#include "tensor/view.h"

namespace lyceum::kernels::reference {

// Value `index` of the block at `block`. REQUIRES: a block dtype, index < block_size(dtype).
float block_value(tensor::DType dtype, const std::byte* block, size_t index) noexcept;

}  // namespace lyceum::kernels::reference
