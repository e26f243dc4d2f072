// generation_params.h: what chat and text completion requests have in common, from JSON to the engine's terms.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/openai/fields.h"
#include "engine/engine.h"

namespace lyceum::api {

enum class Endpoint { chat, completion };

struct GenerationParams {
  engine::Sampling sampling;
  std::optional<uint32_t> max_tokens;
  std::vector<std::string> stop;
  std::vector<int32_t> stop_ids;
  bool ignore_eos = false;
  uint32_t n = 1;
  bool stream = false;
  bool include_usage = false;
  bool logprobs = false;
  std::shared_ptr<grammar::Constraint> constraint;   // set by the handlers (response_format.h)
  bool show_special = false;
};

// defaults: the model's generation_config.json. Besides OpenAI's own fields: top_k, min_p, repetition_penalty, stop_token_ids, ignore_eos.
// Throws RequestError naming the field: wrong type, out of range, or a feature that would be silently ignored.
GenerationParams read_generation_params(const Fields& fields, Endpoint endpoint, const json::object& defaults, size_t vocab_size);

}  // namespace lyceum::api
