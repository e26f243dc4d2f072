// encode.h: rows of float32 into GGUF's block types (layouts: reference/blocks.cpp).
//
// Without importance q8_0, q4_0, q4_1, q5_0, q5_1 and mxfp4 are rounded as ggml's reference does: the same bytes. Everything else is a search for the
// scales that lose least, sum of importance * (value - stored value)^2: candidates of a group's scale are fitted by least squares, the scales of
// a block are rounded together, then scales and values take turns until the error no longer falls. ggml searches with another weight and one turn.
#pragma once

#include <cstddef>

#include "tensor/view.h"

namespace lyceum::kernels {

// `count` finite values, whole blocks -> row_bytes(dtype, count) bytes. importance: of every value, none negative (the mean square of what the
// column is multiplied with); null: all the same. Any dtype but nf4. Same bytes on every machine. Never allocates; callable from any thread.
void encode_row(tensor::DType dtype, const float* values, size_t count, const float* importance, std::byte* out) noexcept;

}  // namespace lyceum::kernels
