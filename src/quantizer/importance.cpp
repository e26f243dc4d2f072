#include "quantizer/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"

namespace lyceum::quantizer {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

class Parser {
 public:
  Parser(Bytes file, const std::string& name) : file_(file), name_(name), header_(formats::parse_gguf_header(file, file.size(), name)) {}

  Importance parse() {
    if (const auto type = header_.find_string("general.type"); !type || *type != "imatrix") fail("it is no importance matrix (general.type is not \"imatrix\")");
    Importance out;
    out.chunks = small("imatrix.chunk_count");
    out.chunk_tokens = small("imatrix.chunk_size");
    if (const formats::GgufArray* names = header_.find_array("imatrix.datasets")) {
      for (const formats::GgufValue& each : *names) {
        if (const auto* text = std::get_if<std::string>(&each.value)) out.datasets.push_back(*text);
      }
    }
    for (const formats::GgufTensor& tensor : header_.tensors) {
      if (!tensor.name.ends_with(kSums)) continue;
      const std::string name = tensor.name.substr(0, tensor.name.size() - kSums.size());
      out.entries[name] = entry(tensor, name);
    }
    if (out.entries.empty()) fail("it has no entries");
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw Error(Code::unprocessable, name_ + ": " + why); }

  uint32_t small(std::string_view key) const { return static_cast<uint32_t>(std::clamp<int64_t>(header_.find_int(key).value_or(0), 0, UINT32_MAX)); }

  ImportanceEntry entry(const formats::GgufTensor& sums, const std::string& name) const {
    const formats::GgufTensor* counts = header_.find_tensor(name + std::string(kCounts));
    if (counts == nullptr) fail("tensor " + sums.name + " has no " + name + std::string(kCounts));
    ImportanceEntry out{sums.shape.empty() ? 0 : static_cast<size_t>(sums.shape[0]), floats(sums), floats(*counts)};
    if (out.columns == 0 || out.counts.empty() || out.sums.size() / out.columns != out.counts.size()) fail("tensor " + sums.name + " and its counts do not fit together");
    return out;
  }

  std::vector<float> floats(const formats::GgufTensor& tensor) const {
    if (tensor.dtype != "F32") fail("tensor " + tensor.name + " is not F32");
    std::vector<float> out((tensor.end - tensor.begin) / sizeof(float));
    std::memcpy(out.data(), file_.data() + header_.data_offset + tensor.begin, out.size() * sizeof(float));
    for (const float value : out) {
      if (!std::isfinite(value) || value < 0) fail("tensor " + tensor.name + " has a value that is negative or not finite");
    }
    return out;
  }

  Bytes file_;
  const std::string& name_;
  formats::GgufHeader header_;
};

}  // namespace

std::vector<float> Importance::find_means(const std::string& tensor, size_t columns, size_t matrices) const {
  const auto found = entries.find(tensor);
  if (found == entries.end()) return {};
  const ImportanceEntry& entry = found->second;
  if (entry.columns != columns || entry.counts.size() != matrices) {
    throw Error(Code::unprocessable, "the importance of " + tensor + " is for " + std::to_string(entry.counts.size()) + " x " + std::to_string(entry.columns) + " columns, the tensor has " +
                                         std::to_string(matrices) + " x " + std::to_string(columns) + ": it was measured on another model");
  }
  std::vector<float> out(entry.sums.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const float count = entry.counts[i / columns];
    out[i] = count > 0 ? entry.sums[i] / count : 1.0f;
  }
  return out;
}

Importance parse_importance(Bytes file, const std::string& name) { return Parser(file, name).parse(); }

Importance read_importance(const fs::path& path) {
  const MappedFile map(path);
  return parse_importance(map.bytes(), path.string());
}

std::string write_importance(const fs::path& path, const Importance& importance) {
  formats::GgufMetadata metadata;
  metadata.set_string("general.type", "imatrix");
  metadata.set_strings("imatrix.datasets", importance.datasets);
  metadata.set_u32("imatrix.chunk_count", importance.chunks);
  metadata.set_u32("imatrix.chunk_size", importance.chunk_tokens);
  std::vector<formats::GgufSpec> specs;
  for (const auto& [name, entry] : importance.entries) {
    specs.push_back({name + std::string(kSums), "F32", {entry.columns, entry.counts.size()}});
    specs.push_back({name + std::string(kCounts), "F32", {1, entry.counts.size()}});
  }
  formats::GgufWriter writer(path, metadata, std::move(specs));
  const auto append = [&](const std::vector<float>& values) { writer.append({reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)}); };
  for (const auto& [name, entry] : importance.entries) {
    append(entry.sums);
    append(entry.counts);
  }
  return writer.finish();
}

}  // namespace lyceum::quantizer
