#include "api/openai/audio_server.h"

#include <charconv>
#include <ctime>

#include "api/openai/multipart.h"
#include "api/openai/request_error.h"
#include "api/openai/transcript_format.h"
#include "engine/languages.h"
#include "formats/audio.h"

namespace lyceum::api {
namespace {

constexpr double kSecondsMax = 2 * 3600;   // of a recording
constexpr double kSecondsMin = 0.1;
constexpr size_t kPromptBytesMax = 16384;

struct AudioContext {
  engine::Transcriber& transcriber;
  std::string name;
  int64_t created = 0;   // seconds since 1970
};

struct AudioJob {
  engine::TranscribeRequest request;
  TranscriptFormat format = TranscriptFormat::json;
  bool stream = false;
  std::vector<float> samples;
};

std::string_view task_of(const AudioJob& job) { return job.request.translate ? "translate" : "transcribe"; }

double read_number(const FormData& form, const char* field, double absent) {
  const auto text = form.text(field);
  if (!text) return absent;
  double value = -1;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || !(value >= 0 && value <= 1)) throw RequestError(field, std::string(field) + " must be a number from 0 to 1");
  return value;
}

bool read_flag(const FormData& form, const char* field) {
  const auto text = form.text(field);
  if (!text || *text == "false" || *text == "False" || *text == "0") return false;
  if (*text == "true" || *text == "True" || *text == "1") return true;
  throw RequestError(field, std::string(field) + " must be true or false");
}

std::string read_language(const FormData& form) {
  const auto text = form.text("language");
  if (!text) return {};
  const engine::Language* language = engine::find_language(*text);
  if (language == nullptr) throw RequestError("language", "language must be an ISO 639-1 code such as \"en\", or a language's English name");
  return std::string(language->code);
}

void refuse_unknown_wishes(const FormData& form) {
  for (const std::string& one : form.texts("timestamp_granularities")) {
    if (one == "word") throw RequestError("timestamp_granularities", "Times of single words are not implemented; segments have times");
    if (one != "segment") throw RequestError("timestamp_granularities", "timestamp_granularities must be segment");
  }
  for (const char* field : {"include", "chunking_strategy"}) {
    for (const std::string& one : form.texts(field)) {
      if (one != "auto") throw RequestError(field, std::string(field) + " \"" + one.substr(0, 100) + "\" is not implemented");
    }
  }
}

AudioJob read_job(const http::Request& request, std::string_view body, bool translate) {
  const FormData form = FormData::parse(request.headers.find("Content-Type").value_or(""), body);
  AudioJob job;
  refuse_unknown_wishes(form);
  const auto format = find_transcript_format(form.text("response_format").value_or("json"));
  if (!format) throw RequestError("response_format", "response_format must be json, text, srt, verbose_json or vtt");
  job.format = *format;
  job.stream = read_flag(form, "stream");
  job.request.translate = translate;
  job.request.language = read_language(form);
  job.request.prompt = form.text("prompt").value_or("");
  if (job.request.prompt.size() > kPromptBytesMax) throw RequestError("prompt", "prompt has more than 16 KiB");
  job.request.temperature = static_cast<float>(read_number(form, "temperature", 0));
  job.request.temperature_step = job.request.temperature > 0 ? 0.0f : static_cast<float>(read_number(form, "temperature_inc", 0.2));
  job.request.timestamps = !read_flag(form, "no_timestamps");
  const FormPart* file = form.find("file");
  if (file == nullptr) throw RequestError("file", "file is missing: the recording");
  job.samples = formats::decode_audio(as_bytes(file->body), engine::kSoundRate, kSecondsMax);
  if (static_cast<double>(job.samples.size()) < kSecondsMin * engine::kSoundRate) throw RequestError("file", "The audio file is shorter than 0.1 seconds", "audio_too_short");
  return job;
}

std::string event(const json::object& body) { return "data: " + json::serialize(body) + "\n\n"; }

// Text as it is heard: a delta for each window, then the whole.
void stream_transcript(engine::Transcriber& transcriber, AudioJob& job, http::BodyWriter& writer) {
  bool begun = false;
  job.request.cancelled = [&writer] { return writer.client_gone(); };
  job.request.on_segments = [&](const engine::Transcript& transcript, size_t first) {
    std::string delta;
    for (size_t i = first; i < transcript.segments.size(); ++i) delta += transcript.segments[i].text;
    if (!begun) delta.erase(0, delta.find_first_not_of(' '));
    begun = true;
    writer.write(event({{"type", "transcript.text.delta"}, {"delta", delta}}));
  };
  try {
    const engine::Transcript transcript = transcriber.transcribe(job.samples, job.request);
    writer.write(event({{"type", "transcript.text.done"}, {"text", transcript.text()}, {"usage", transcript_usage(transcript)}}) + "data: [DONE]\n\n");
  } catch (const Error& error) {
    if (writer.client_gone()) throw;
    writer.write("data: " + openai_error_text(error) + "\n\n");
  }
}

http::Response answer(const AudioContext& context, http::Request& request, bool translate) {
  const auto job = std::make_shared<AudioJob>(read_job(request, request.body->read_all(kAudioBodyLimit), translate));
  context.transcriber.check(job->request);
  http::Response response;
  if (job->stream) {
    response.headers.set("Content-Type", "text/event-stream");
    response.headers.set("Cache-Control", "no-cache");
    response.headers.set("X-Accel-Buffering", "no");
    response.stream = [job, &transcriber = context.transcriber](http::BodyWriter& writer) { stream_transcript(transcriber, *job, writer); };
    return response;
  }
  job->request.cancelled = [&request] { return request.client_gone && request.client_gone(); };
  FormattedTranscript out = format_transcript(context.transcriber.transcribe(job->samples, job->request), job->format, task_of(*job));
  response.headers.set("Content-Type", out.type);
  response.body = std::move(out.body);
  return response;
}

http::Response transcribe(const AudioContext& context, http::Request& request) { return answer(context, request, false); }
http::Response translate(const AudioContext& context, http::Request& request) { return answer(context, request, true); }

http::Response health(const AudioContext& context, http::Request&) {
  const models::Whisper& model = context.transcriber.model();
  json::array known;
  for (const auto& [code, id] : context.transcriber.tokens().languages) known.emplace_back(code);
  return http::Response::json(json::serialize(json::object{{"status", "ok"}, {"model", context.name}, {"architecture", "WhisperForConditionalGeneration"}, {"parameters", model.parameters()},
                                                           {"context", model.config.text_positions}, {"languages", std::move(known)}, {"adapters", json::array()}}));
}

http::Response models_list(const AudioContext& context, http::Request&) {
  json::array data{json::object{{"id", context.name}, {"object", "model"}, {"created", context.created}, {"owned_by", "lyceum"}}};
  return http::Response::json(json::serialize(json::object{{"object", "list"}, {"data", std::move(data)}}));
}

http::Response refuse(const AudioContext& context, http::Request&) {
  throw Error(Code::unprocessable, "The model " + context.name + " writes down speech at /v1/audio/transcriptions and /v1/audio/translations; it answers no text and takes no adapters", "model_does_not_generate");
}

}  // namespace

http::Router make_audio_router(engine::Transcriber& transcriber, const std::string& name) {
  const auto context = std::make_shared<AudioContext>(AudioContext{transcriber, name, std::time(nullptr)});
  http::Router router;
  const auto add = [&](const char* method, const char* pattern, http::Response (*handler)(const AudioContext&, http::Request&)) {
    router.add({method, pattern, [context, handler](http::Request& request) {
                  try {
                    return handler(*context, request);
                  } catch (const Error& error) {
                    http::Response response = http::error_response(error);
                    response.body = openai_error_text(error);
                    return response;
                  }
                }});
  };
  add("GET", "/health", health);
  add("GET", "/v1/models", models_list);
  add("POST", "/v1/audio/transcriptions", transcribe);
  add("POST", "/v1/audio/translations", translate);
  for (const char* pattern : {"/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/v1/responses",
                              "/v1/embeddings", "/v1/rerank", "/infill", "/internal/score", "/internal/adapters"}) {
    add("POST", pattern, refuse);
  }
  return router;
}

}  // namespace lyceum::api
