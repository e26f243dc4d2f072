// requests.h: bodies of Ollama's API, turned into the bodies in OpenAI's form that the shared readers take.
#pragma once

#include "base/json.h"

namespace lyceum::api {

// Throw RequestError naming the field (or "options.<name>"): malformed, or something that would change the answer and is not supported
// (images, a template, a context of tokens, mirostat, typical_p …). Options that only say how to run (num_ctx, num_gpu, keep_alive …) are ignored.
json::object read_ollama_chat(const json::object& body);

// /api/generate: a prompt inside the chat template, or text as it is (raw, suffix, or a model without a template).
struct OllamaPrompt {
  bool chat = false;    // body is for read_chat_job(), else for read_completion_job()
  bool empty = false;   // no prompt: the model is only to be loaded
  json::object body;
};
OllamaPrompt read_ollama_generate(const json::object& body, bool has_template);

}  // namespace lyceum::api
