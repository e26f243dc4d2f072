#include "tuning/recipe.h"

#include "tuning/edit_distance.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <type_traits>

#include "base/files.h"
#include "tuning/optimizer.h"

namespace lyceum::tuning {

namespace {

struct Key {
  std::string_view name;
  std::vector<std::string_view> aliases;
  std::string_view help;
  std::function<void(Recipe&, const json::value&)> read;
  std::function<json::value(const Recipe&)> write;
};

[[noreturn]] void wrong_type(std::string_view key, std::string_view wanted) {
  throw Error(Code::invalid_argument, "recipe key '" + std::string(key) + "' must be " + std::string(wanted));
}

template <typename T>
T read_value(std::string_view key, const json::value& value) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_bool()) wrong_type(key, "true or false");
    return value.as_bool();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) wrong_type(key, "text");
    return std::string(value.as_string());
  } else if constexpr (std::is_same_v<T, json::object>) {
    if (!value.is_object()) wrong_type(key, "an object");
    return value.as_object();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) wrong_type(key, "a number");
    const double number = value.to_number<double>();
    if (!std::isfinite(number) || number < 0) wrong_type(key, "a number of zero or more");
    return number;
  } else if constexpr (std::is_integral_v<T>) {
    if (!value.is_number()) wrong_type(key, "a whole number");
    const double number = value.to_number<double>();
    if (number < 0 || number != std::floor(number) || number > 9e15 || number > static_cast<double>(std::numeric_limits<T>::max())) {
      wrong_type(key, "a whole number of zero or more");
    }
    return static_cast<T>(number);
  } else if constexpr (std::is_same_v<T, std::vector<uint64_t>>) {
    if (value.is_number()) return {read_value<uint64_t>(key, value)};
    if (!value.is_array()) wrong_type(key, "a list of whole numbers");
    T list;
    for (const json::value& item : value.as_array()) list.push_back(read_value<uint64_t>(key, item));
    return list;
  } else {
    if (value.is_string()) return {std::string(value.as_string())};
    if (!value.is_array()) wrong_type(key, "a list of texts");
    T list;
    for (const json::value& item : value.as_array()) {
      if (!item.is_string()) wrong_type(key, "a list of texts");
      list.emplace_back(item.as_string());
    }
    return list;
  }
}

template <typename T>
json::value write_value(const T& value) {
  if constexpr (std::is_same_v<T, std::vector<std::string>> || std::is_same_v<T, std::vector<uint64_t>>) {
    json::array list;
    for (const auto& item : value) list.emplace_back(item);
    return list;
  } else {
    return json::value(value);
  }
}

template <typename T>
Key key(std::string_view name, T Recipe::* member, std::vector<std::string_view> aliases, std::string_view help) {
  return {name, std::move(aliases), help, [name, member](Recipe& recipe, const json::value& value) { recipe.*member = read_value<T>(name, value); },
          [member](const Recipe& recipe) { return write_value(recipe.*member); }};
}

// LLaMA-Factory says quantization_bit: 4.
Key four_bit_key() {
  Key out = key("load_in_4bit", &Recipe::load_in_4bit, {"quantization_bit"}, "QLoRA: the base's linear layers but the head are in 4 bits (NF4) while it trains; a base saved so needs no key");
  const auto read_flag = out.read;
  out.read = [read_flag](Recipe& recipe, const json::value& value) {
    const bool number = value.is_number();
    if (number && value.to_number<double>() != 4) throw Error(Code::unsupported, "recipe key 'load_in_4bit': a base is trained on in 4 bits or as it is, not in " + json::serialize(value));
    read_flag(recipe, number ? json::value(true) : value);
  };
  return out;
}

