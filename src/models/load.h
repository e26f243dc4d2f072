// load.h: from a folder or file to a Decoder.
#pragma once

#include <filesystem>
#include <memory>

#include "models/decoder.h"

namespace lyceum::models {

// path: a folder with config.json and *.safetensors (sharded or not; files may be symbolic links to blobs), a .gguf file, or a
// llama2.c checkpoint (.bin). Weights are mapped, not copied, wherever their stored layout can be used as it is.
// Throws Error(unprocessable) naming the file and field for a truncated or lying file, Error(unsupported) naming an unknown
// architecture or a config switch that changes meaning and is not implemented.
std::shared_ptr<const Decoder> load_decoder(const std::filesystem::path& path);

// A decoder built from a config.json text with all weights zero in F32 owned memory (for pre-training and tests);
// `parameters` of the result are writable through mutable_weights().
std::shared_ptr<Decoder> make_decoder(std::string_view config_json);

}  // namespace lyceum::models
