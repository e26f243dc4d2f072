// metadata.h: what a GGUF file says of the model besides its tokenizer.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "formats/gguf_writer.h"
#include "models/decoder.h"

namespace lyceum::quantizer {

// A small float32 tensor that stands for something of the configuration (rotation of Llama 3.1 and of Phi's long contexts).
struct FactTensor {
  std::string name;
  std::vector<float> values;
};

struct ModelFacts {
  formats::GgufMetadata metadata;
  std::vector<FactTensor> tensors;
};

// stored: the model's config.json (empty: there is none). Throws Error(unsupported) for an architecture that has no GGUF form.
ModelFacts describe_model(const models::DecoderConfig& config, const json::object& stored);

// The first thing that differs in what two configurations compute, in the words of config.json; empty: nothing does.
std::string find_difference(const models::DecoderConfig& a, const models::DecoderConfig& b);

}  // namespace lyceum::quantizer
