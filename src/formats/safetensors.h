// safetensors.h: the tensor file of the Hugging Face world. Layout: 8 bytes little-endian header length N, N bytes of JSON
// ({"name": {"dtype", "shape", "data_offsets": [begin, end)}, "__metadata__": {string: string}}), then the data.
//
// Everything in a file is distrusted: header length <= 100 MB and within the file, valid JSON without duplicate names, offsets in
// range, no overlap and no hole, shape * dtype == size without overflow. Violations throw Error(unprocessable) that names the
// file and the tensor. Specification: https://github.com/huggingface/safetensors#format
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/files.h"

namespace lyceum::formats {

struct SafetensorsTensor {
  std::string name;
  std::string dtype;             // as written: "F32", "BF16", "F16", "I64", "F8_E4M3", …
  std::vector<uint64_t> shape;   // empty for a scalar
  uint64_t begin = 0, end = 0;   // bytes, counted from the start of the data
  uint64_t elements() const noexcept;
};

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;         // by offset
  std::map<std::string, std::string> metadata;    // "__metadata__"
  uint64_t data_offset = 0;                       // of the first data byte in the file
  uint64_t data_bytes = 0;

  const SafetensorsTensor* find(std::string_view name) const noexcept;
  uint64_t parameters() const noexcept;                                // elements of all tensors
  std::map<std::string, uint64_t> parameters_by_dtype() const;         // what the Hub calls safetensors.parameters
};

inline constexpr uint64_t kSafetensorsHeaderBytesMax = 100'000'000;

// The whole header's size in bytes (8 + N) from the first 8 bytes of a file: how much to fetch before parsing.
uint64_t safetensors_header_bytes(Bytes first_eight, std::string_view file_name);
// head: at least the header's bytes; file_bytes: the size of the whole file.
SafetensorsHeader parse_safetensors_header(Bytes head, uint64_t file_bytes, std::string_view file_name);
// Reads only the header of a file on disk.
SafetensorsHeader read_safetensors_header(const fs::path& path);

// One mapped file. Tensor bytes point into the map and live as long as this object; they may be unaligned.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const fs::path& path);
  const SafetensorsHeader& header() const noexcept { return header_; }
  const fs::path& path() const noexcept { return map_.path(); }
  Bytes bytes(const SafetensorsTensor& tensor) const noexcept;

 private:
  MappedFile map_;
  SafetensorsHeader header_;
};

// The tensors of a model: one file, or the shards that model.safetensors.index.json names. A shard may be a symbolic link.
class SafetensorsModel {
 public:
  // path: a .safetensors file, an index .json, or a folder that holds model.safetensors, its index, or exactly one .safetensors.
  explicit SafetensorsModel(const fs::path& path);

  struct Found {
    const SafetensorsTensor* tensor;
    Bytes bytes;
    const fs::path* file;
  };
  std::optional<Found> find(std::string_view name) const;
  // Throws Error(unprocessable) naming the tensor and the folder.
  Found get(std::string_view name) const;
  std::vector<std::string> names() const;                              // sorted
  const std::vector<std::shared_ptr<SafetensorsFile>>& files() const noexcept { return files_; }

 private:
  void add_file(const fs::path& path);
  void load_index(const fs::path& index);

  fs::path path_;
  std::vector<std::shared_ptr<SafetensorsFile>> files_;
  std::map<std::string, std::pair<size_t, const SafetensorsTensor*>, std::less<>> by_name_;
};

struct SafetensorsSpec {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
};

// Writes the same bytes for the same input: tensors by dtype (wide types first) and then name, as the reference library orders
// them, metadata sorted by key and first, header padded with spaces to a multiple of 8. Durable (fsync, rename) after finish().
class SafetensorsWriter {
 public:
  SafetensorsWriter(const fs::path& path, std::vector<SafetensorsSpec> tensors, const std::map<std::string, std::string>& metadata);
  ~SafetensorsWriter();   // unfinished: the partial file is removed
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // In file order; the caller appends each tensor's bytes in this order, whole or in pieces.
  const std::vector<SafetensorsSpec>& order() const noexcept { return tensors_; }
  void append(Bytes data);
  // Throws Error(internal) when the bytes appended are not exactly those announced.
  void finish();

 private:
  fs::path path_, partial_;
  std::vector<SafetensorsSpec> tensors_;
  UniqueFd fd_;
  uint64_t expected_ = 0, written_ = 0;
  bool finished_ = false;
};

// All at once. data(spec) returns the bytes of a tensor; called once for each, in file order.
void write_safetensors(const fs::path& path, std::vector<SafetensorsSpec> tensors, const std::map<std::string, std::string>& metadata,
                       const std::function<Bytes(const SafetensorsSpec&)>& data);

// Bytes of one element, or 0 for an unknown dtype (sub-byte types are refused).
size_t safetensors_dtype_bytes(std::string_view dtype) noexcept;

}  // namespace lyceum::formats