const std::vector<Key>& keys() {
  static const std::vector<Key> table = {
      key("method", &Recipe::method, {"finetuning_type", "adapter"}, "lora, full, or pretrain (from scratch)"),
      key("objective", &Recipe::objective, {"stage", "rl"}, "sft (next token), on preference pairs dpo (the reference is the base) or orpo (no reference), or on single answers with a label kto"),
      key("base_model", &Recipe::base_model, {"model_name_or_path", "model_name"}, "the model to start from"),
      key("dataset", &Recipe::dataset, {"dataset_path", "data"}, "a code folder, a git work tree, a chat .jsonl or text files"),
      key("data_format", &Recipe::data_format, {"dataset_format"}, "code, chat, text or auto"),
      key("model", &Recipe::model, {"model_config"}, "pretrain: the config.json of the new model"),
      key("vocab_size", &Recipe::vocab_size, {}, "pretrain: size of the byte-level BPE vocabulary"),
      key("chat_template", &Recipe::chat_template, {}, "pretrain: the Jinja template stored with the tokenizer"),
      key("seq_len", &Recipe::seq_len, {"cutoff_len", "sequence_len", "max_length", "max_seq_length"}, "longest sample and row, in tokens"),
      key("packing", &Recipe::packing, {"sample_packing", "neat_packing"}, "several isolated samples a row"),
      key("shuffle", &Recipe::shuffle, {}, "a new order every epoch"),
      key("train_on_inputs", &Recipe::train_on_inputs, {"train_on_prompt", "train_on_input"}, "chat: learn the user's turns too"),
      key("fim_rate", &Recipe::fim_rate, {}, "code: share of samples turned into fill-in-the-middle"),
      key("fim_spm_rate", &Recipe::fim_spm_rate, {}, "code: share of those in suffix-prefix-middle order"),
      key("fim_line_rate", &Recipe::fim_line_rate, {}, "code: share of those whose middle ends at a line's or a block's end"),
      key("fim_rules", &Recipe::fim_rules, {}, "code: 2 = cut blocks of code, too, several samples a piece, and tokens as the engine asks; 1 = as records of before 2 were made"),
      key("extensions", &Recipe::extensions, {"include_extensions"}, "code: file name endings to keep"),
      key("exclude", &Recipe::exclude, {}, "code: path prefixes or * patterns to leave out"),
      key("file_bytes_max", &Recipe::file_bytes_max, {}, "code: larger files are dropped"),
      key("line_length_max", &Recipe::line_length_max, {}, "code: files with a longer line are dropped"),
      key("allow_secrets", &Recipe::allow_secrets, {}, "keep files and chats that hold a key, token or password; they are left out otherwise"),
      key("near_duplicate_threshold", &Recipe::near_duplicate_threshold, {}, "code: files this similar to another are left out (Jaccard of 5-token shingles); 0 = keep all"),
      key("val_size", &Recipe::val_size, {"val_set_size", "test_size"}, "share of the files, chats or pairs held out, for eval_steps and lyceum compare"),
      key("holdout", &Recipe::holdout, {}, "how they are chosen: path (stable hash) or time (last changed in git)"),
      key("eval_steps", &Recipe::eval_steps, {}, "measure the loss on what is held out every so many steps; needs val_size"),
      key("early_stopping_patience", &Recipe::early_stopping_patience, {}, "stop after so many such measurements without a better one"),
      key("load_best_model_at_end", &Recipe::load_best_model_at_end, {}, "the result is the model of the best measurement, not the last"),
      key("dpo_beta", &Recipe::dpo_beta, {"beta", "pref_beta"}, "dpo, kto: how strongly the model is held to the reference; orpo: weight of the odds ratio"),
      key("dpo_label_smoothing", &Recipe::dpo_label_smoothing, {"label_smoothing"}, "dpo: share of pairs assumed to be labelled the wrong way round"),
      key("dpo_loss", &Recipe::dpo_loss, {"loss_type", "pref_loss"}, "dpo: sigmoid, the only one there is"),
      key("kto_desirable_weight", &Recipe::kto_desirable_weight, {"desirable_weight", "kto_chosen_weight"}, "kto: weight of the losses of good answers; weight times number should be alike on both sides"),
      key("kto_undesirable_weight", &Recipe::kto_undesirable_weight, {"undesirable_weight", "kto_rejected_weight"}, "kto: of bad ones"),
      key("micro_batch_size", &Recipe::micro_batch_size, {"per_device_train_batch_size", "batch_size"}, "rows run at once"),
      key("gradient_accumulation_steps", &Recipe::gradient_accumulation_steps, {}, "such batches a step"),
      key("num_epochs", &Recipe::num_epochs, {"num_train_epochs", "epochs"}, "passes over the data"),
      key("max_steps", &Recipe::max_steps, {}, "stop after so many steps; over num_epochs when set"),
      key("learning_rate", &Recipe::learning_rate, {"lr"}, "peak learning rate"),
      key("lr_scheduler", &Recipe::lr_scheduler, {"lr_scheduler_type"}, "cosine, linear, constant or warmup_stable_decay"),
      key("min_lr_ratio", &Recipe::min_lr_ratio, {"cosine_min_lr_ratio"}, "where the schedule ends, as a share of the peak"),
      key("warmup_ratio", &Recipe::warmup_ratio, {}, "share of the steps with a rising rate"),
      key("warmup_steps", &Recipe::warmup_steps, {}, "the same as a number of steps; over warmup_ratio when set"),
      key("decay_steps", &Recipe::decay_steps, {}, "warmup_stable_decay: how many of the last steps have a falling rate"),
      key("optimizer", &Recipe::optimizer, {"optim"}, "adamw, adamw_8bit (moments in 8 bits), lion or muon (matrices; AdamW for the rest)"),
      key("weight_decay", &Recipe::weight_decay, {}, "decoupled decay, matrices only"),
      key("adam_beta1", &Recipe::adam_beta1, {}, "AdamW"),
      key("adam_beta2", &Recipe::adam_beta2, {}, "AdamW"),
      key("adam_epsilon", &Recipe::adam_epsilon, {"adam_eps"}, "AdamW"),
      key("max_grad_norm", &Recipe::max_grad_norm, {"gradient_clipping"}, "clip by the global norm; 0 = off"),
      key("seed", &Recipe::seed, {"data_seed"}, "of initial values, order, fill-in-the-middle and dropout"),
      key("gradient_checkpointing", &Recipe::gradient_checkpointing, {}, "keep less, compute again; same numbers"),
      key("lora_r", &Recipe::lora_r, {"r", "lora_rank"}, "rank of the adapter"),
      key("lora_alpha", &Recipe::lora_alpha, {}, "its scale is alpha / r"),
      key("lora_dropout", &Recipe::lora_dropout, {}, "on the adapter's input"),
      key("use_rslora", &Recipe::use_rslora, {"peft_use_rslora"}, "scale is alpha / sqrt(r)"),
      key("neftune_noise_alpha", &Recipe::neftune_noise_alpha, {"noisy_embedding_alpha"}, "NEFTune: evenly drawn noise of alpha / sqrt(length * hidden) on the embeddings while training; 5 is usual, 0 = none"),
      key("loraplus_lr_ratio", &Recipe::loraplus_lr_ratio, {}, "LoRA+: the learning rate of B (and of DoRA's magnitudes) over that of A, which is learning_rate; 16 is usual, 0 = one rate"),
      key("use_dora", &Recipe::use_dora, {"peft_use_dora"}, "DoRA: the adapted weight's row lengths are learned apart from their directions"),
      key("target_modules", &Recipe::target_modules, {"lora_target", "lora_target_modules"}, "module names; all-linear by default"),
      key("modules_to_save", &Recipe::modules_to_save, {"additional_target", "lora_modules_to_save"}, "embed_tokens or lm_head: trained whole beside the adapter, and saved in it"),
      key("exclude_modules", &Recipe::exclude_modules, {}, "module names or ends of names that get no adapter, over target_modules"),
      key("layers_to_transform", &Recipe::layers_to_transform, {"peft_layers_to_transform"}, "numbers of the layers that get one, from 0; all by default. Nothing is computed backwards below the lowest"),
      key("rank_pattern", &Recipe::rank_pattern, {}, "another rank for some modules: {\"q_proj\": 8, \"layers.0.mlp.down_proj\": 32}"),
      key("alpha_pattern", &Recipe::alpha_pattern, {}, "another alpha for some modules"),
      four_bit_key(),
      key("bnb_4bit_use_double_quant", &Recipe::bnb_4bit_use_double_quant, {"double_quantization", "use_bnb_nested_quant"}, "load_in_4bit: the scales in 8 bits, too (4.13 instead of 4.5 bits a weight where it is stored)"),
      key("bnb_4bit_quant_type", &Recipe::bnb_4bit_quant_type, {"quantization_type"}, "load_in_4bit: nf4, the only one there is"),
      key("save_steps", &Recipe::save_steps, {}, "a checkpoint every so many steps"),
      key("save_dtype", &Recipe::save_dtype, {}, "full models: bf16 or f32"),
  };
  return table;
}

