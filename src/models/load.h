// load.h: from a folder or file to a Decoder.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "models/decoder.h"

namespace lyceum::models {

// path: a folder with config.json and *.safetensors (sharded or not; files may be symbolic links to blobs), a .gguf file, or a
// llama2.c checkpoint (.bin). Weights are mapped, not copied, wherever their stored layout can be used as it is.
// Throws Error(unprocessable) naming the file and field for a truncated or lying file, Error(unsupported) naming an unknown
// architecture or a config switch that changes meaning and is not implemented.
// unread: a decoder to be measured, not run: what would have to be converted (quantization.h) has its type and size, but no values.
enum class Values { read, unread };
std::shared_ptr<const Decoder> load_decoder(const std::filesystem::path& path, Values values = Values::read);

// A decoder built from a config.json text with all weights zero in F32 owned memory (for pre-training and tests);
// write them through mutable_weights() (decoder.h). `what` names the text in errors.
std::shared_ptr<Decoder> make_decoder(std::string_view config_json, std::string_view what = "config.json");

// Only the config half: what load_decoder would make of this config.json text.
DecoderConfig read_config(std::string_view config_json, std::string_view what = "config.json");

// Names of the architectures in the registry ("LlamaForCausalLM", …).
std::vector<std::string_view> architectures();

}  // namespace lyceum::models
