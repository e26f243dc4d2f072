#include "models/bitsandbytes.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"
#include "kernels/dynamic8.h"
#include "kernels/nf4.h"

namespace lyceum::models {

namespace {

constexpr const char* kNf4State = ".quant_state.bitsandbytes__nf4";
constexpr const char* kFp4State = ".quant_state.bitsandbytes__fp4";
constexpr size_t kStateBytesMax = 4096;
constexpr size_t kRowGrain = 64;   // rows quantised by a task

// The tensors of one matrix, read with every check that a hostile file needs.
class Reader {
 public:
  Reader(const formats::SafetensorsModel& model, const std::string& name, size_t rows, size_t columns, std::set<std::string>& used)
      : model_(model), name_(name), rows_(rows), columns_(columns), used_(used) {}

  OwnedWeight read() {
    read_state();
    Nf4Matrix matrix;
    matrix.rows = rows_;
    matrix.columns = columns_;
    const size_t count = rows_ * columns_, blocks = kernels::nf4_blocks(count);
    matrix.packed = take<uint8_t>("", "U8", (count + 1) / 2);
    const std::vector<float> levels = take<float>(".quant_map", "F32", 16);
    if (!std::equal(levels.begin(), levels.end(), kernels::kNf4Levels)) fail(".quant_map", "holds other levels than NF4's");
    if (!state_.contains("nested_blocksize")) {
      matrix.scales = take<float>(".absmax", "F32", blocks);
      return read_as_weight(matrix);
    }
    expect_number("nested_blocksize", static_cast<int64_t>(kernels::kDynamic8Block));
    const auto codes = take<uint8_t>(".absmax", "U8", blocks);
    const auto nested = take<float>(".nested_absmax", "F32", kernels::dynamic8_blocks(blocks));
    const auto values = take<float>(".nested_quant_map", "F32", 256);
    kernels::DynamicMap map;
    std::copy(values.begin(), values.end(), map.begin());
    matrix.scales.resize(blocks);
    kernels::dynamic8_dequantize(map, codes.data(), nested.data(), blocks, matrix.scales.data());
    const auto offset = static_cast<float>(find_number(state_, "nested_offset").value_or(0));
    for (float& scale : matrix.scales) scale += offset;
    return read_as_weight(matrix);
  }

 private:
  [[noreturn]] void fail(const std::string& suffix, const std::string& why, Code code = Code::unprocessable) const {
    throw Error(code, "tensor " + name_ + suffix + " " + why);
  }

  void read_state() {
    const std::string suffix = kNf4State;
    const auto found = model_.find(name_ + suffix);
    if (!found) {
      if (model_.find(name_ + kFp4State)) fail("", "is quantised to FP4; only NF4 is supported", Code::unsupported);
      fail("", "is U8 and has no quant_state of bitsandbytes beside it, so what its bytes mean is not known");
    }
    used_.insert(name_ + suffix);
    if (found->tensor->dtype != "U8" || found->bytes.size() > kStateBytesMax) fail(suffix, "is no short text");
    const json::value text = parse_json(std::string_view(reinterpret_cast<const char*>(found->bytes.data()), found->bytes.size()), name_ + suffix, kStateBytesMax);
    state_ = get_object(text, name_ + suffix);
    if (find_string(state_, "quant_type").value_or("") != "nf4") fail(suffix, "names another quant_type than nf4", Code::unsupported);
    expect_number("blocksize", static_cast<int64_t>(kernels::kNf4Block));
    const json::array* shape = find_array(state_, "shape");
    const json::array expected = {rows_, columns_};
    if (shape == nullptr || shape->size() != 2 || *shape != expected) fail(suffix, "has shape " + (shape == nullptr ? std::string("null") : json::serialize(*shape)) + "; the configuration says " + json::serialize(expected));
  }

  void expect_number(const char* field, int64_t wanted) const {
    if (find_int(state_, field).value_or(-1) != wanted) fail("", "has another " + std::string(field) + " than " + std::to_string(wanted), Code::unsupported);
  }

  template <typename T>
  std::vector<T> take(const std::string& suffix, std::string_view dtype, size_t count) {
    const auto found = model_.find(name_ + suffix);
    if (!found) fail(suffix, "is missing");
    used_.insert(name_ + suffix);
    if (found->tensor->dtype != dtype || found->tensor->elements() != count) fail(suffix, "should hold " + std::to_string(count) + " values of " + std::string(dtype));
    std::vector<T> out(count);
    std::memcpy(out.data(), found->bytes.data(), count * sizeof(T));
    return out;
  }

