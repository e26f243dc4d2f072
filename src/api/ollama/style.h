// style.h: answers as Ollama gives them: a JSON object a line, the last with what was counted and timed.
#pragma once

#include "api/openai/answer_style.h"

namespace lyceum::api {

std::unique_ptr<AnswerStyle> make_ollama_chat_style(const engine::Engine& engine, const GenerationJob& job);
std::unique_ptr<AnswerStyle> make_ollama_text_style(const engine::Engine& engine, const GenerationJob& job);   // /api/generate

json::object ollama_record(const std::string& model);   // {"model", "created_at"}
std::string ollama_error_text(const Error& error);      // {"error": message}

}  // namespace lyceum::api
