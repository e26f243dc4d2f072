// model_facts.h: what the hub tells about a repository from its files: parameter counts, configuration, GGUF header, base models. Every
// read of an uploaded file is bounded, and a broken file gives nullopt: a listing must not fail because of one bad upload.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "hub/catalogue.h"
#include "hub/hub.h"

namespace lyceum::formats {
struct SafetensorsHeader;
}

namespace lyceum::hub {

// The JSON header of a safetensors file, at most 64 MiB of it; of a header as formats/ read it.
json::object safetensors_json(const formats::SafetensorsHeader& header);
std::optional<json::object> find_safetensors_header(Hub& hub, const Repo& repo, const FileEntry& entry);

// {"parameters": {"BF16": 123}, "total": 123} over all safetensors files at the top of the repository; nullopt without any.
std::optional<json::object> find_parameter_counts(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files);

// The part of config.json and tokenizer_config.json that clients and pages use.
std::optional<json::object> find_config(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files);

// {"total", "architecture", "context_length"} of a GGUF header, and "base_models" if it names any. head: as much of the file as holds the
// header. Error(unprocessable) on a broken one.
json::object gguf_facts(Bytes head, uint64_t file_bytes, std::string_view file_name);
// The same of the first GGUF file.
std::optional<json::object> find_gguf(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files);

// {"auto_model", "pipeline_tag", "processor"} as transformers would load it, from the configuration.
std::optional<json::object> find_transformers_info(const Repo& repo, const json::object& config);

// All of it, of the repository's head: what Catalogue keeps. Reads the headers of the weights.
RepoFacts derive_facts(Hub& hub, const Repo& repo);

}  // namespace lyceum::hub
