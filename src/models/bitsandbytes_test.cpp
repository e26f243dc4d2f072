// Against bitsandbytes itself: tests/goldens/quants/make_nf4.py.
#include "models/bitsandbytes.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/files.h"
#include "base/source_dir.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"
#include "kernels/dynamic8.h"
#include "kernels/nf4.h"

namespace lyceum::models {
namespace {

class Bitsandbytes : public testing::Test {
 protected:
  template <typename T>
  std::vector<T> values(const std::string& name) const {
    const auto found = file_.get(name);
    std::vector<T> out(found.bytes.size() / sizeof(T));
    std::memcpy(out.data(), found.bytes.data(), found.bytes.size());
    return out;
  }
  std::vector<float> floats(const std::string& name) const { return values<float>(name); }

  formats::SafetensorsModel file_{fs::path(kSourceDir) / "tests/goldens/quants/bitsandbytes.safetensors"};
};

TEST_F(Bitsandbytes, MakesTheSameFourBits) {
  for (const std::string name : {"whole", "short", "odd", "tiny", "bf16"}) {
    const std::vector<float> in = floats(name + ".values");
    std::vector<uint8_t> packed((in.size() + 1) / 2);
    std::vector<float> scales(kernels::nf4_blocks(in.size())), again(in.size());
    kernels::nf4_quantize(in.data(), in.size(), packed.data(), scales.data());
    EXPECT_EQ(packed, values<uint8_t>(name + ".packed")) << name;
    EXPECT_EQ(scales, floats(name + ".absmax")) << name;
    kernels::nf4_dequantize(packed.data(), scales.data(), in.size(), again.data());
    EXPECT_EQ(again, floats(name + ".again")) << name;
  }
}

TEST_F(Bitsandbytes, BlocksHoldTheSameValues) {
  const auto packed = values<uint8_t>("whole.packed");
  const auto scales = floats("whole.absmax"), expected = floats("whole.again");
  std::vector<std::byte> blocks(tensor::row_bytes(tensor::DType::nf4, expected.size()));
  kernels::nf4_to_blocks(packed.data(), scales.data(), expected.size(), blocks.data());
  std::vector<float> got(expected.size());
  kernels::dequantize(tensor::DType::nf4, blocks.data(), got.size(), got.data());
  EXPECT_EQ(got, expected);
  std::vector<uint8_t> packed_again(packed.size());
  std::vector<float> scales_again(scales.size());
  kernels::nf4_from_blocks(blocks.data(), expected.size(), packed_again.data(), scales_again.data());
  EXPECT_EQ(packed_again, packed);
  EXPECT_EQ(scales_again, scales);
}

TEST_F(Bitsandbytes, MapsAndBytesAreTheSame) {
  for (const bool is_signed : {true, false}) {
    const std::string name = is_signed ? "signed" : "unsigned";
    const kernels::DynamicMap& map = kernels::dynamic_map(is_signed);
    EXPECT_EQ(std::vector<float>(map.begin(), map.end()), floats("map." + name));
    const auto in = floats(name + ".values");
    std::vector<uint8_t> codes(in.size());
    std::vector<float> scales(kernels::dynamic8_blocks(in.size())), again(in.size());
    kernels::dynamic8_quantize(map, in.data(), in.size(), codes.data(), scales.data());
    EXPECT_EQ(codes, values<uint8_t>(name + ".codes"));
    EXPECT_EQ(scales, floats(name + ".absmax"));
    kernels::dynamic8_dequantize(map, codes.data(), scales.data(), in.size(), again.data());
    EXPECT_EQ(again, floats(name + ".again"));
  }
}

TEST_F(Bitsandbytes, DoubleScalesAreTheSameFromTheSameOffset) {
  auto scales = floats("double.scales");
  const float offset = floats("double.offset")[0];
  for (float& scale : scales) scale -= offset;
  std::vector<uint8_t> codes(scales.size());
  std::vector<float> nested(kernels::dynamic8_blocks(scales.size())), again(scales.size());
  kernels::dynamic8_quantize(kernels::dynamic_map(true), scales.data(), scales.size(), codes.data(), nested.data());
  EXPECT_EQ(codes, values<uint8_t>("double.absmax"));
  EXPECT_EQ(nested, floats("double.nested_absmax"));
  kernels::dynamic8_dequantize(kernels::dynamic_map(true), codes.data(), nested.data(), codes.size(), again.data());
  for (float& scale : again) scale += offset;
  EXPECT_EQ(again, floats("double.again"));
}

TEST_F(Bitsandbytes, QuantisingDoesNotDependOnThreads) {
  std::vector<float> in(300 * 64);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>((i * 2654435761u) % 1000) - 500.0f;
  ThreadPool one(1), three(3);
  const tensor::WeightView view = {reinterpret_cast<const std::byte*>(in.data()), tensor::DType::f32, 300, 64};
  const Nf4Matrix a = quantize_nf4(one, view, true), b = quantize_nf4(three, view, true);
  EXPECT_EQ(a.packed, b.packed);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.offset, b.offset);
}

TEST(BitsandbytesConfig, NamesWhatIsNotRead) {
  const auto message = [](const char* text) -> std::string {
    const json::value value = parse_json(text, "config");
    try {
      check_bitsandbytes_config(value.as_object());
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(R"({"load_in_4bit":true,"bnb_4bit_quant_type":"nf4"})"), "");
  EXPECT_NE(message(R"({"load_in_4bit":true})").find("fp4"), std::string::npos);
  EXPECT_NE(message(R"({"load_in_8bit":true})").find("load_in_8bit"), std::string::npos);
}

}  // namespace
}  // namespace lyceum::models
