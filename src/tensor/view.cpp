#include "tensor/view.h"

namespace lyceum::tensor {
namespace {

struct Layout {
  std::string_view name;
  size_t block;        // values
  size_t block_bytes;
};

// In the order of DType. A q8_0 block is an f16 scale and 32 int8; a q4_0 block an f16 scale and 16 bytes of two nibbles.
constexpr Layout kLayouts[] = {{"F32", 1, 4}, {"F16", 1, 2}, {"BF16", 1, 2}, {"Q8_0", 32, 34}, {"Q4_0", 32, 18}};

const Layout& layout(DType dtype) noexcept { return kLayouts[static_cast<size_t>(dtype)]; }

}  // namespace

size_t row_bytes(DType dtype, size_t columns) noexcept { return columns / layout(dtype).block * layout(dtype).block_bytes; }
size_t block_size(DType dtype) noexcept { return layout(dtype).block; }
std::string_view name(DType dtype) noexcept { return layout(dtype).name; }

}  // namespace lyceum::tensor
