#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/json.h"
#include "formats/safetensors.h"

namespace lyceum::formats {
namespace {

// The reference library writes dtypes in this order, the last first, so that every tensor stays aligned to its element.
constexpr std::string_view kOrder[] = {"BOOL", "U8",  "I8",   "F8_E5M2", "F8_E4M3", "F8_E8M0", "I16", "U16", "F16",
                                       "BF16", "I32", "U32",  "F32",     "C64",     "F64",     "I64", "U64"};

size_t rank(std::string_view dtype) { return static_cast<size_t>(std::find(std::begin(kOrder), std::end(kOrder), dtype) - std::begin(kOrder)); }

uint64_t bytes_of(const SafetensorsSpec& spec) {
  uint64_t bytes = safetensors_dtype_bytes(spec.dtype);
  if (bytes == 0) throw Error(Code::invalid_argument, "tensor '" + spec.name + "' cannot be written with the unknown dtype '" + spec.dtype + "'");
  for (const uint64_t dimension : spec.shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) throw Error(Code::invalid_argument, "tensor '" + spec.name + "' is beyond 2^64 bytes");
  }
  return bytes;
}

std::string header_text(const std::vector<SafetensorsSpec>& tensors, const std::map<std::string, std::string>& metadata) {
  json::object header;
  if (!metadata.empty()) {
    json::object& object = header["__metadata__"].emplace_object();
    for (const auto& [key, value] : metadata) object[key] = value;
  }
  uint64_t offset = 0;
  for (const SafetensorsSpec& spec : tensors) {
    if (header.contains(spec.name)) throw Error(Code::invalid_argument, "tensor '" + spec.name + "' is given twice");
    const uint64_t end = offset + bytes_of(spec);
    json::array shape(spec.shape.begin(), spec.shape.end());
    header[spec.name] = json::object{{"dtype", spec.dtype}, {"shape", std::move(shape)}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json::serialize(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const fs::path& path, std::vector<SafetensorsSpec> tensors, const std::map<std::string, std::string>& metadata)
    : path_(path), partial_(path.string() + ".partial"), tensors_(std::move(tensors)) {
  std::sort(tensors_.begin(), tensors_.end(), [](const SafetensorsSpec& a, const SafetensorsSpec& b) {
    const size_t left = rank(a.dtype), right = rank(b.dtype);
    return left != right ? left > right : a.name < b.name;
  });
  const std::string text = header_text(tensors_, metadata);
  for (const SafetensorsSpec& spec : tensors_) expected_ += bytes_of(spec);
  fd_ = open_file(partial_, O_WRONLY | O_CREAT | O_TRUNC);
  char length[8];
  const uint64_t size = text.size();
  std::memcpy(length, &size, 8);
  write_all(fd_.get(), as_bytes({length, 8}), partial_);
  write_all(fd_.get(), as_bytes(text), partial_);
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!finished_) ::unlink(partial_.c_str());
}

void SafetensorsWriter::append(Bytes data) {
  write_all(fd_.get(), data, partial_);
  written_ += data.size();
}

void SafetensorsWriter::finish() {
  if (written_ != expected_) {
    throw Error(Code::internal, path_.string() + ": " + std::to_string(written_) + " bytes were appended, " + std::to_string(expected_) + " announced");
  }
  fsync_file(fd_.get(), partial_);
  fd_.reset();
  rename_durable(partial_, path_);
  finished_ = true;
}

void write_safetensors(const fs::path& path, std::vector<SafetensorsSpec> tensors, const std::map<std::string, std::string>& metadata,
                       const std::function<Bytes(const SafetensorsSpec&)>& data) {
  SafetensorsWriter writer(path, std::move(tensors), metadata);
  for (const SafetensorsSpec& spec : writer.order()) writer.append(data(spec));
  writer.finish();
}

}  // namespace lyceum::formats
