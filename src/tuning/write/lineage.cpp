#include "tuning/write/lineage.h"

#include <gnu/libc-version.h>

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/files.h"

namespace lyceum::tuning {

namespace {

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::object hashes_json(const std::map<std::string, std::string>& hashes) {
  json::object out;
  for (const auto& [file, hash] : hashes) out[file] = hash;
  return out;
}

double loss_at(const json::value& record) { return record.at("loss").to_number<double>(); }

double mean_of_last(const json::array& history, size_t count) {
  const size_t used = std::min(count, history.size());
  double sum = 0;
  for (size_t i = history.size() - used; i < history.size(); ++i) sum += loss_at(history[i]);
  return used == 0 ? 0 : sum / static_cast<double>(used);
}

// First and last loss and at most 50 points between.
json::object summarise_losses(const json::array& history) {
  if (history.empty()) return {};
  json::array curve;
  const size_t stride = std::max<size_t>(1, (history.size() + 49) / 50);
  for (size_t i = 0; i < history.size(); i += stride) curve.push_back(json::array{history[i].at("step"), loss_at(history[i])});
  return {{"first", loss_at(history.front())}, {"last", loss_at(history.back())}, {"mean_of_last_20", mean_of_last(history, 20)}, {"curve", curve}};
}

json::object data_record(const JobSpec& spec, const RunFacts& facts) {
  json::object data = {{"label", spec.data_label}, {"repo", text_or_null(spec.data_repo)}, {"commit", text_or_null(spec.data_commit)}};
  for (const char* key : {"format", "manifest_sha256", "bytes", "files_kept", "files_held_out", "bytes_held_out", "chats", "chats_held_out", "pairs", "pairs_held_out", "samples", "tokens", "labelled_tokens"}) {
    if (const json::value* value = facts.data_report.if_contains(key)) data[key] = *value;
  }
  for (const char* key : {"secrets", "near_duplicates", "licences"}) {
    const json::object* found = find_object(facts.data_report, key);
    if (found == nullptr) continue;
    json::object counts = *found;
    counts.erase("list");   // names of private files stay on this machine
    data[key] = counts;
  }
  return data;
}

std::string front_matter(const JobSpec& spec) {
  const bool lora = spec.recipe.method == "lora";
  std::string out = "---\n";
  if (lora) out += "library_name: peft\n";
  if (!lora) out += "library_name: transformers\n";
  if (!spec.base_repo.empty()) out += "base_model: " + spec.base_repo + "\n";
  if (!spec.data_repo.empty()) out += "datasets:\n- " + spec.data_repo + "\n";
  if (!spec.data_license.empty()) out += "license: " + spec.data_license + "\n";
  out += "pipeline_tag: text-generation\ntags:\n";
  if (lora && !spec.base_repo.empty()) out += "- base_model:adapter:" + spec.base_repo + "\n";
  if (lora) out += "- lora\n";
  return out + "- lyceum\n- transformers\n---\n";
}

}  // namespace

std::string numeric_profile() { return std::string("f32-fma-1/glibc-") + gnu_get_libc_version(); }

std::map<std::string, std::string> weight_hashes(const fs::path& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (path.extension() == ".safetensors" || path.extension() == ".gguf") out[path.filename().string()] = sha256_file_hex(path);
  }
  return out;
}

Recipe recorded_recipe(const json::object& lineage) {
  json::object recipe = get_object(lineage.at("recipe"), "lineage recipe");
  // Records of before these keys: nothing was left out then, whatever the default is now.
  if (!recipe.contains("allow_secrets")) recipe["allow_secrets"] = true;
  if (!recipe.contains("near_duplicate_threshold")) recipe["near_duplicate_threshold"] = 0;
  if (!recipe.contains("fim_rules")) recipe["fim_rules"] = 1;
  return recipe_from_json(recipe);
}

json::object published_recipe(const JobSpec& spec) {
  json::object recipe = recipe_to_json(spec.recipe);
  recipe["base_model"] = spec.base_repo;
  recipe["dataset"] = spec.data_repo;
  return recipe;
}

