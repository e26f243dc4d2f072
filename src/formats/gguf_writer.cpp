#include "formats/gguf_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "formats/gguf.h"

namespace lyceum::formats {
namespace {

constexpr uint64_t kAlignment = 32;
enum ValueType : uint32_t { kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}
void put_string(std::string& out, std::string_view text) {
  put(out, uint64_t{text.size()});
  out += text;
}
template <typename T>
void put_array(std::string& out, uint32_t type, std::span<const T> values) {
  put(out, uint32_t{kArray});
  put(out, type);
  put(out, uint64_t{values.size()});
  for (const T& value : values) put(out, value);
}

uint64_t padding(uint64_t size) { return (kAlignment - size % kAlignment) % kAlignment; }

std::string header_text(const GgufMetadata& metadata, const std::vector<GgufSpec>& tensors) {
  std::string out = "GGUF";
  put(out, uint32_t{3});
  put(out, uint64_t{tensors.size()});
  put(out, uint64_t{metadata.pairs().size()});
  for (const auto& [key, value] : metadata.pairs()) {
    put_string(out, key);
    out += value;
  }
  uint64_t offset = 0;
  for (const GgufSpec& spec : tensors) {
    const uint64_t bytes = gguf_bytes(spec);
    put_string(out, spec.name);
    put(out, static_cast<uint32_t>(spec.shape.size()));
    for (const uint64_t dimension : spec.shape) put(out, dimension);
    put(out, find_gguf_layout(spec.dtype)->id);
    put(out, offset);
    offset += bytes + padding(bytes);
  }
  out.append(padding(out.size()), '\0');
  return out;
}

}  // namespace

std::string& GgufMetadata::at(std::string_view key) {
  const auto found = std::ranges::find(pairs_, key, &std::pair<std::string, std::string>::first);
  if (found == pairs_.end()) return pairs_.emplace_back(key, "").second;
  found->second.clear();
  return found->second;
}

void GgufMetadata::set_u32(std::string_view key, uint32_t value) {
  std::string& out = at(key);
  put(out, uint32_t{kU32});
  put(out, value);
}
void GgufMetadata::set_i32(std::string_view key, int32_t value) {
  std::string& out = at(key);
  put(out, uint32_t{kI32});
  put(out, value);
}
void GgufMetadata::set_f32(std::string_view key, float value) {
  std::string& out = at(key);
  put(out, uint32_t{kF32});
  put(out, value);
}
void GgufMetadata::set_bool(std::string_view key, bool value) {
  std::string& out = at(key);
  put(out, uint32_t{kBool});
  put(out, uint8_t{value});
}
void GgufMetadata::set_string(std::string_view key, std::string_view value) {
  std::string& out = at(key);
  put(out, uint32_t{kString});
  put_string(out, value);
}
void GgufMetadata::set_strings(std::string_view key, std::span<const std::string> values) {
  std::string& out = at(key);
  put_array(out, kString, std::span<const char>());
  out.resize(out.size() - sizeof(uint64_t));
  put(out, uint64_t{values.size()});
  for (const std::string& value : values) put_string(out, value);
}
void GgufMetadata::set_i32s(std::string_view key, std::span<const int32_t> values) { put_array(at(key), kI32, values); }
void GgufMetadata::set_u32s(std::string_view key, std::span<const uint32_t> values) { put_array(at(key), kU32, values); }
void GgufMetadata::set_f32s(std::string_view key, std::span<const float> values) { put_array(at(key), kF32, values); }
void GgufMetadata::set_raw(std::string_view key, Bytes type_and_value) { at(key) = as_text(type_and_value); }

void GgufMetadata::remove(std::string_view key) {
  std::erase_if(pairs_, [&](const auto& pair) { return pair.first == key; });
}
bool GgufMetadata::has(std::string_view key) const { return std::ranges::find(pairs_, key, &std::pair<std::string, std::string>::first) != pairs_.end(); }

uint64_t gguf_bytes(const GgufSpec& spec) {
  const auto layout = find_gguf_layout(spec.dtype);
  if (!layout) throw Error(Code::invalid_argument, "tensor '" + spec.name + "' cannot be written with the unknown type '" + spec.dtype + "'");
  uint64_t count = 1;
  for (const uint64_t dimension : spec.shape) {
    if (__builtin_mul_overflow(count, dimension, &count)) throw Error(Code::invalid_argument, "tensor '" + spec.name + "' is beyond 2^64 values");
  }
  const uint64_t row = spec.shape.empty() ? 1 : spec.shape[0];
  if (row % layout->block != 0) {
    throw Error(Code::invalid_argument, "tensor '" + spec.name + "' has rows of " + std::to_string(row) + " values, not whole blocks of " + spec.dtype);
  }
  return count / layout->block * layout->block_bytes;
}

GgufWriter::GgufWriter(const fs::path& path, const GgufMetadata& metadata, std::vector<GgufSpec> tensors)
    : path_(path), partial_(path.string() + ".partial"), tensors_(std::move(tensors)), hasher_(Hasher::Kind::sha256) {
  const std::string header = header_text(metadata, tensors_);
  fd_ = open_file(partial_, O_WRONLY | O_CREAT | O_TRUNC);
  try {
    uint64_t size = header.size();
    for (const GgufSpec& spec : tensors_) size += gguf_bytes(spec) + padding(gguf_bytes(spec));
    reserve(size);
    write(as_bytes(header));
  } catch (...) {
    ::unlink(partial_.c_str());   // no destructor runs for an object that never was
    throw;
  }
  if (!tensors_.empty()) left_ = gguf_bytes(tensors_[0]);
}

GgufWriter::~GgufWriter() {
  if (!finished_) ::unlink(partial_.c_str());
}

void GgufWriter::write(Bytes bytes) {
  write_all(fd_.get(), bytes, partial_);
  hasher_.update(bytes);
}

void GgufWriter::reserve(uint64_t bytes) {
  if (::fallocate(fd_.get(), 0, 0, static_cast<off_t>(bytes)) == 0) return;
  if (errno != EOPNOTSUPP && errno != ENOSYS) throw_errno("cannot take the space of", path_);
  if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) throw_errno("cannot take the space of", path_);
}

void GgufWriter::append(Bytes data) {
  static constexpr std::byte kZeros[kAlignment]{};
  while (!data.empty()) {
    if (tensor_ == tensors_.size()) throw Error(Code::internal, path_.string() + ": more bytes were appended than announced");
    const Bytes part = data.first(std::min<uint64_t>(left_, data.size()));
    write(part);
    data = data.subspan(part.size());
    left_ -= part.size();
    if (left_ != 0) return;
    write({kZeros, padding(gguf_bytes(tensors_[tensor_]))});
    if (++tensor_ < tensors_.size()) left_ = gguf_bytes(tensors_[tensor_]);
  }
}

std::string GgufWriter::finish() {
  if (tensor_ != tensors_.size()) throw Error(Code::internal, path_.string() + ": the bytes of tensor '" + tensors_[tensor_].name + "' are not complete");
  fsync_file(fd_.get(), partial_);
  fd_.reset();
  rename_durable(partial_, path_);
  finished_ = true;
  return hasher_.finish_hex();
}

}  // namespace lyceum::formats
