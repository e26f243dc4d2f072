// GGUF's block types against the values of the reference reader, gguf-py (tests/goldens/quants/make_goldens.py), and NF4 against bitsandbytes (make_nf4.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/files.h"
#include "base/source_dir.h"
#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

std::string golden(tensor::DType dtype) {
  std::string name(tensor::name(dtype));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return read_file(fs::path(kSourceDir) / "tests/goldens/quants" / (name + ".bin"));
}

TEST(Blocks, GiveTheValuesOfTheReferenceReader) {
  size_t types = 0;
  for (const tensor::DType dtype : tensor::kDTypes) {
    const size_t size = tensor::block_size(dtype);
    if (size == 1) continue;
    ++types;
    const std::string file = golden(dtype);
    uint32_t blocks = 0;
    ASSERT_GE(file.size(), sizeof blocks);
    std::memcpy(&blocks, file.data(), sizeof blocks);
    const size_t bytes = blocks * tensor::row_bytes(dtype, size);
    ASSERT_EQ(file.size(), 4 + bytes + blocks * size * 4) << tensor::name(dtype);
    std::vector<float> expected(blocks * size);
    std::memcpy(expected.data(), file.data() + 4 + bytes, expected.size() * 4);
    on_every_isa([&](Isa isa) {
      std::vector<float> got(expected.size());
      dequantize(dtype, reinterpret_cast<const std::byte*>(file.data()) + 4, got.size(), got.data());
      for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], expected[i]) << tensor::name(dtype) << " value " << i << " on " << name(isa);
    });
  }
  EXPECT_EQ(types, 14u);
}

}  // namespace
}  // namespace lyceum::kernels
