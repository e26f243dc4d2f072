// source.h: a model to be written as GGUF: its tensors where they lie, and what the file will say.
#pragma once

#include <filesystem>
#include <memory>

#include "formats/gguf_writer.h"
#include "models/decoder.h"
#include "quantizer/metadata.h"
#include "quantizer/tensors.h"
#include "quantizer/tokenizer_metadata.h"

namespace lyceum::quantizer {

struct Source {
  std::shared_ptr<const models::Decoder> decoder;   // keeps what the views point into
  std::shared_ptr<const formats::GgufFile> file;    // null: not GGUF
  std::vector<SourceTensor> tensors;
  std::vector<FactTensor> facts;
  formats::GgufMetadata metadata;                   // of a GGUF file: its own, but for what quantising it changes
  TokenizerReport tokenizer;
};

// path: as models::load_decoder takes.
Source open_source(const std::filesystem::path& path);
// The one file that a path stands for when the model is a GGUF or llama2.c file; empty: it is a folder of safetensors.
std::filesystem::path find_model_file(const std::filesystem::path& path);

}  // namespace lyceum::quantizer
