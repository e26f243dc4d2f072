// style.h: answers as Anthropic's Messages API gives them: blocks of thinking, text and tool use, whole or as its named events.
#pragma once

#include "api/openai/answer_style.h"

namespace lyceum::api {

std::unique_ptr<AnswerStyle> make_anthropic_style(const engine::Engine& engine, const GenerationJob& job);

}  // namespace lyceum::api
