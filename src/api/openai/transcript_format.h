// transcript_format.h: a transcript in the forms of OpenAI's `response_format`: json, text, srt, vtt, verbose_json.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "engine/transcriber.h"

namespace lyceum::api {

enum class TranscriptFormat { json, text, srt, vtt, verbose_json };
std::optional<TranscriptFormat> find_transcript_format(std::string_view name);

struct FormattedTranscript {
  std::string type;       // Content-Type
  std::string body;
};
// task: "transcribe" or "translate".
FormattedTranscript format_transcript(const engine::Transcript& transcript, TranscriptFormat format, std::string_view task);

json::object transcript_usage(const engine::Transcript& transcript);

}  // namespace lyceum::api
