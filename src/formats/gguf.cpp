#include "formats/gguf.h"

#include <algorithm>
#include <set>

namespace lyceum::formats {
namespace {

constexpr uint64_t kMetadataMax = 65536;
constexpr uint64_t kTensorsMax = 262144;
constexpr uint64_t kKeyBytesMax = 65535;
constexpr uint64_t kStringBytesMax = 16u << 20;
constexpr uint64_t kArrayMax = 4u << 20;     // elements of one array; the largest vocabularies have about 10^6
constexpr uint64_t kValuesMax = 8u << 20;    // of the whole file, so that nested arrays cannot multiply
constexpr int kArrayDepthMax = 4;
constexpr uint64_t kAlignmentMax = 1u << 20;

struct TypeInfo {
  uint32_t id;
  std::string_view name;
  uint64_t block, block_bytes;
  bool supported;
};
constexpr TypeInfo kTypes[] = {
    {0, "F32", 1, 4, true},        {1, "F16", 1, 2, true},         {2, "Q4_0", 32, 18, true},      {3, "Q4_1", 32, 20, true},
    {6, "Q5_0", 32, 22, true},    {7, "Q5_1", 32, 24, true},     {8, "Q8_0", 32, 34, true},      {9, "Q8_1", 32, 36, false},
    {10, "Q2_K", 256, 84, true},  {11, "Q3_K", 256, 110, true},  {12, "Q4_K", 256, 144, true},  {13, "Q5_K", 256, 176, true},
    {14, "Q6_K", 256, 210, true}, {15, "Q8_K", 256, 292, false},  {16, "IQ2_XXS", 256, 66, false}, {17, "IQ2_XS", 256, 74, false},
    {18, "IQ3_XXS", 256, 98, false}, {19, "IQ1_S", 256, 50, false}, {20, "IQ4_NL", 32, 18, true},  {21, "IQ3_S", 256, 110, false},
    {22, "IQ2_S", 256, 82, false}, {23, "IQ4_XS", 256, 136, true}, {24, "I8", 1, 1, false},        {25, "I16", 1, 2, false},
    {26, "I32", 1, 4, false},      {27, "I64", 1, 8, false},       {28, "F64", 1, 8, false},       {29, "IQ1_M", 256, 56, false},
    {30, "BF16", 1, 2, true},      {34, "TQ1_0", 256, 54, false},  {35, "TQ2_0", 256, 66, false},  {39, "MXFP4", 32, 17, true}};

const TypeInfo* find_type_named(std::string_view name) {
  const auto* found = std::ranges::find(kTypes, name, &TypeInfo::name);
  return found == std::end(kTypes) ? nullptr : found;
}

const TypeInfo* find_type(uint32_t id) {
  for (const TypeInfo& type : kTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

class GgufParser {
 public:
  GgufParser(Bytes head, uint64_t file_bytes, std::string_view file, GgufArrays arrays)
      : reader_(head, std::string(file)), file_bytes_(file_bytes), file_(file), arrays_(arrays) {}

  GgufHeader parse() {
    if (reader_.remaining() < 4 || as_text(reader_.take(4)) != "GGUF") fail("not a GGUF file");
    header_.version = reader_.read<uint32_t>();
    if (header_.version != 2 && header_.version != 3) {
      throw Error(Code::unsupported, std::string(file_) + ": GGUF version " + std::to_string(header_.version) + " (2 and 3 are read; big-endian files are not)");
    }
    const auto tensors = reader_.read<uint64_t>();
    const auto pairs = reader_.read<uint64_t>();
    if (tensors > kTensorsMax) fail("announces " + std::to_string(tensors) + " tensors, over the limit");
    if (pairs > kMetadataMax) fail("announces " + std::to_string(pairs) + " metadata keys, over the limit");
    for (uint64_t i = 0; i < pairs; ++i) read_pair();
    for (uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { throw Error(Code::unprocessable, std::string(file_) + ": " + problem); }

  std::string read_string(uint64_t limit, std::string_view what) {
    const auto length = reader_.read<uint64_t>();
    if (length > limit) fail(std::string(what) + " of " + std::to_string(length) + " bytes is over the limit of " + std::to_string(limit));
    return std::string(as_text(reader_.take(length)));
  }

  void read_pair() {
    const std::string key = read_string(kKeyBytesMax, "a metadata key");
    const uint64_t begin = reader_.offset();
    const auto type = reader_.read<uint32_t>();
    if (!header_.metadata.emplace(key, read_value(type, key, 0)).second) fail("metadata key '" + key + "' is given twice");
    header_.pairs.push_back({key, begin, reader_.offset()});
  }

  GgufValue read_value(uint32_t type, const std::string& key, int depth) {
    if (++values_ > kValuesMax) fail("more than " + std::to_string(kValuesMax) + " metadata values");
    switch (type) {
      case 0: return {uint64_t{reader_.read<uint8_t>()}};
      case 1: return {int64_t{reader_.read<int8_t>()}};
      case 2: return {uint64_t{reader_.read<uint16_t>()}};
      case 3: return {int64_t{reader_.read<int16_t>()}};
      case 4: return {uint64_t{reader_.read<uint32_t>()}};
      case 5: return {int64_t{reader_.read<int32_t>()}};
      case 6: return {static_cast<double>(reader_.read<float>())};
      case 7: return {reader_.read<uint8_t>() != 0};
      case 8: return {read_string(kStringBytesMax, "the value of '" + key + "'")};
      case 9: return {read_array(key, depth)};
      case 10: return {reader_.read<uint64_t>()};
      case 11: return {reader_.read<int64_t>()};
      case 12: return {reader_.read<double>()};
      default: fail("metadata key '" + key + "' has the unknown type " + std::to_string(type));
    }
  }

  GgufArray read_array(const std::string& key, int depth) {
    if (depth >= kArrayDepthMax) fail("metadata key '" + key + "' nests arrays too deep");
    const auto type = reader_.read<uint32_t>();
    const auto count = reader_.read<uint64_t>();
    if (count > kArrayMax) fail("the array '" + key + "' of " + std::to_string(count) + " elements is over the limit");
    if (count > reader_.remaining()) fail("truncated inside the array '" + key + "'");
    GgufArray array;
    if (arrays_ == GgufArrays::kept) array.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      GgufValue value = read_value(type, key, depth + 1);
      if (arrays_ == GgufArrays::kept) array.push_back(std::move(value));
    }
    return array;
  }

  void read_tensor() {
    GgufTensor tensor;
    tensor.name = read_string(kKeyBytesMax, "a tensor name");
    if (!names_.insert(tensor.name).second) fail("tensor '" + tensor.name + "' is given twice");
    const auto dimensions = reader_.read<uint32_t>();
    if (dimensions > 4) fail("tensor '" + tensor.name + "' has " + std::to_string(dimensions) + " dimensions");
    for (uint32_t i = 0; i < dimensions; ++i) tensor.shape.push_back(reader_.read<uint64_t>());
    const auto id = reader_.read<uint32_t>();
    tensor.begin = tensor.end = reader_.read<uint64_t>();
    const TypeInfo* type = find_type(id);
    tensor.dtype = type == nullptr ? "type " + std::to_string(id) : std::string(type->name);
    tensor.supported = type != nullptr && type->supported;
    if (type != nullptr) set_size(tensor, *type);
    header_.tensors.push_back(std::move(tensor));
  }

  void set_size(GgufTensor& tensor, const TypeInfo& type) const {
    uint64_t count = 1;
    for (const uint64_t dimension : tensor.shape) {
      if (__builtin_mul_overflow(count, dimension, &count)) fail("tensor '" + tensor.name + "' has a shape beyond 2^64 elements");
    }
    const uint64_t row = tensor.shape.empty() ? 1 : tensor.shape[0];
    if (row % type.block != 0) {
      fail("tensor '" + tensor.name + "' has rows of " + std::to_string(row) + " values, not whole blocks of " + std::string(type.name));
    }
    uint64_t bytes;
    if (__builtin_mul_overflow(count / type.block, type.block_bytes, &bytes) || __builtin_add_overflow(tensor.begin, bytes, &tensor.end)) {
      fail("tensor '" + tensor.name + "' reaches beyond 2^64 bytes");
    }
  }

  void place_tensors() {
    const auto given = header_.find_int("general.alignment");
    const uint64_t alignment = given ? static_cast<uint64_t>(*given) : 32;
    if (alignment < 8 || alignment > kAlignmentMax || (alignment & (alignment - 1)) != 0) fail("general.alignment is not a power of two from 8 to 2^20");
    header_.data_offset = (reader_.offset() + alignment - 1) / alignment * alignment;
    std::vector<const GgufTensor*> order;
    for (const GgufTensor& tensor : header_.tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [](const GgufTensor* a, const GgufTensor* b) { return std::tie(a->begin, a->end) < std::tie(b->begin, b->end); });
    const uint64_t there = file_bytes_ > header_.data_offset ? file_bytes_ - header_.data_offset : 0;
    uint64_t end = 0;
    for (const GgufTensor* tensor : order) {
      if (tensor->begin % alignment != 0) fail("tensor '" + tensor->name + "' is not aligned to " + std::to_string(alignment) + " bytes");
      if (tensor->begin < end) fail("tensor '" + tensor->name + "' overlaps another");
      if (tensor->end > there) {
        fail("truncated: tensor '" + tensor->name + "' ends at byte " + std::to_string(tensor->end) + " of the data, the file has " + std::to_string(there));
      }
      end = tensor->end;
    }
  }

  ByteReader reader_;
  uint64_t file_bytes_;
  std::string_view file_;
  GgufArrays arrays_;
  GgufHeader header_;
  std::set<std::string> names_;
  uint64_t values_ = 0;
};

[[noreturn]] void fail_type(std::string_view key, std::string_view wanted) {
  throw Error(Code::unprocessable, "GGUF metadata key '" + std::string(key) + "' is not " + std::string(wanted));
}
[[noreturn]] void fail_missing(std::string_view key) { throw Error(Code::unprocessable, "GGUF metadata key '" + std::string(key) + "' is missing"); }

const GgufValue* find_value(const GgufHeader& header, std::string_view key) {
  const auto found = header.metadata.find(key);
  return found == header.metadata.end() ? nullptr : &found->second;
}

}  // namespace

uint64_t GgufTensor::elements() const noexcept {
  uint64_t count = 1;
  for (const uint64_t dimension : shape) count *= dimension;
  return count;
}

const GgufTensor* GgufHeader::find_tensor(std::string_view name) const noexcept {
  for (const GgufTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

std::optional<int64_t> GgufHeader::find_int(std::string_view key) const {
  const GgufValue* value = find_value(*this, key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<int64_t>(&value->value)) return *number;
  const auto* number = std::get_if<uint64_t>(&value->value);
  if (number == nullptr || *number > INT64_MAX) fail_type(key, "a whole number");
  return static_cast<int64_t>(*number);
}

std::optional<double> GgufHeader::find_number(std::string_view key) const {
  const GgufValue* value = find_value(*this, key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<double>(&value->value)) return *number;
  if (const auto whole = find_int(key)) return static_cast<double>(*whole);
  return std::nullopt;
}

std::optional<std::string> GgufHeader::find_string(std::string_view key) const {
  const GgufValue* value = find_value(*this, key);
  if (value == nullptr) return std::nullopt;
  const auto* text = std::get_if<std::string>(&value->value);
  if (text == nullptr) fail_type(key, "a string");
  return *text;
}

std::optional<bool> GgufHeader::find_bool(std::string_view key) const {
  const GgufValue* value = find_value(*this, key);
  if (value == nullptr) return std::nullopt;
  const auto* flag = std::get_if<bool>(&value->value);
  if (flag == nullptr) fail_type(key, "true or false");
  return *flag;
}

const GgufArray* GgufHeader::find_array(std::string_view key) const {
  const GgufValue* value = find_value(*this, key);
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<GgufArray>(&value->value);
  if (array == nullptr) fail_type(key, "an array");
  return array;
}

int64_t GgufHeader::get_int(std::string_view key) const {
  const auto value = find_int(key);
  if (!value) fail_missing(key);
  return *value;
}

double GgufHeader::get_number(std::string_view key) const {
  const auto value = find_number(key);
  if (!value) fail_missing(key);
  return *value;
}

std::string GgufHeader::get_string(std::string_view key) const {
  auto value = find_string(key);
  if (!value) fail_missing(key);
  return *value;
}

std::optional<GgufLayout> find_gguf_layout(std::string_view dtype) {
  const TypeInfo* type = find_type_named(dtype);
  if (type == nullptr) return std::nullopt;
  return GgufLayout{type->id, type->block, type->block_bytes};
}

GgufHeader parse_gguf_header(Bytes head, uint64_t file_bytes, std::string_view file_name, GgufArrays arrays) {
  return GgufParser(head, file_bytes, file_name, arrays).parse();
}

GgufFile::GgufFile(const fs::path& path) : map_(path), header_(parse_gguf_header(map_.bytes(), map_.bytes().size(), path.string())) {}

Bytes GgufFile::bytes(const GgufTensor& tensor) const noexcept {
  return map_.bytes().subspan(header_.data_offset + tensor.begin, tensor.end - tensor.begin);
}

Bytes GgufFile::bytes(const GgufPair& pair) const noexcept { return map_.bytes().subspan(pair.begin, pair.end - pair.begin); }

Bytes GgufFile::get_supported(std::string_view name) const {
  const GgufTensor* tensor = header_.find_tensor(name);
  if (tensor == nullptr) throw Error(Code::unprocessable, path().string() + " has no tensor '" + std::string(name) + "'");
  if (!tensor->supported) {
    throw Error(Code::unsupported, path().string() + ": tensor '" + tensor->name + "' is stored as " + tensor->dtype +
                                       "; F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS and MXFP4 are supported");
  }
  return bytes(*tensor);
}

}  // namespace lyceum::formats
