// model_writer.h: a fully trained model as the files that transformers loads.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"
#include "tuning/model/train_model.h"

namespace lyceum::tuning {

// model.safetensors in BF16 (round to nearest even) or F32; tied embeddings are stored once.
void write_model_weights(const std::filesystem::path& folder, const TrainModel& model, bool bf16);
// config.json with the dtype of the written weights.
void write_model_config(const std::filesystem::path& folder, json::object config, bool bf16);
// Copies the tokenizer, template and generation files of a base model.
void copy_text_files(const std::filesystem::path& from, const std::filesystem::path& to);
// tokenizer_config.json and generation_config.json of a model trained from scratch.
void write_starter_text_files(const std::filesystem::path& folder, const std::string& tokenizer_json, const std::string& chat_template, uint32_t context);

// The special tokens of a vocabulary trained by a pretrain run; they get the ids 0, 1, 2, …
inline constexpr std::string_view kPretrainSpecials[] = {"<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|im_start|>", "<|im_end|>"};

}  // namespace lyceum::tuning
