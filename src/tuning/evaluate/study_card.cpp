#include "tuning/evaluate/study_card.h"

#include <fmt/format.h>

namespace lyceum::tuning {

namespace {

constexpr std::string_view kFence = "---\n";

struct CardParts {
  std::string front, body;   // front: the lines between the fences
};

CardParts split_card(const std::string& card) {
  if (!card.starts_with(kFence)) return {"", card};
  const size_t end = card.find("\n---\n", kFence.size() - 1);
  if (end == std::string::npos) return {"", card};
  return {card.substr(kFence.size(), end + 1 - kFence.size()), card.substr(end + 5)};
}

// A key's value goes on in the lines that are indented or are members of a list.
std::string without_results(const std::string& front) {
  std::string out;
  bool inside = false;
  for (size_t at = 0; at < front.size();) {
    const size_t end = std::min(front.find('\n', at), front.size() - 1) + 1;
    const std::string_view line = std::string_view(front).substr(at, end - at);
    inside = line.starts_with("model-index:") || (inside && (line[0] == ' ' || line[0] == '-'));
    if (!inside) out += line;
    at = end;
  }
  return out;
}

const json::object* find_arm(const json::object& metric, std::string_view key) {
  for (const json::value& arm : metric.at("arms").as_array()) {
    if (arm.as_object().at("arm").as_string() == key) return &arm.as_object();
  }
  return nullptr;
}

// JSON that YAML 1.1 readers take for the same values: to them 1.5E0 is a text.
std::string flow(const json::value& value) {
  std::string out;
  if (value.is_double()) return fmt::format("{:.6f}", value.as_double());
  if (value.is_array()) {
    for (const json::value& item : value.as_array()) out += (out.empty() ? "" : ", ") + flow(item);
    return "[" + out + "]";
  }
  if (value.is_object()) {
    for (const auto& item : value.as_object()) out += (out.empty() ? "" : ", ") + json::serialize(json::value(item.key())) + ": " + flow(item.value());
    return "{" + out + "}";
  }
  return json::serialize(value);
}

json::value member(const json::object& object, std::string_view outer, std::string_view inner) {
  const json::object* found = find_object(object, outer);
  return found != nullptr && found->contains(inner) ? found->at(inner) : json::value(nullptr);
}

json::object dataset_of(const json::object& report) {
  return {{"name", "lines that are new since the adapter's data"}, {"type", "private-code"},
          {"args", json::object{{"learned_manifest_sha256", member(report, "learned", "manifest_sha256")}, {"learned_commit", member(report, "learned", "commit")},
                                {"measured_manifest_sha256", member(report, "measured_on", "manifest_sha256")}, {"measured_commit", member(report, "measured_on", "commit")},
                                {"new_lines", member(report, "measured_on", "new_lines")}, {"files", member(report, "measured_on", "files")}}}};
}

json::object metric_of(const json::object& metric, const json::object& arm, const json::object& base) {
  return {{"type", metric.at("key")}, {"name", metric.at("title")}, {"value", arm.at("value")},
          {"args", json::object{{"lower_is_better", metric.at("lower_is_better")}, {"base", base.at("value")}, {"difference_to_base", arm.at("difference")},
                                {"interval_95", arm.at("interval_95")}, {"items", metric.at("items")}, {"files", metric.at("files")}}}};
}

// What the figures came from, so that they can be made again.
json::object provenance_of(const json::object& report, const std::string& study_sha256) {
  return {{"type", "provenance"}, {"name", "how these were measured: lyceum compare --study"}, {"value", study_sha256},
          {"args", json::object{{"study_json_sha256", study_sha256}, {"base_weights_sha256", member(report, "base", "weights_sha256")},
                                {"adapter_outputs_sha256", member(report, "adapter", "outputs_sha256")}, {"options", report.at("options")}, {"environment", report.at("environment")}}}};
}

// Members of lists stand in lines of their own.
std::string model_index(const json::object& report, const std::string& study_sha256) {
  std::string out = "model-index:\n- name: " + flow(member(report, "adapter", "name")) + "\n  results:\n";
  out += "  - task: {\"type\": \"text-generation\", \"name\": \"continuing a code base\"}\n";
  out += "    dataset: " + flow(dataset_of(report)) + "\n    metrics:\n";
  for (const json::value& each : report.at("metrics").as_array()) {
    const json::object& metric = each.as_object();
    const json::object* base = find_arm(metric, "base");
    const json::object* arm = find_arm(metric, "adapter");
    if (base != nullptr && arm != nullptr) out += "    - " + flow(metric_of(metric, *arm, *base)) + "\n";
  }
  return out + "    - " + flow(provenance_of(report, study_sha256)) + "\n";
}

}  // namespace

std::string card_with_results(const std::string& card, const json::object& report, const std::string& study_sha256) {
  const CardParts parts = split_card(card);
  return std::string(kFence) + without_results(parts.front) + model_index(report, study_sha256) + std::string(kFence) + parts.body;
}

}  // namespace lyceum::tuning
