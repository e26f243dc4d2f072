#include "cli/plan_view.h"

#include <fmt/format.h>

#include "base/progress.h"

namespace lyceum::cli {
namespace {

constexpr size_t kListedMax = 20;          // of findings and groups; --json has more
constexpr size_t kSampleBytesMax = 1500;

uint64_t count_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<uint64_t>() : 0;
}

std::string row(std::string_view label, const std::string& text) { return fmt::format("  {:<20} {}\n", label, text); }

std::string counts_text(const json::object& counts) {
  std::string out;
  for (const auto& item : counts) {
    const std::string_view name(item.key().data(), item.key().size());
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", name, json::serialize(item.value()));
  }
  return out.empty() ? "none" : out;
}

// `line` for each entry of object's "list", at most kListedMax.
template <typename Line>
std::string listed(const json::object& object, Line line) {
  std::string out;
  const json::array* list = find_array(object, "list");
  if (list == nullptr) return out;
  for (size_t i = 0; i < list->size() && i < kListedMax; ++i) out += "      " + line((*list)[i].as_object()) + "\n";
  if (list->size() > kListedMax) out += fmt::format("      … and {} more (--json lists them)\n", list->size() - kListedMax);
  return out;
}

std::string secrets_text(const json::object& secrets) {
  const uint64_t findings = count_of(secrets, "findings");
  if (findings == 0) return row("secrets", "none found");
  const bool left_out = find_bool(secrets, "left_out").value_or(true);
  std::string out = row("secrets", fmt::format("{} in {} places, {}", findings, count_of(secrets, "places"),
                                               left_out ? "left out (--allow-secrets learns them)" : "LEARNED, as --allow-secrets asked"));
  return out + listed(secrets, [](const json::object& finding) {
           return fmt::format("{}:{}: {}", get_string(finding, "path"), get_int(finding, "line"), get_string(finding, "rule"));
         });
}

std::string near_duplicates_text(const json::object& found) {
  const double threshold = find_number(found, "threshold").value_or(0);
  if (threshold == 0) return row("near duplicates", "not looked for");
  std::string out = row("near duplicates", fmt::format("{} files left out, {} groups, similarity at least {}", count_of(found, "files_left_out"), count_of(found, "groups"), threshold));
  return out + listed(found, [](const json::object& group) {
           std::string names;
           for (const json::value& name : group.at("left_out").as_array()) names += " " + std::string(name.as_string());
           return fmt::format("{} stays for{}", get_string(group, "kept"), names);
         });
}

std::string licences_text(const json::object& licences) {
  std::string out = row("licences", counts_text(licences.at("files").as_object()) + "; the repository: " + find_string(licences, "repository").value_or("none stated"));
  return out + listed(licences, [](const json::object& file) { return get_string(file, "path") + ": " + get_string(file, "licence"); });
}

std::string sample_text(const json::array& spans, bool colour) {
  std::string out = colour ? "\nThe first sample; green is learned:\n" : "\nThe first sample; [[what is in brackets]] is learned:\n";
  size_t left = kSampleBytesMax;
  for (const json::value& span : spans) {
    std::string text = get_string(span.as_object(), "text");
    const bool learned = find_bool(span.as_object(), "learned").value_or(false);
    if (text.size() > left) {
      size_t end = left;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
      text = text.substr(0, end) + "…";
    }
    left -= std::min(left, text.size());
    out += !learned ? text : colour ? "\033[32m" + text + "\033[0m" : "[[" + text + "]]";
    if (left == 0) break;
  }
  return out + "\n";
}

std::string plain_text(std::string_view key, const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (key == "estimated_seconds") return human_duration(value.to_number<double>());
  if (value.is_double()) return fmt::format("{:.6g}", value.as_double());
  return json::serialize(value);
}

}  // namespace

std::string plan_text(const json::object& report, const PlanView& view) {
  std::string out = "What will be learned:\n";
  for (const auto& item : report) {
    const std::string_view key(item.key().data(), item.key().size());
    if (key == "secrets") {
      out += secrets_text(item.value().as_object());
    } else if (key == "near_duplicates") {
      out += near_duplicates_text(item.value().as_object());
    } else if (key == "licences") {
      out += licences_text(item.value().as_object());
    } else if (item.value().is_object()) {
      out += row(key, counts_text(item.value().as_object()));
    } else if (!item.value().is_array() && key != "manifest_sha256") {
      out += row(key, plain_text(key, item.value()));
    }
  }
  if (const json::array* sample = find_array(report, "sample"); view.sample && sample != nullptr) out += sample_text(*sample, view.colour);
  return out;
}

}  // namespace lyceum::cli
