// gguf.h: reading llama.cpp's model file, versions 2 and 3, little-endian. Layout: "GGUF", version, tensor count, metadata
// count, metadata (typed key/values), tensor infos, padding to general.alignment, tensor data.
//
// Everything is distrusted: counts, string lengths, array depth and sizes are limited, offsets are checked against the file and
// for overlap. Violations throw Error(unprocessable) naming the file and the key or tensor.
// Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/files.h"

namespace lyceum::formats {

struct GgufValue;
using GgufArray = std::vector<GgufValue>;
struct GgufValue {
  // Integers of every width are widened; f32 becomes double.
  std::variant<bool, int64_t, uint64_t, double, std::string, GgufArray> value;
};

struct GgufTensor {
  std::string name;
  std::string dtype;             // "F32", "Q4_0", "Q6_K", …; "type 57" when unknown
  bool supported = false;        // the engine computes with it (tensor::DType has it)
  std::vector<uint64_t> shape;   // as GGUF stores it: the contiguous dimension first
  uint64_t begin = 0, end = 0;   // bytes, from the start of the data; end == begin when the type's size is unknown
  uint64_t elements() const noexcept;
};

// Where a key's value lies in the file, its type first, for who copies it as it is.
struct GgufPair {
  std::string key;
  uint64_t begin = 0, end = 0;
};

struct GgufHeader {
  uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<GgufPair> pairs;   // in file order
  std::vector<GgufTensor> tensors;
  uint64_t data_offset = 0;

  const GgufTensor* find_tensor(std::string_view name) const noexcept;
  // find_: nullopt when absent, Error(unprocessable) when of another type. get_: throws when absent.
  std::optional<int64_t> find_int(std::string_view key) const;
  std::optional<double> find_number(std::string_view key) const;
  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  const GgufArray* find_array(std::string_view key) const;
  int64_t get_int(std::string_view key) const;
  double get_number(std::string_view key) const;
  std::string get_string(std::string_view key) const;
};

// How a type is stored: its number in the file, values a block, bytes a block.
struct GgufLayout {
  uint32_t id;
  uint64_t block, block_bytes;
};
std::optional<GgufLayout> find_gguf_layout(std::string_view dtype);   // "Q4_K"

// Vocabularies are arrays of up to millions of values; who does not need them leaves them unread (checked, then empty).
enum class GgufArrays { kept, skipped };
// head: the file, or as much of it as holds the header; file_bytes: the size of the whole file.
GgufHeader parse_gguf_header(Bytes head, uint64_t file_bytes, std::string_view file_name, GgufArrays arrays = GgufArrays::kept);

class GgufFile {
 public:
  explicit GgufFile(const fs::path& path);
  const GgufHeader& header() const noexcept { return header_; }
  const fs::path& path() const noexcept { return map_.path(); }
  Bytes bytes(const GgufTensor& tensor) const noexcept;
  Bytes bytes(const GgufPair& pair) const noexcept;
  // Throws Error(unsupported) naming the tensor and its type when the engine has no kernel for it.
  Bytes get_supported(std::string_view name) const;

 private:
  MappedFile map_;
  GgufHeader header_;
};

}  // namespace lyceum::formats
