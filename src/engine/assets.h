// assets.h: what lies beside the weights of a model: tokenizer, chat template, special tokens, ids that end an answer.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/fim.h"
#include "models/decoder.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace lyceum::engine {

struct Assets {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::unique_ptr<text::ChatTemplate> chat_template;   // null if the model has none
  json::object special_tokens;                         // "bos_token": "<s>", … as the template sees them
  FimOrder fim_order = FimOrder::prefix_first;         // of config.json, or of a GGUF file's lyceum.fim_order
  std::vector<int32_t> eos_ids;                        // of config.json, generation_config.json and tokenizer_config.json
};

// path: what load_decoder took. Throws Error naming the file.
Assets load_assets(const std::filesystem::path& path, const models::DecoderConfig& config);

}  // namespace lyceum::engine
