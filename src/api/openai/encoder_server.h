// encoder_server.h: the engine process of a model that gives vectors and ranks, and does not generate (engine/text_encoder.h).
//
// GET /health · GET /v1/models · POST /v1/embeddings, /api/embed, /api/embeddings · POST /v1/rerank
#pragma once

#include <string>

#include "engine/text_encoder.h"
#include "http/server.h"

namespace lyceum::api {

// `encoder` must outlive the router. Other doors answer with Error(unprocessable) that says what kind of model this is.
http::Router make_encoder_router(engine::TextEncoder& encoder, const std::string& name);

}  // namespace lyceum::api
