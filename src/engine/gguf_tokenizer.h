// gguf_tokenizer.h: the tokenizer inside a GGUF file as the text of a tokenizer.json, so that one implementation reads both. Covers
// tokenizer.ggml.model "gpt2" (byte-level BPE; the pre-tokenizers that the supported architectures use) and "llama"
// (SentencePiece BPE; merges follow from the scores). Anything else is Error(unsupported) naming it.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "formats/gguf.h"

namespace lyceum::engine {

struct GgufTokenizer {
  std::string tokenizer_json;
  std::optional<std::string> chat_template;
  json::object special_tokens;      // "bos_token", "eos_token"
};

// nullopt when the file has no tokenizer.
std::optional<GgufTokenizer> find_gguf_tokenizer(const formats::GgufHeader& header);

}  // namespace lyceum::engine
