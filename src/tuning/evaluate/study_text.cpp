#include "tuning/evaluate/study_text.h"

#include <fmt/format.h>

#include <optional>

namespace lyceum::tuning {

namespace {

const json::object* find_metric(const json::object& study, std::string_view key) {
  for (const json::value& metric : study.at("metrics").as_array()) {
    if (get_string(metric.as_object(), "key") == key) return &metric.as_object();
  }
  return nullptr;
}

struct Question {
  std::string_view metric, from, to, text;
};

constexpr Question kQuestions[] = {
    {"bits_per_byte_new", "base", "adapter", "adapter against base, bits per byte of new lines"},
    {"bits_per_byte_new", "placebo", "adapter", "adapter against the placebo adapter, bits per byte of new lines"},
    {"bits_per_byte_new", "base_retrieval", "adapter", "adapter against base with retrieval, bits per byte of new lines"},
    {"bits_per_byte_new", "base_retrieval", "adapter_retrieval", "adapter with retrieval against base with retrieval, bits per byte of new lines"},
    {"similarity_line", "base", "adapter", "adapter against base, edit similarity of completed lines"},
    {"similarity_line", "placebo", "adapter", "adapter against the placebo adapter, edit similarity of completed lines"},
    {"similarity_line", "base_retrieval", "adapter_retrieval", "adapter with retrieval against base with retrieval, edit similarity of completed lines"},
    {"similarity_function", "base", "adapter", "adapter against base, edit similarity of function bodies"},
    {"bits_per_byte_generic", "base", "adapter", "adapter against base on generic code, bits per byte (what was forgotten)"},
};

// The entry that compares the two arms, among those against base or among the contrasts.
const json::object* find_entry(const json::object& metric, std::string_view from, std::string_view to) {
  for (const json::value& value : metric.at(from == "base" ? "arms" : "contrasts").as_array()) {
    const json::object& object = value.as_object();
    if (from == "base" ? get_string(object, "arm") == to : get_string(object, "from") == from && get_string(object, "to") == to) return &object;
  }
  return nullptr;
}

std::string place_text(const json::object& study, std::string_view key) {
  const json::object* place = find_object(study, key);
  if (place == nullptr) return "";
  std::string out = find_string(*place, "label").value_or("");
  if (const auto time = find_string(*place, "commit_time")) out += " as of " + time->substr(0, 10);
  return out;
}

}  // namespace

std::string verdict_word(double low, double high, bool lower_is_better) {
  if (low <= 0 && high >= 0) return "no clear difference";
  return (high < 0) == lower_is_better ? "better" : "worse";
}

std::vector<Finding> study_findings(const json::object& study) {
  std::vector<Finding> out;
  for (const Question& question : kQuestions) {
    const json::object* metric = find_metric(study, question.metric);
    const json::object* entry = metric == nullptr ? nullptr : find_entry(*metric, question.from, question.to);
    if (entry == nullptr) continue;
    const json::array& interval = entry->at("interval_95").as_array();
    const double low = interval.at(0).to_number<double>(), high = interval.at(1).to_number<double>();
    out.push_back({verdict_word(low, high, find_bool(*metric, "lower_is_better").value_or(false)),
                   fmt::format("{}: {:+.4f}, interval {:+.4f} … {:+.4f}", question.text, find_number(*entry, "difference").value_or(0), low, high)});
  }
  return out;
}

std::string study_lead(const json::object& study) {
  const json::object& future = get_object(study.at("measured_on"), "measured_on");
  return fmt::format("Tuned on {}, measured on samples of the {} new lines in {} files of {}.", place_text(study, "learned"), get_int(future, "new_lines"), get_int(future, "files"), place_text(study, "measured_on"));
}

}  // namespace lyceum::tuning