[[noreturn]] void refuse_unknown(std::string_view given) {
  std::string_view nearest;
  size_t best = SIZE_MAX;
  for (const Key& known : keys()) {
    std::vector<std::string_view> names = known.aliases;
    names.push_back(known.name);
    for (const std::string_view candidate : names) {
      const size_t distance = edit_distance(given, candidate);
      if (distance < best) best = distance, nearest = candidate;
    }
  }
  throw Error(Code::invalid_argument, "unknown recipe key '" + std::string(given) + "'; the nearest known one is '" + std::string(nearest) + "'", "UnknownRecipeKey");
}

const Key& get_key(std::string_view given) {
  for (const Key& known : keys()) {
    if (known.name == given || std::find(known.aliases.begin(), known.aliases.end(), given) != known.aliases.end()) return known;
  }
  refuse_unknown(given);
}

json::value yaml_scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return json::value(text);   // quoted
  bool flag = false;
  if (YAML::convert<bool>::decode(node, flag) && text.size() > 1) return flag;
  int64_t whole = 0;
  if (YAML::convert<int64_t>::decode(node, whole)) return whole;
  double number = 0;
  if (YAML::convert<double>::decode(node, number)) return number;
  return json::value(text);
}

json::value yaml_to_json(const YAML::Node& node, int depth) {
  if (depth > 32) throw Error(Code::invalid_argument, "the recipe is nested too deeply");
  if (node.IsMap()) {
    json::object object;
    for (const auto& item : node) object[item.first.as<std::string>()] = yaml_to_json(item.second, depth + 1);
    return object;
  }
  if (node.IsSequence()) {
    json::array list;
    for (const auto& item : node) list.push_back(yaml_to_json(item, depth + 1));
    return list;
  }
  if (!node.IsScalar()) return nullptr;
  return yaml_scalar(node);
}

