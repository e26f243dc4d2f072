#include "tuning/write/model_writer.h"

#include <map>
#include <span>
#include <vector>

#include "base/files.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"

namespace lyceum::tuning {

void write_model_weights(const fs::path& folder, const TrainModel& model, bool bf16) {
  make_folders_durable(folder);
  std::map<std::string, const Parameter*> tensors;
  std::vector<formats::SafetensorsSpec> specs;
  for (const Parameter& parameter : model.parameters) {
    std::vector<uint64_t> shape = {parameter.rows, parameter.columns};
    if (parameter.vector) shape = {parameter.columns};
    tensors[parameter.name] = &parameter;
    specs.push_back({parameter.name, bf16 ? "BF16" : "F32", shape});
  }
  std::vector<std::byte> rounded;
  formats::write_safetensors(folder / "model.safetensors", specs, {{"format", "pt"}}, [&](const formats::SafetensorsSpec& spec) -> Bytes {
    const std::vector<float>& values = tensors.at(spec.name)->value;
    if (!bf16) return std::as_bytes(std::span(values));
    rounded.resize(values.size() * 2);
    kernels::quantize(tensor::DType::bf16, values.data(), values.size(), rounded.data());
    return rounded;
  });
}

void write_model_config(const fs::path& folder, json::object config, bool bf16) {
  config["torch_dtype"] = bf16 ? "bfloat16" : "float32";
  write_file_durable(folder / "config.json", pretty_json(config));
}

void copy_text_files(const fs::path& from, const fs::path& to) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
                           "chat_template.jinja", "generation_config.json"}) {
    if (fs::exists(from / name)) write_file_durable(to / name, read_file(from / name));
  }
}

void write_starter_text_files(const fs::path& folder, const std::string& tokenizer_json, const std::string& chat_template, uint32_t context) {
  write_file_durable(folder / "tokenizer.json", tokenizer_json);
  json::object config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"eos_token", kPretrainSpecials[0]}, {"pad_token", kPretrainSpecials[0]},
                         {"model_max_length", context}, {"clean_up_tokenization_spaces", false}};
  if (!chat_template.empty()) config["chat_template"] = chat_template;
  write_file_durable(folder / "tokenizer_config.json", pretty_json(config));
  // A small model repeats itself when it always takes the likeliest token.
  const json::object generation = {{"eos_token_id", json::array{0, 5}}, {"pad_token_id", 0},    {"do_sample", true},
                                   {"temperature", 0.7},                {"top_p", 0.95},        {"repetition_penalty", 1.1}};
  write_file_durable(folder / "generation_config.json", pretty_json(generation));
}

}  // namespace lyceum::tuning
