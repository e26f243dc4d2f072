#include "engine/adapter_config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/files.h"
#include "base/json.h"
#include "text/pieces.h"
#include "text/regex.h"

namespace lyceum::engine {

namespace {

// Fields whose presence with any value but null, false, {} or [] is another method than LoRA or DoRA.
constexpr std::array<std::string_view, 16> kVariantFields = {
    "use_qalora", "lora_bias", "modules_to_save", "trainable_token_indices", "layer_replication", "target_parameters",
    "eva_config", "corda_config", "lora_ga_config", "velora_config", "monteclora_config", "arrow_config", "kasa_config",
    "use_bdlora", "alora_invocation_tokens", "fan_in_fan_out"};
// Initialisations that also change the base weights: over the original base the adapter alone is wrong.
constexpr std::array<std::string_view, 5> kBaseChangingInits = {"pissa", "olora", "corda", "loftq", "lora_ga"};

bool is_neutral(const json::value& value) {
  if (value.is_null()) return true;
  if (value.is_bool()) return !value.as_bool();
  if (value.is_object()) return value.as_object().empty();
  return value.is_array() && value.as_array().empty();
}

[[noreturn]] void refuse(const fs::path& path, std::string_view field, const json::value& value, std::string_view why = "is not supported") {
  throw Error(Code::unsupported, path.string() + ": " + std::string(field) + " = " + json::serialize(value) + " " + std::string(why));
}

void refuse_variants(const fs::path& path, const json::object& config) {
  const std::string kind = find_string(config, "peft_type").value_or("");
  if (kind != "LORA") refuse(path, "peft_type", json::string(kind), "is not supported; only LORA is");
  for (const std::string_view field : kVariantFields) {
    const json::value* value = config.if_contains(field);
    if (value != nullptr && !is_neutral(*value)) refuse(path, field, *value);
  }
  if (const auto bias = find_string(config, "bias"); bias && *bias != "none") refuse(path, "bias", json::string(*bias));
  if (const json::value* init = config.if_contains("init_lora_weights"); init != nullptr && init->is_string()) {
    const std::string_view text = init->as_string();
    for (const std::string_view prefix : kBaseChangingInits) {
      if (text.starts_with(prefix)) refuse(path, "init_lora_weights", *init, "changes the base weights too; convert it to plain LoRA with PEFT first");
    }
  }
}

std::vector<std::string> read_names(const fs::path& path, const json::object& config, std::string_view field) {
  std::vector<std::string> out;
  const json::value* value = config.if_contains(field);
  if (value == nullptr || !value->is_array()) return out;
  for (const json::value& entry : value->as_array()) {
    if (!entry.is_string()) refuse(path, field, entry, "must be a module name");
    out.emplace_back(entry.as_string());
  }
  return out;
}

bool named_by(const std::vector<std::string>& names, const std::string& module) {
  return std::ranges::any_of(names, [&](const std::string& name) { return module == name || module.ends_with("." + name); });
}

bool matches_whole(const std::string& pattern, const std::string& module) {
  std::vector<text::Match> found;
  text::Regex("^(?:" + pattern + ")$").find_all(module, found);
  return std::ranges::any_of(found, [](const text::Match& match) { return match.matched; });
}

}  // namespace

bool peft_pattern_matches(const std::string& key, const std::string& module) {
  const bool plain = std::ranges::all_of(key, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; });
  if (plain) return module == key || module.ends_with("." + key);
  return matches_whole("(?:.*\\.)?(?:" + key + ")", module);
}

bool AdapterConfig::excludes(const std::string& module) const {
  return named_by(excluded_, module) || (!excluded_regex_.empty() && matches_whole(excluded_regex_, module));
}

bool AdapterConfig::targets(const std::string& module) const {
  if (excludes(module)) return false;
  if (!target_regex_.empty()) return matches_whole(target_regex_, module);
  return all_linear_ || targets_.empty() || named_by(targets_, module);
}

bool AdapterConfig::requires_tensors(const std::string& module) const {
  return !layers_filtered_ && !targets_.empty() && named_by(targets_, module) && !excludes(module);
}

double AdapterConfig::select(const Pattern& pattern, const std::string& module, double otherwise) {
  for (const auto& [key, value] : pattern) {
    if (peft_pattern_matches(key, module)) return value;
  }
  return otherwise;
}

uint64_t AdapterConfig::rank(const std::string& module) const {
  return static_cast<uint64_t>(select(rank_pattern_, module, static_cast<double>(rank_)));
}

float AdapterConfig::scale(const std::string& module) const {
  const auto r = static_cast<double>(rank(module));
  const double alpha = select(alpha_pattern_, module, alpha_);
  return static_cast<float>(alpha / (rank_stabilised_ ? std::sqrt(r) : r));
}

AdapterConfig read_adapter_config(const std::filesystem::path& path) {
  constexpr double kRankMax = 65536;
  const json::value parsed = parse_json(read_file(path, 4u << 20), path.string(), 4u << 20);
  const json::object& config = get_object(parsed, path.string());
  refuse_variants(path, config);
  AdapterConfig out;
  const auto check_rank = [&](double rank) {
    if (!(rank >= 1 && rank <= kRankMax && rank == std::floor(rank))) refuse(path, "r", rank, "must be a whole number from 1 to 65536");
    return rank;
  };
  out.rank_ = static_cast<uint64_t>(check_rank(find_number(config, "r").value_or(8)));
  out.alpha_ = find_number(config, "lora_alpha").value_or(8);
  out.rank_stabilised_ = find_bool(config, "use_rslora").value_or(false);
  out.dora = find_bool(config, "use_dora").value_or(false);
  const auto read_pattern = [&](std::string_view field, AdapterConfig::Pattern& pattern) {
    const json::object* entries = find_object(config, field);
    if (entries == nullptr) return;
    for (const auto& [key, value] : *entries) {
      if (!value.is_number()) refuse(path, field, value, "must be a number");
      pattern.emplace_back(key, value.to_number<double>());
    }
  };
  read_pattern("rank_pattern", out.rank_pattern_);
  read_pattern("alpha_pattern", out.alpha_pattern_);
  for (const auto& [key, rank] : out.rank_pattern_) check_rank(rank);
  out.base_model = find_string(config, "base_model_name_or_path").value_or("");
  out.targets_ = read_names(path, config, "target_modules");
  out.excluded_ = read_names(path, config, "exclude_modules");
  if (const json::value* targets = config.if_contains("target_modules"); targets != nullptr && targets->is_string()) {
    const std::string text(targets->as_string());
    out.all_linear_ = text == "all-linear";
    if (!out.all_linear_) out.target_regex_ = text;
  }
  if (const json::value* excluded = config.if_contains("exclude_modules"); excluded != nullptr && excluded->is_string()) {
    out.excluded_regex_ = excluded->as_string();
  }
  const json::value* filter = config.if_contains("layers_to_transform");
  out.layers_filtered_ = filter != nullptr && !filter->is_null();
  return out;
}

}  // namespace lyceum::engine
