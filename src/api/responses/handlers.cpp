// In the engine process: POST /v1/responses.
#include "api/responses/requests.h"
#include "api/responses/style.h"

namespace lyceum::api {

http::Response answer_response(const EngineContext& context, http::Request& request) {
  const ResponsesRequest read = read_responses_request(read_request(request));
  return answer_generation(context.engine, request, read_chat_job(context, request, read.chat), [&read](const engine::Engine&, const GenerationJob& job) { return make_responses_style(job, read); });
}

}  // namespace lyceum::api
