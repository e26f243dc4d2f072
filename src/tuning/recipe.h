// recipe.h: what a run should do, as a person writes it (JSON or YAML). One table in recipe.cpp names every key, its aliases in
// the tools people come from (TRL, LLaMA-Factory, Axolotl, Unsloth) and its meaning. An unknown key is refused with the nearest
// known one: a misspelt key that is silently ignored costs hours of training.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tuning/schedule.h"

namespace lyceum::tuning {

struct Recipe {
  // What to train, on what.
  std::string method = "lora";            // lora | full | pretrain (from scratch)
  std::string objective = "sft";          // sft (next token) | dpo | orpo (preference pairs) | kto (answers that are good or bad)
  std::string base_model;                 // repo id or folder; empty for pretrain
  std::string dataset;                    // folder, file or repo id
  std::string data_format = "auto";       // code | chat | text | auto
  json::object model;                     // pretrain: a config.json
  uint32_t vocab_size = 4096;             // pretrain: of the tokenizer that is trained
  std::string chat_template;              // pretrain: written beside the tokenizer

  // Data.
  uint32_t seq_len = 1024;
  bool packing = true;
  bool shuffle = true;
  bool train_on_inputs = false;           // chat: label the user's turns too
  double fim_rate = 0.5;
  double fim_spm_rate = 0.5;
  uint64_t fim_rules = 2;
  double fim_line_rate = 0.5;             // of the FIM samples: the middle ends at a line's end (an editor's request)
  std::vector<std::string> extensions;
  std::vector<std::string> exclude;
  uint64_t file_bytes_max = 1 << 20;
  uint32_t line_length_max = 1000;
  bool allow_secrets = false;             // keep what holds a key, token or password (data/secrets.h)
  double near_duplicate_threshold = 0.85; // code: leave out files that resemble another so much; 0 = keep them
  double val_size = 0;                    // fraction of the files held out
  std::string holdout = "path";           // path (stable hash; of chats: of their text) | time (last changed in git)
  uint64_t eval_steps = 0;                // loss on what is held out every so many steps; 0 = never
  uint32_t early_stopping_patience = 0;   // stop after so many evaluations without a better one; 0 = never
  bool load_best_model_at_end = false;    // the result is the best evaluation's model, not the last

  // Preference pairs.
  double dpo_beta = 0.1;
  double dpo_label_smoothing = 0;
  std::string dpo_loss = "sigmoid";
  double kto_desirable_weight = 1, kto_undesirable_weight = 1;

  // Optimisation.
  uint32_t micro_batch_size = 1;
  uint32_t gradient_accumulation_steps = 1;
  double num_epochs = 1;
  uint64_t max_steps = 0;                 // over num_epochs when set
  double learning_rate = 2e-4;
  std::string lr_scheduler = "cosine";
  double min_lr_ratio = 0;
  double warmup_ratio = 0;
  uint64_t warmup_steps = 0;              // over warmup_ratio when set
  uint64_t decay_steps = 0;               // warmup_stable_decay: the last steps, with a falling rate
  std::string optimizer = "adamw";        // adamw | adamw_8bit | lion | muon
  double weight_decay = 0;
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;
  double max_grad_norm = 1.0;
  uint64_t seed = 42;
  bool gradient_checkpointing = false;
  double neftune_noise_alpha = 0;         // NEFTune: noise on the embeddings while training; 0 = none

  // LoRA.
  uint32_t lora_r = 16;
  double lora_alpha = 32;
  double lora_dropout = 0;
  bool use_rslora = false;
  bool use_dora = false;
  double loraplus_lr_ratio = 0;           // LoRA+: the learning rate of B over that of A; 0 = one rate
  std::vector<std::string> target_modules;   // empty = all linear layers but the head
  json::object rank_pattern, alpha_pattern;   // PEFT's: a module's name, its end or a regular expression -> its rank or alpha
  std::vector<std::string> exclude_modules;
  std::vector<std::string> modules_to_save;   // embed_tokens, lm_head: trained whole
  std::vector<uint64_t> layers_to_transform;  // empty = all
  bool load_in_4bit = false;              // QLoRA: the base's linear layers in NF4, quantised as they are loaded
  bool bnb_4bit_use_double_quant = false; // their scales in 8 bits
  std::string bnb_4bit_quant_type = "nf4";

  // Running and saving.
  uint64_t save_steps = 0;                // 0 = at the end only
  std::string save_dtype = "bf16";        // of full models: bf16 | f32
};

// text: JSON, or YAML when what ends in .yaml or .yml. Throws Error(invalid_argument) naming the key.
Recipe parse_recipe(std::string_view text, std::string_view what);
Recipe load_recipe(const std::filesystem::path& path);
Recipe recipe_from_json(const json::object& object);
// Every key with its canonical name: the same recipe gives the same text, and reading it back gives the same recipe.
json::object recipe_to_json(const Recipe& recipe);

struct RecipeKey {
  std::string_view name;
  std::vector<std::string_view> aliases;
  std::string_view help;
};
std::vector<RecipeKey> recipe_keys();   // for --help and the documentation

}  // namespace lyceum::tuning