void require(bool condition, const std::string& message) {
  if (!condition) throw Error(Code::invalid_argument, "recipe: " + message);
}

void check_recipe(const Recipe& recipe) {
  require(recipe.method == "lora" || recipe.method == "full" || recipe.method == "pretrain", "method must be lora, full or pretrain, not '" + recipe.method + "'");
  require(recipe.data_format == "auto" || recipe.data_format == "code" || recipe.data_format == "chat" || recipe.data_format == "text",
          "data_format must be code, chat, text or auto");
  require(recipe.objective == "sft" || recipe.objective == "dpo" || recipe.objective == "orpo" || recipe.objective == "kto", "objective must be sft, dpo, orpo or kto, not '" + recipe.objective + "'");
  require(recipe.objective == "sft" || recipe.method != "pretrain", "preferences need a model to start from, so method lora or full: there is no reference to hold a new one to");
  require((recipe.objective != "orpo" && recipe.objective != "kto") || recipe.dpo_label_smoothing == 0, "dpo_label_smoothing is dpo's; " + recipe.objective + " has none");
  require(recipe.dpo_loss == "sigmoid", "dpo_loss must be sigmoid, not '" + recipe.dpo_loss + "'");
  require(recipe.dpo_beta > 0 && recipe.dpo_label_smoothing < 0.5, "dpo_beta must be above 0 and dpo_label_smoothing below 0.5");
  require(recipe.eval_steps == 0 || recipe.val_size > 0, "eval_steps measures on what is held out: set val_size, too");
  require(recipe.eval_steps > 0 || (recipe.early_stopping_patience == 0 && !recipe.load_best_model_at_end),
          "early_stopping_patience and load_best_model_at_end need eval_steps");
  require(recipe.holdout == "path" || recipe.holdout == "time", "holdout must be path or time");
  require(recipe.save_dtype == "bf16" || recipe.save_dtype == "f32", "save_dtype must be bf16 or f32");
  require(recipe.seq_len >= 8 && recipe.seq_len <= 131072, "seq_len must be between 8 and 131072");
  require(recipe.micro_batch_size >= 1 && recipe.gradient_accumulation_steps >= 1, "batch sizes must be at least 1");
  require(recipe.fim_rate <= 1 && recipe.fim_spm_rate <= 1 && recipe.fim_line_rate <= 1, "FIM rates must be at most 1");
  require(recipe.fim_rules == 1 || recipe.fim_rules == 2, "fim_rules must be 1 or 2");
  require(recipe.val_size < 1 && recipe.warmup_ratio <= 1 && recipe.min_lr_ratio <= 1, "val_size, warmup_ratio and min_lr_ratio are shares");
  require(recipe.near_duplicate_threshold == 0 || (recipe.near_duplicate_threshold >= 0.5 && recipe.near_duplicate_threshold <= 1),
          "near_duplicate_threshold must be 0 (off) or between 0.5 and 1");
  require(recipe.lora_dropout < 1, "lora_dropout must be below 1");
  require(recipe.loraplus_lr_ratio == 0 || (recipe.loraplus_lr_ratio >= 1 && recipe.loraplus_lr_ratio <= 1000), "loraplus_lr_ratio must be 0 (off) or between 1 and 1000");
  require(recipe.neftune_noise_alpha == 0 || recipe.objective == "sft", "neftune_noise_alpha is for objective sft: noise in one pass of a comparison would be compared, too");
  require(recipe.loraplus_lr_ratio == 0 || recipe.method == "lora", "loraplus_lr_ratio needs method lora: it is the rate of B over that of A");
  require(recipe.lora_r >= 1 && recipe.lora_r <= 4096, "lora_r must be between 1 and 4096");
  for (const auto* pattern : {&recipe.rank_pattern, &recipe.alpha_pattern}) {
    const std::string name = pattern == &recipe.rank_pattern ? "rank_pattern" : "alpha_pattern";
    for (const auto& item : *pattern) {
      const double number = item.value().is_number() ? item.value().to_number<double>() : 0;
      const bool rank = pattern != &recipe.rank_pattern || (number == std::floor(number) && number <= 4096);
      require(number > 0 && rank, name + ": '" + std::string(item.key()) + "' must be " + (pattern == &recipe.rank_pattern ? "a whole number from 1 to 4096" : "a number above 0"));
    }
  }
  require(recipe.modules_to_save.empty() || recipe.method == "lora", "modules_to_save needs method lora; the others train everything");
  require(recipe.modules_to_save.empty() || recipe.objective == "sft" || recipe.objective == "orpo", "modules_to_save cannot be trained with objective " + recipe.objective + ": with the adapter off they would still be the trained ones, so there is no reference");
  require(recipe.max_steps > 0 || recipe.num_epochs > 0, "num_epochs or max_steps must be above 0");
  require(!recipe.load_in_4bit || recipe.method == "lora", "load_in_4bit needs method lora: weights in 4 bits are not trained themselves");
  require(recipe.bnb_4bit_quant_type == "nf4", "bnb_4bit_quant_type must be nf4, not '" + recipe.bnb_4bit_quant_type + "'");
  require(recipe.method != "pretrain" || !recipe.model.empty(), "pretrain needs 'model', the config.json of the new model");
  parse_schedule(recipe.lr_scheduler);
  parse_optimizer(recipe.optimizer);
}

}  // namespace