json::object lineage_record(const JobSpec& spec, const RunFacts& facts) {
  json::object out = {{"schema", "lyceum-lineage/1"}, {"method", spec.recipe.method}, {"program", "lyceum"}, {"program_version", spec.program_version},
                      {"numeric_profile", numeric_profile()}};
  out["base"] = spec.recipe.method == "pretrain" ? json::value(nullptr)
                                                  : json::value(json::object{{"repo", text_or_null(spec.base_repo)},
                                                                             {"commit", text_or_null(spec.base_commit)},
                                                                             {"weights_sha256", hashes_json(facts.base_sha256)}});
  out["data"] = data_record(spec, facts);
  out["recipe"] = published_recipe(spec);
  out["seed"] = spec.recipe.seed;
  out["steps"] = facts.steps;
  out["tokens_seen"] = facts.tokens_seen;
  out["trainable_parameters"] = facts.trainable_parameters;
  out["loss"] = summarise_losses(facts.history);
  if (facts.best_step > 0) {
    out["evaluation"] = json::object{{"best_step", facts.best_step}, {"best_loss", facts.best_loss}, {"kept_best", spec.recipe.load_best_model_at_end},
                                     {"stopped_early", facts.stopped_early}, {"curve", facts.evaluations}};
  }
  if (!facts.fim.empty()) out["fim"] = facts.fim;
  out["outputs_sha256"] = hashes_json(facts.output_sha256);
  out["seconds"] = facts.seconds;
  out["threads"] = facts.threads;
  out["finished_at"] = iso8601(SystemClock().now_ms());
  return out;
}

std::string model_card(const JobSpec& spec, const RunFacts& facts) {
  const Recipe& recipe = spec.recipe;
  const bool lora = recipe.method == "lora";
  std::string out = front_matter(spec);
  out += fmt::format("\n# {}\n\n", lora && recipe.use_dora ? "DoRA adapter" : lora ? "LoRA adapter" : recipe.method == "full" ? "Fine-tuned model" : "Model trained from scratch");
  if (!spec.base_repo.empty()) out += fmt::format("{} `{}`{}.\n\n", lora ? "An adapter for" : "Trained from", spec.base_repo, spec.base_commit.empty() ? "" : " at commit `" + spec.base_commit + "`");
  out += "Trained with Lyceum on " + (spec.data_label.empty() ? std::string("private data") : spec.data_label) + ". The exact inputs, recipe and result hashes are in `lineage.json`; ";
  out += "`lyceum reproduce` runs it again and compares.\n\n| | |\n|---|---|\n";
  const auto row = [&](std::string_view label, const std::string& value) { out += fmt::format("| {} | {} |\n", label, value); };
  row("method", lora ? fmt::format("{}{}, r {}, alpha {}{}", recipe.load_in_4bit ? "Q" : "", recipe.use_dora ? "DoRA" : "LoRA", recipe.lora_r, recipe.lora_alpha, recipe.use_rslora ? ", rank-stabilised" : "") : recipe.method);
  if (recipe.load_in_4bit) row("base while training", fmt::format("linear layers in 4 bits (NF4{}); the adapter fits the unquantised base only as well as those 4 bits do", recipe.bnb_4bit_use_double_quant ? ", double-quantised" : ""));
  if (recipe.objective == "dpo") row("objective", fmt::format("DPO, beta {}{}; the reference is the base itself", recipe.dpo_beta, recipe.dpo_label_smoothing > 0 ? fmt::format(", label smoothing {}", recipe.dpo_label_smoothing) : ""));
  if (recipe.objective == "orpo") row("objective", fmt::format("ORPO, weight of the odds ratio {}", recipe.dpo_beta));
  if (recipe.objective == "kto") row("objective", fmt::format("KTO, beta {}, weights {} (good) and {} (bad); the reference is the base itself", recipe.dpo_beta, recipe.kto_desirable_weight, recipe.kto_undesirable_weight));
  if (recipe.optimizer != "adamw") row("optimizer", recipe.optimizer);
  row("trained parameters", fmt::format("{}", facts.trainable_parameters));
  row("steps", fmt::format("{} of {} x {} rows of {} tokens", facts.steps, recipe.gradient_accumulation_steps, recipe.micro_batch_size, recipe.seq_len));
  row("tokens seen", fmt::format("{}", facts.tokens_seen));
  row("learning rate", fmt::format("{} ({}){}", recipe.learning_rate, recipe.lr_scheduler, recipe.loraplus_lr_ratio > 1 ? fmt::format(", LoRA+ with {} times that for B", recipe.loraplus_lr_ratio) : ""));
  row("seed", fmt::format("{}", recipe.seed));
  if (facts.best_step > 0) {
    row("held-out loss", fmt::format("{:.4f} at step {}, the best of {} measurements{}{}", facts.best_loss, facts.best_step, facts.evaluations.size(),
                                     recipe.load_best_model_at_end ? ", whose weights these are" : "", facts.stopped_early ? "; stopped early" : ""));
  }
  if (!facts.history.empty()) {
    const json::object& last = facts.history.back().as_object();
    if (last.contains("rewards/accuracies")) row("rewards at the end", fmt::format("margin {:.4f}, the chosen answer ahead in {:.0f} % of the last step's pairs", last.at("rewards/margins").to_number<double>(), 100 * last.at("rewards/accuracies").to_number<double>()));
    row("training loss", fmt::format("{:.4f} at the start, {:.4f} at the end (mean of the last steps)", loss_at(facts.history.front()), mean_of_last(facts.history, 20)));
  }
  return out;
}

}  // namespace lyceum::tuning
