// file_facts.h: what the hub tells about a model from its files: parameter counts, configuration, GGUF header. Every read of an
// uploaded file is bounded, and a broken file gives nullopt: a listing must not fail because of one bad upload.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "hub/hub.h"

namespace lyceum::api {

// The JSON header of a safetensors file, at most 64 MiB of it.
std::optional<json::object> find_safetensors_header(hub::Hub& hub, const hub::Repo& repo, const hub::FileEntry& entry);

// {"parameters": {"BF16": 123}, "total": 123} over all safetensors files at the top of the repository; nullopt without any.
std::optional<json::object> find_parameter_counts(hub::Hub& hub, const hub::Repo& repo, const std::vector<hub::FileEntry>& files);

// The part of config.json and tokenizer_config.json that clients and pages use.
std::optional<json::object> find_config(hub::Hub& hub, const hub::Repo& repo, const std::vector<hub::FileEntry>& files);

// {"total", "architecture", "context_length"} of the first GGUF file.
std::optional<json::object> find_gguf(hub::Hub& hub, const hub::Repo& repo, const std::vector<hub::FileEntry>& files);

// {"auto_model", "pipeline_tag", "processor"} as transformers would load it, from the configuration.
std::optional<json::object> find_transformers_info(const hub::Repo& repo, const json::object& config);

}  // namespace lyceum::api
