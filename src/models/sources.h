// sources.h: one loader a file format. Each returns a Decoder that keeps its file mapped; load.cpp chooses between them.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "models/bind.h"
#include "models/decoder.h"
#include "models/load.h"

namespace lyceum::formats {
class SafetensorsModel;
class GgufFile;
}

namespace lyceum::models {

std::shared_ptr<const Decoder> load_safetensors_folder(const std::filesystem::path& folder, Values values);
// For a configuration with a quantization: converts those weights into memory of the decoder's. The caller keeps the model mapped.
Decoder bind_quantized(DecoderConfig config, const formats::SafetensorsModel& model, const std::string& folder, Values values);
// Tensors of safetensors files, which must outlive it; `folder` names them in errors.
std::unique_ptr<WeightSource> make_safetensors_source(const formats::SafetensorsModel& model, std::string folder);
std::shared_ptr<const Decoder> load_gguf(const std::filesystem::path& file);
// Only the configuration half of load_gguf.
DecoderConfig read_gguf_config(const formats::GgufFile& file);
// What GGUF calls the modules of every architecture.
const ModuleNames& gguf_names() noexcept;
std::shared_ptr<const Decoder> load_llama2c(const std::filesystem::path& file);

// GGUF and safetensors dtype names ("F32", "BF16", "Q8_0"); nullopt for one that no kernel computes with.
std::optional<tensor::DType> find_dtype(std::string_view name) noexcept;

// llama.cpp's converter and llama2.c rotate adjacent pairs (2i, 2i + 1) of a head where decoder.h rotates (i, i + half). Moves
// row 2i + a of every head to row i + a * half, which makes the two agree. Whole rows move, so any dtype will do.
std::shared_ptr<std::vector<std::byte>> interleaved_to_halves(Bytes rows, size_t row_count, size_t row_bytes, size_t head_dim);

}  // namespace lyceum::models
