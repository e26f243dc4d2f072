// tokenizer_metadata.h: the tokenizer beside a model as GGUF's tokenizer.* keys, with our own facts that GGUF has no key for
// (lyceum.fim_order, lyceum.eos_token_ids). Engines that know only GGUF read vocabulary, merges or scores, and the name of the pre-tokenizer.
#pragma once

#include <filesystem>
#include <string>

#include "formats/gguf_writer.h"
#include "models/decoder.h"

namespace lyceum::quantizer {

struct TokenizerReport {
  bool found = false;
  std::string pre;         // tokenizer.ggml.pre; empty for SentencePiece
  // The keys alone would not give the same tokens (a pre-tokenizer that has no name there, another order of merges): the whole tokenizer.json is in
  // the file too ("tokenizer.huggingface.json"), which this program reads; other engines may cut some texts otherwise.
  bool embedded = false;
};

// path: what models::load_decoder took. Without a tokenizer.json nothing but tokenizer.ggml.model "no_vocab" is set. Throws Error(unsupported) for a
// tokenizer that is no BPE.
TokenizerReport set_tokenizer(const std::filesystem::path& path, const models::DecoderConfig& config, formats::GgufMetadata& metadata);

}  // namespace lyceum::quantizer