  const formats::SafetensorsModel& model_;
  const std::string& name_;
  size_t rows_, columns_;
  std::set<std::string>& used_;
  json::object state_;
};

void quantize_scales(Nf4Matrix& matrix) {
  double sum = 0;
  for (const float scale : matrix.scales) sum += double{scale};
  const size_t count = matrix.scales.size();
  matrix.offset = static_cast<float>(sum / static_cast<double>(count));
  for (float& scale : matrix.scales) scale -= matrix.offset;
  matrix.scale_codes.resize(count);
  matrix.nested_scales.resize(kernels::dynamic8_blocks(count));
  const kernels::DynamicMap& map = kernels::dynamic_map(true);
  kernels::dynamic8_quantize(map, matrix.scales.data(), count, matrix.scale_codes.data(), matrix.nested_scales.data());
  kernels::dynamic8_dequantize(map, matrix.scale_codes.data(), matrix.nested_scales.data(), count, matrix.scales.data());
  for (float& scale : matrix.scales) scale += matrix.offset;
  matrix.is_double = true;
}

// Safe for any memory: pages of a file are read again when they are needed.
void give_back(const tensor::WeightView& view) noexcept {
  constexpr uintptr_t kPage = 4096;
  const auto begin = (reinterpret_cast<uintptr_t>(view.data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<uintptr_t>(view.data) + view.rows * tensor::row_bytes(view.dtype, view.columns)) / kPage * kPage;
  if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_PAGEOUT);
}

}  // namespace

std::optional<OwnedWeight> find_bitsandbytes(const formats::SafetensorsModel& model, const std::string& name, size_t rows, size_t columns, std::set<std::string>& used) {
  const auto found = model.find(name);
  if (!found || found->tensor->dtype != "U8") return std::nullopt;
  used.insert(name);
  return Reader(model, name, rows, columns, used).read();
}

void check_bitsandbytes_config(const json::object& quantization) {
  const auto refuse = [](const std::string& why) { throw Error(Code::unsupported, "config.json: quantization_config: " + why); };
  if (find_bool(quantization, "load_in_8bit").value_or(false)) refuse("load_in_8bit is not supported; use the unquantised weights or those in 4 bits");
  if (!find_bool(quantization, "load_in_4bit").value_or(false)) refuse("quant_method bitsandbytes without load_in_4bit is not supported");
  const std::string type = find_string(quantization, "bnb_4bit_quant_type").value_or("fp4");
  if (type != "nf4") refuse("bnb_4bit_quant_type " + type + " is not supported; only nf4 is");
}

Nf4Matrix quantize_nf4(ThreadPool& pool, const tensor::WeightView& weight, bool is_double) {
  Nf4Matrix out;
  out.rows = weight.rows;
  out.columns = weight.columns;
  const size_t count = weight.rows * weight.columns;
  out.packed.resize((count + 1) / 2);
  out.scales.resize(kernels::nf4_blocks(count));
  // Tasks begin at whole blocks: 64 rows are 64 times so many values.
  pool.run((weight.rows + kRowGrain - 1) / kRowGrain, [&](size_t task, unsigned) {
    const size_t first = task * kRowGrain, rows = std::min(kRowGrain, weight.rows - first), begin = first * weight.columns;
    std::vector<float> values(rows * weight.columns);
    for (size_t row = 0; row < rows; ++row) kernels::dequantize_row(weight, first + row, values.data() + row * weight.columns);
    kernels::nf4_quantize(values.data(), values.size(), out.packed.data() + begin / 2, out.scales.data() + begin / kernels::kNf4Block);
  });
  if (is_double) quantize_scales(out);
  return out;
}

OwnedWeight read_as_weight(const Nf4Matrix& matrix) {
  const size_t count = matrix.rows * matrix.columns;
  if (matrix.columns % kernels::kNf4Block == 0) {
    auto blocks = std::make_shared<std::vector<std::byte>>(matrix.rows * tensor::row_bytes(tensor::DType::nf4, matrix.columns));
    kernels::nf4_to_blocks(matrix.packed.data(), matrix.scales.data(), count, blocks->data());
    return {{blocks->data(), tensor::DType::nf4, matrix.rows, matrix.columns}, blocks};
  }
  auto values = std::make_shared<std::vector<float>>(count);
  kernels::nf4_dequantize(matrix.packed.data(), matrix.scales.data(), count, values->data());
  return {{reinterpret_cast<const std::byte*>(values->data()), tensor::DType::f32, matrix.rows, matrix.columns}, values};
}

std::shared_ptr<const Decoder> with_nf4_linears(const std::shared_ptr<const Decoder>& decoder, bool is_double, ThreadPool& pool) {
  auto out = std::make_shared<Decoder>(*decoder);
  for (DecoderLayer& layer : out->layers) {
    for (Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
      const bool floats = tensor::block_size(linear->weight.dtype) == 1;
      if (linear->weight.empty() || !floats) continue;
      const tensor::WeightView before = linear->weight;
      OwnedWeight weight = read_as_weight(quantize_nf4(pool, before, is_double));
      linear->weight = weight.view;
      out->storage.push_back(std::move(weight.storage));
      give_back(before);
    }
  }
  return out;
}

}  // namespace lyceum::models
