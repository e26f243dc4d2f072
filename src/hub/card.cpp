#include "hub/card.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

namespace lyceum::hub {
namespace {

constexpr size_t kBytesMax = 256u << 10;
constexpr int kDepthMax = 32;
constexpr size_t kValuesMax = 20'000;

// The text between the leading "---" line and the next one; empty if there is none.
std::string_view front_matter(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!text.starts_with("---")) return {};
  const size_t first = text.find('\n');
  if (first == std::string_view::npos || text.substr(3, first - 3).find_first_not_of(" \t\r") != std::string_view::npos) return {};
  text.remove_prefix(first + 1);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line == "---") return text.substr(0, at);
    at = end + 1;
  }
  return {};
}

// YAML 1.2 core schema, as the public hub reads it: `no` is a language, not false.
json::value scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return json::string(text);  // quoted
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  int64_t integer = 0;
  const char* const end = text.data() + text.size();
  if (const auto result = std::from_chars(text.data(), end, integer); result.ec == std::errc{} && result.ptr == end) return integer;
  double number = 0;
  const bool number_like = std::isdigit(static_cast<unsigned char>(text.back())) != 0 && text.find_first_of("xXpPnN") == std::string::npos;
  if (const auto result = std::from_chars(text.data(), end, number); number_like && result.ec == std::errc{} && result.ptr == end) return number;
  return json::string(text);
}

struct LimitReached {};

struct Converter {
  size_t values = 0;

  json::value convert(const YAML::Node& node, int depth) {
    if (depth > kDepthMax || ++values > kValuesMax) throw LimitReached{};
    if (node.IsSequence()) {
      json::array out;
      for (const YAML::Node& item : node) out.push_back(convert(item, depth + 1));
      return out;
    }
    if (node.IsMap()) {
      json::object out;
      for (const auto& item : node) {
        if (item.first.IsScalar()) out[item.first.Scalar()] = convert(item.second, depth + 1);
      }
      return out;
    }
    return node.IsScalar() ? scalar(node) : json::value(nullptr);
  }
};

// A field that may be one string or a list of strings.
std::vector<std::string> strings(const json::object& card, std::string_view key) {
  std::vector<std::string> out;
  const auto add = [&out](const json::value& value) {
    if (!value.is_string()) return;
    const std::string text(value.as_string());
    const bool clean = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
    if (!text.empty() && text.size() <= 200 && clean && out.size() < 200) out.push_back(text);
  };
  const json::value* value = card.if_contains(key);
  if (value == nullptr) return out;
  if (value->is_array()) {
    for (const json::value& item : value->as_array()) add(item);
  } else {
    add(*value);
  }
  return out;
}

std::string first_string(const json::object& card, std::string_view key) {
  const auto all = strings(card, key);
  return all.empty() ? std::string() : all.front();
}

bool has_suffix(const std::set<std::string>& files, std::string_view suffix) {
  return std::any_of(files.begin(), files.end(), [&](const std::string& name) { return name.ends_with(suffix); });
}

std::string base_model_relation(const json::object& card, const std::string& library, const std::set<std::string>& files, size_t bases) {
  const std::string stated = first_string(card, "base_model_relation");
  for (const std::string_view known : {"adapter", "finetune", "merge", "quantized"}) {
    if (stated == known) return stated;
  }
  if (library == "peft" || files.contains("adapter_config.json")) return "adapter";
  if (bases > 1) return "merge";
  return has_suffix(files, ".gguf") ? "quantized" : "finetune";
}

std::string library_of(const json::object& card, const std::set<std::string>& files) {
  const std::string stated = first_string(card, "library_name");
  if (!stated.empty()) return stated;
  if (files.contains("adapter_config.json")) return "peft";
  if (files.contains("config.json") && has_suffix(files, ".safetensors")) return "transformers";
  return {};
}

class TagList {
 public:
  void add(const std::string& tag) {
    if (!tag.empty() && seen_.insert(tag).second) tags_.push_back(tag);
  }
  void add_all(std::string_view prefix, const std::vector<std::string>& values) {
    for (const std::string& value : values) add(std::string(prefix) + value);
  }
  std::vector<std::string> take() { return std::move(tags_); }

 private:
  std::set<std::string> seen_;
  std::vector<std::string> tags_;
};

}  // namespace

json::object parse_card(std::string_view readme) noexcept {
  try {
    const std::string_view yaml = front_matter(readme.substr(0, kBytesMax + 64));
    if (yaml.empty() || yaml.size() > kBytesMax) return {};
    json::value value = Converter{}.convert(YAML::Load(std::string(yaml)), 0);
    return value.is_object() ? std::move(value.as_object()) : json::object{};
  } catch (const LimitReached&) {
    return {};
  } catch (const std::exception&) {
    return {};
  }
}

CardSummary summarise_card(RepoType type, const json::object& card, const std::set<std::string>& files) {
  CardSummary out;
  TagList tags;
  if (type == RepoType::model) {
    out.library_name = library_of(card, files);
    out.pipeline_tag = first_string(card, "pipeline_tag");
    tags.add(out.library_name);
    for (const auto& [suffix, tag] : {std::pair(".safetensors", "safetensors"), std::pair(".gguf", "gguf"), std::pair(".onnx", "onnx")}) {
      if (has_suffix(files, suffix)) tags.add(tag);
    }
    tags.add(out.pipeline_tag);
  }
  if (type == RepoType::space) {
    out.sdk = first_string(card, "sdk");
    tags.add(out.sdk);
    tags.add_all("model:", strings(card, "models"));
  }
  tags.add_all("", strings(card, "tags"));
  tags.add_all(type == RepoType::dataset ? "language:" : "", strings(card, "language"));
  tags.add_all(type == RepoType::dataset ? "" : "dataset:", type == RepoType::dataset ? std::vector<std::string>{} : strings(card, "datasets"));
  for (const char* key : {"task_categories", "task_ids", "size_categories", "annotations_creators", "source_datasets"}) {
    if (type == RepoType::dataset) tags.add_all(std::string(key) + ":", strings(card, key));
  }
  const auto bases = strings(card, "base_model");
  const std::string relation = base_model_relation(card, out.library_name, files, bases.size());
  for (const std::string& base : bases) {
    tags.add("base_model:" + base);
    tags.add("base_model:" + relation + ":" + base);
  }
  tags.add_all("license:", strings(card, "license"));
  out.tags = tags.take();
  return out;
}

}  // namespace lyceum::hub
