// gguf_writer.h: writing GGUF, version 3. The same bytes for the same input. Beside the target, then renamed over it: nobody sees a part of a file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/files.h"
#include "base/hash.h"

namespace lyceum::formats {

// Keys and values in the order in which they were first set.
class GgufMetadata {
 public:
  void set_u32(std::string_view key, uint32_t value);
  void set_i32(std::string_view key, int32_t value);
  void set_f32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_string(std::string_view key, std::string_view value);
  void set_strings(std::string_view key, std::span<const std::string> values);
  void set_i32s(std::string_view key, std::span<const int32_t> values);
  void set_u32s(std::string_view key, std::span<const uint32_t> values);
  void set_f32s(std::string_view key, std::span<const float> values);
  void set_raw(std::string_view key, Bytes type_and_value);   // GgufFile::bytes(pair)
  void remove(std::string_view key);
  bool has(std::string_view key) const;

  const std::vector<std::pair<std::string, std::string>>& pairs() const noexcept { return pairs_; }   // values: type, then value

 private:
  std::string& at(std::string_view key);
  std::vector<std::pair<std::string, std::string>> pairs_;
};

struct GgufSpec {
  std::string name, dtype;         // "Q4_K"
  std::vector<uint64_t> shape;     // the contiguous dimension first
};
uint64_t gguf_bytes(const GgufSpec& spec);   // Error(invalid_argument) for an unknown dtype or rows that are not whole blocks

class GgufWriter {
 public:
  // Takes the whole file's space (Error(storage_full) when it is not there) and writes the header.
  GgufWriter(const fs::path& path, const GgufMetadata& metadata, std::vector<GgufSpec> tensors);
  ~GgufWriter();   // unfinished: the partial file is removed
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  const fs::path& partial() const noexcept { return partial_; }   // where the file grows, at its full size
  // The bytes of the tensors in the order given, whole or in pieces; padding is written by itself.
  void append(Bytes data);
  // Durable after this. Returns the file's SHA-256. Throws Error(internal) when the bytes appended are not exactly those announced.
  std::string finish();

 private:
  void write(Bytes bytes);
  void reserve(uint64_t bytes);

  fs::path path_, partial_;
  std::vector<GgufSpec> tensors_;
  UniqueFd fd_;
  Hasher hasher_;
  size_t tensor_ = 0;
  uint64_t left_ = 0;   // bytes of the present tensor that are still to come
  bool finished_ = false;
};

}  // namespace lyceum::formats
