#include "tensor/view.h"

#include <iterator>

namespace lyceum::tensor {
namespace {

struct Layout {
  std::string_view name;
  size_t block;        // values
  size_t block_bytes;
};

// In the order of DType.
constexpr Layout kLayouts[] = {{"F32", 1, 4},      {"F16", 1, 2},      {"BF16", 1, 2},     {"Q8_0", 32, 34},   {"Q4_0", 32, 18},   {"Q4_1", 32, 20},
                               {"Q5_0", 32, 22},   {"Q5_1", 32, 24},   {"Q2_K", 256, 84},  {"Q3_K", 256, 110}, {"Q4_K", 256, 144}, {"Q5_K", 256, 176},
                               {"Q6_K", 256, 210}, {"IQ4_NL", 32, 18}, {"IQ4_XS", 256, 136}, {"MXFP4", 32, 17},  {"NF4", 64, 36}};
static_assert(std::size(kLayouts) == std::size(kDTypes));

const Layout& layout(DType dtype) noexcept { return kLayouts[static_cast<size_t>(dtype)]; }

}  // namespace

size_t row_bytes(DType dtype, size_t columns) noexcept { return columns / layout(dtype).block * layout(dtype).block_bytes; }
size_t block_size(DType dtype) noexcept { return layout(dtype).block; }
std::string_view name(DType dtype) noexcept { return layout(dtype).name; }

}  // namespace lyceum::tensor
