// audio_server.h: the engine process of a model that listens (engine/transcriber.h).
//
// GET /health · GET /v1/models · POST /v1/audio/transcriptions, /v1/audio/translations: a form with `file`
#pragma once

#include <string>

#include "engine/transcriber.h"
#include "http/server.h"

namespace lyceum::api {

constexpr size_t kAudioBodyLimit = 64u << 20;    // bytes of a form with a recording

// `transcriber` must outlive the router. Other doors answer with Error(unprocessable) that says what kind of model this is.
http::Router make_audio_router(engine::Transcriber& transcriber, const std::string& name);

}  // namespace lyceum::api
