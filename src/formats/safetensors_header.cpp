// The header is read by a streaming parser: a hostile 100 MB of JSON never becomes a tree, and a name given twice is seen.
#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unordered_set>

#include "formats/safetensors.h"

namespace lyceum::formats {
namespace {

namespace json = boost::json;

constexpr size_t kTensorsMax = 1'000'000;
constexpr size_t kDimensionsMax = 64;
constexpr size_t kNameBytesMax = 64 * 1024;
constexpr size_t kMetadataBytesMax = 16u << 20;

struct DTypeBytes {
  std::string_view name;
  size_t bytes;
};
constexpr DTypeBytes kDTypes[] = {{"BOOL", 1},    {"U8", 1},  {"I8", 1},   {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
                                  {"I16", 2},     {"U16", 2}, {"F16", 2},  {"BF16", 2},    {"I32", 4},     {"U32", 4},
                                  {"F32", 4},     {"C64", 8}, {"F64", 8},  {"I64", 8},     {"U64", 8}};

[[noreturn]] void fail(std::string_view file, const std::string& problem) {
  throw Error(Code::unprocessable, std::string(file) + ": " + problem);
}

// Fills a header while the parser runs. Depth 1 is the names, depth 2 a tensor's fields or the metadata, depth 3 a list of numbers.
class HeaderHandler {
 public:
  static constexpr size_t max_object_size = kTensorsMax;
  static constexpr size_t max_array_size = kDimensionsMax;
  static constexpr size_t max_key_size = kNameBytesMax;
  static constexpr size_t max_string_size = kMetadataBytesMax;

  HeaderHandler(SafetensorsHeader& header, std::string_view file) : header_(header), file_(file) {}

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    ++depth_;
    if (depth_ == 1) return true;
    if (depth_ > 2) fail(file_, about() + " holds an object where a value belongs");
    if (!metadata_) tensor_ = SafetensorsTensor{name_, {}, {}, 0, 0};
    seen_.clear();
    return true;
  }
  bool on_object_end(size_t, json::error_code&) {
    if (--depth_ == 1 && !metadata_) finish_tensor();
    return true;
  }
  bool on_array_begin(json::error_code&) {
    if (depth_ != 2 || metadata_ || in_list_ || field_ == "dtype") fail(file_, about() + " holds a list where a value belongs");
    in_list_ = true;
    list_.clear();
    return true;
  }
  bool on_array_end(size_t, json::error_code&) {
    in_list_ = false;
    if (field_ == "shape") {
      tensor_.shape = list_;
    } else if (list_.size() != 2 || list_[0] > list_[1]) {
      fail(file_, about() + " has data_offsets that are not [begin, end]");
    } else {
      tensor_.begin = list_[0];
      tensor_.end = list_[1];
    }
    return true;
  }
  bool on_key_part(json::string_view part, size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    take_key(std::move(text_));
    text_.clear();
    return true;
  }
  bool on_string_part(json::string_view part, size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view part, size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    if (depth_ == 2 && metadata_) {
      metadata_bytes_ += text_.size() + field_.size();
      if (metadata_bytes_ > kMetadataBytesMax) fail(file_, "__metadata__ is over the limit of 16 MiB");
      header_.metadata[field_] = text_;
    } else if (depth_ == 2 && !in_list_ && field_ == "dtype") {
      tensor_.dtype = text_;
    } else {
      fail(file_, about() + " holds a string where none belongs");
    }
    text_.clear();
    return true;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(int64_t value, json::string_view, json::error_code&) {
    if (value < 0) fail(file_, about() + " has a negative number");
    return take_number(static_cast<uint64_t>(value));
  }
  bool on_uint64(uint64_t value, json::string_view, json::error_code&) { return take_number(value); }
  bool on_double(double, json::string_view, json::error_code&) { fail(file_, about() + " has a number that is not whole"); }
  bool on_bool(bool, json::error_code&) { fail(file_, about() + " holds true or false where none belongs"); }
  bool on_null(json::error_code&) { fail(file_, about() + " holds null"); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  std::string about() const { return metadata_ ? "__metadata__" : name_.empty() ? "the header" : "tensor '" + name_ + "'"; }

  void take_key(std::string key) {
    if (depth_ == 1) {
      if (!names_.insert(key).second) fail(file_, "the name '" + key + "' is given twice");
      if (names_.size() > kTensorsMax) fail(file_, "more than a million tensors");
      metadata_ = key == "__metadata__";
      name_ = std::move(key);
      return;
    }
    if (!metadata_ && key != "dtype" && key != "shape" && key != "data_offsets") fail(file_, about() + " has an unknown field '" + key + "'");
    if (!seen_.insert(key).second) fail(file_, about() + " gives '" + key + "' twice");
    field_ = std::move(key);
  }
  bool take_number(uint64_t value) {
    if (!in_list_) fail(file_, about() + " holds a number where none belongs");
    list_.push_back(value);
    return true;
  }
  void finish_tensor() {
    if (seen_.size() != 3) fail(file_, about() + " lacks one of dtype, shape and data_offsets");
    header_.tensors.push_back(std::move(tensor_));
  }

  SafetensorsHeader& header_;
  std::string_view file_;
  int depth_ = 0;
  bool metadata_ = false, in_list_ = false;
  std::string name_, field_, text_;
  std::unordered_set<std::string> names_, seen_;
  std::vector<uint64_t> list_;
  SafetensorsTensor tensor_;
  size_t metadata_bytes_ = 0;
};

void parse_json_text(std::string_view text, SafetensorsHeader& header, std::string_view file) {
  json::parse_options options;
  options.max_depth = 4;
  json::basic_parser<HeaderHandler> parser(options, header, file);
  json::error_code error;
  const size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (error) fail(file, "the header is not valid JSON (" + error.message() + ")");
  if (text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) fail(file, "text follows the header's JSON object");
}

// shape * dtype must be the announced size, computed without overflow.
void check_size(const SafetensorsTensor& tensor, std::string_view file) {
  const size_t width = safetensors_dtype_bytes(tensor.dtype);
  if (width == 0) {
    throw Error(Code::unsupported, std::string(file) + ": tensor '" + tensor.name + "' has the unknown dtype '" + tensor.dtype + "'");
  }
  uint64_t bytes = width;
  for (const uint64_t dimension : tensor.shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) fail(file, "tensor '" + tensor.name + "' has a shape beyond 2^64 bytes");
  }
  if (bytes != tensor.end - tensor.begin) {
    fail(file, "tensor '" + tensor.name + "' needs " + std::to_string(bytes) + " bytes for its shape, but its data_offsets span " +
                   std::to_string(tensor.end - tensor.begin));
  }
}

// Sorted by offset, each tensor begins where the one before ends: no hole, no overlap.
void check_layout(SafetensorsHeader& header, uint64_t file_bytes, std::string_view file) {
  std::sort(header.tensors.begin(), header.tensors.end(), [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t end = 0;
  for (const SafetensorsTensor& tensor : header.tensors) {
    check_size(tensor, file);
    if (tensor.begin < end) fail(file, "tensor '" + tensor.name + "' overlaps the tensor before it");
    if (tensor.begin > end) fail(file, "there is a hole before tensor '" + tensor.name + "'");
    end = tensor.end;
  }
  header.data_bytes = end;
  const uint64_t there = file_bytes - header.data_offset;
  if (there < end) {
    fail(file, "truncated: the header announces " + std::to_string(end) + " bytes of data, the file has " + std::to_string(there));
  }
  if (there > end) fail(file, std::to_string(there - end) + " bytes follow the last tensor");
}

}  // namespace

size_t safetensors_dtype_bytes(std::string_view dtype) noexcept {
  for (const DTypeBytes& entry : kDTypes) {
    if (entry.name == dtype) return entry.bytes;
  }
  return 0;
}

uint64_t SafetensorsTensor::elements() const noexcept {
  uint64_t count = 1;
  for (const uint64_t dimension : shape) count *= dimension;
  return count;
}

const SafetensorsTensor* SafetensorsHeader::find(std::string_view name) const noexcept {
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

uint64_t SafetensorsHeader::parameters() const noexcept {
  uint64_t count = 0;
  for (const SafetensorsTensor& tensor : tensors) count += tensor.elements();
  return count;
}

std::map<std::string, uint64_t> SafetensorsHeader::parameters_by_dtype() const {
  std::map<std::string, uint64_t> counts;
  for (const SafetensorsTensor& tensor : tensors) counts[tensor.dtype] += tensor.elements();
  return counts;
}

uint64_t safetensors_header_bytes(Bytes first_eight, std::string_view file_name) {
  if (first_eight.size() < 8) fail(file_name, "too short to be a safetensors file");
  uint64_t length;
  std::memcpy(&length, first_eight.data(), 8);
  if (length > kSafetensorsHeaderBytesMax) {
    fail(file_name, "not a safetensors file, or damaged: its header length of " + std::to_string(length) + " is over the limit of 100 MB");
  }
  return length + 8;
}

SafetensorsHeader parse_safetensors_header(Bytes head, uint64_t file_bytes, std::string_view file_name) {
  SafetensorsHeader header;
  header.data_offset = safetensors_header_bytes(head, file_name);
  if (header.data_offset > file_bytes || header.data_offset > head.size()) {
    fail(file_name, "truncated inside the header of " + std::to_string(header.data_offset) + " bytes");
  }
  const std::string_view text = as_text(head.subspan(8, header.data_offset - 8));
  if (text.empty() || text.front() != '{') fail(file_name, "not a safetensors file: the header does not begin with '{'");
  parse_json_text(text, header, file_name);
  check_layout(header, file_bytes, file_name);
  return header;
}

SafetensorsHeader read_safetensors_header(const fs::path& path) {
  const MappedFile map(path);
  return parse_safetensors_header(map.bytes(), map.bytes().size(), path.string());
}

}  // namespace lyceum::formats
