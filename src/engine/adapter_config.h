// adapter_config.h: PEFT's adapter_config.json, LoRA and DoRA only. Fields that change the arithmetic and are not implemented are refused by
// name; fields that matter in training only are ignored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lyceum::engine {

class AdapterConfig {
 public:
  std::string base_model;                    // base_model_name_or_path; may be empty
  bool dora = false;                         // use_dora

  // Could target_modules mean this module? True when the file does not allow to tell (null).
  bool targets(const std::string& module) const;
  // Must the file have tensors for it? Only where targets are listed by name and no layer filter is on.
  bool requires_tensors(const std::string& module) const;
  uint64_t rank(const std::string& module) const;
  float scale(const std::string& module) const;

 private:
  friend AdapterConfig read_adapter_config(const std::filesystem::path& path);
  using Pattern = std::vector<std::pair<std::string, double>>;   // in the order of the file: the first match wins
  bool excludes(const std::string& module) const;
  static double select(const Pattern& pattern, const std::string& module, double otherwise);

  uint64_t rank_ = 8;
  double alpha_ = 8;
  bool rank_stabilised_ = false;
  Pattern rank_pattern_, alpha_pattern_;
  std::vector<std::string> targets_, excluded_;
  std::string target_regex_, excluded_regex_;   // target_modules, exclude_modules given as one string: a regular expression
  bool all_linear_ = false;
  bool layers_filtered_ = false;
};

// Does a key of rank_pattern or alpha_pattern mean this module? PEFT: re.match(r"(.*\.)?(KEY)$", module).
bool peft_pattern_matches(const std::string& key, const std::string& module);

// Throws Error(invalid_argument | unsupported | unprocessable) naming the field.
AdapterConfig read_adapter_config(const std::filesystem::path& path);

}  // namespace lyceum::engine