Recipe recipe_from_json(const json::object& object) {
  Recipe recipe;
  std::set<std::string_view> seen;
  for (const auto& item : object) {
    const Key& known = get_key(item.key());
    if (known.name == "method" && item.value() == "qlora") {   // Axolotl's adapter: qlora
      recipe.load_in_4bit = true;
      seen.insert(known.name);
      continue;
    }
    require(seen.insert(known.name).second, "'" + std::string(item.key()) + "' sets '" + std::string(known.name) + "' a second time");
    if (!item.value().is_null()) known.read(recipe, item.value());
  }
  check_recipe(recipe);
  return recipe;
}

json::object recipe_to_json(const Recipe& recipe) {
  json::object out;
  for (const Key& known : keys()) out[known.name] = known.write(recipe);
  return out;
}

Recipe parse_recipe(std::string_view text, std::string_view what) {
  if (!what.ends_with(".yaml") && !what.ends_with(".yml")) {
    const json::value value = parse_json(text, what, 1 << 20);
    return recipe_from_json(get_object(value, what));
  }
  json::value value;
  try {
    value = yaml_to_json(YAML::Load(std::string(text)), 0);
  } catch (const YAML::Exception& problem) {
    throw Error(Code::invalid_argument, std::string(what) + ": " + problem.what());
  }
  return recipe_from_json(get_object(value, what));
}

Recipe load_recipe(const std::filesystem::path& path) { return parse_recipe(read_file(path, 1 << 20), path.string()); }

std::vector<RecipeKey> recipe_keys() {
  std::vector<RecipeKey> out;
  for (const Key& known : keys()) out.push_back({known.name, known.aliases, known.help});
  return out;
}

}  // namespace lyceum::tuning
