// gguf_tokenizer.h: the tokenizer inside a GGUF file as the text of a tokenizer.json, so that one implementation reads both. Covers
// tokenizer.ggml.model "gpt2" (byte-level BPE; the pre-tokenizers that the supported architectures use) and "llama"
// (SentencePiece BPE; merges follow from the scores). Anything else is Error(unsupported) naming it. A file that carries its
// tokenizer.json ("tokenizer.huggingface.json") is read by that.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"

namespace lyceum::engine {

struct GgufTokenizer {
  std::string tokenizer_json;
  std::optional<std::string> chat_template;
  json::object special_tokens;      // "bos_token", "eos_token"
  std::optional<std::string> fim_order;   // what `lyceum convert` keeps of config.json and generation_config.json
  std::vector<int64_t> eos_ids;
};

// nullopt when the file has no tokenizer.
std::optional<GgufTokenizer> find_gguf_tokenizer(const formats::GgufHeader& header);

}  // namespace lyceum::engine
