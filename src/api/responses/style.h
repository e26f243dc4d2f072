// style.h: answers as OpenAI's Responses API gives them: a list of items (reasoning, a message, function calls), whole or as its events.
#pragma once

#include "api/openai/answer_style.h"
#include "api/responses/requests.h"

namespace lyceum::api {

std::unique_ptr<AnswerStyle> make_responses_style(const GenerationJob& job, const ResponsesRequest& request);

}  // namespace lyceum::api
