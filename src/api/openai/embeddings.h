// embeddings.h: the doors that give vectors, for every kind of model.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "api/openai/fields.h"
#include "http/message.h"

namespace lyceum::api {

// What those doors need of a model.
struct EmbeddingModel {
  std::string name;        // as the client named it
  size_t vocab = 0;
  size_t context = 0;      // tokens of one input
  size_t dimensions = 0;
  std::function<std::vector<int32_t>(const std::string& text, bool cut)> encode;
  std::function<std::vector<std::vector<float>>(std::span<const std::vector<int32_t>> inputs)> embed;
};

// Bodies in OpenAI's and in Ollama's form. Throw RequestError naming the field.
http::Response answer_openai_embeddings(const EmbeddingModel& model, const http::Request& request, const Fields& fields);
http::Response answer_ollama_embed(const EmbeddingModel& model, const Fields& fields);
http::Response answer_ollama_embeddings(const EmbeddingModel& model, const Fields& fields);

}  // namespace lyceum::api
