#include "api/openai/transcript_format.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "engine/languages.h"

namespace lyceum::api {
namespace {

using engine::Transcript;
using engine::TranscriptSegment;

// 01:02:03,450 for SubRip, 01:02:03.450 for WebVTT.
std::string clock(double seconds, char point) {
  const auto ms = static_cast<int64_t>(std::llround(seconds * 1000));
  return fmt::format("{:02}:{:02}:{:02}{}{:03}", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, point, ms % 1000);
}

// A caption's text is one block: an empty line would end it, and an arrow would be read as times.
std::string caption(const TranscriptSegment& segment) {
  std::string out;
  for (const char c : segment.text) {
    while (c == '>' && out.ends_with("--")) out.pop_back();
    const bool breaks = c == '\n' || c == '\r';
    out += breaks ? ' ' : c;
  }
  const size_t begin = out.find_first_not_of(' ');
  return begin == std::string::npos ? out : out.substr(begin);
}

std::string srt(const Transcript& transcript) {
  std::string out;
  size_t number = 0;
  for (const TranscriptSegment& segment : transcript.segments) out += fmt::format("{}\n{} --> {}\n{}\n\n", ++number, clock(segment.from, ','), clock(segment.to, ','), caption(segment));
  return out;
}

std::string vtt(const Transcript& transcript) {
  std::string out = "WEBVTT\n\n";
  for (const TranscriptSegment& segment : transcript.segments) out += fmt::format("{} --> {}\n{}\n\n", clock(segment.from, '.'), clock(segment.to, '.'), caption(segment));
  return out;
}

json::object verbose(const Transcript& transcript, std::string_view task) {
  json::array segments;
  for (const TranscriptSegment& one : transcript.segments) {
    segments.push_back(json::object{{"id", segments.size()}, {"seek", one.seek}, {"start", one.from}, {"end", one.to}, {"text", one.text}, {"tokens", json::value_from(one.ids)},
                                    {"temperature", one.temperature}, {"avg_logprob", one.mean_logprob}, {"compression_ratio", one.compression}, {"no_speech_prob", one.no_speech}});
  }
  const engine::Language* language = engine::find_language(transcript.language);
  return {{"task", task}, {"language", language != nullptr ? language->name : transcript.language}, {"duration", transcript.seconds}, {"text", transcript.text()}, {"segments", std::move(segments)}, {"usage", transcript_usage(transcript)}};
}

}  // namespace

std::optional<TranscriptFormat> find_transcript_format(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames{"json", "text", "srt", "vtt", "verbose_json"};
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<TranscriptFormat>(i);
  }
  return std::nullopt;
}

json::object transcript_usage(const Transcript& transcript) { return {{"type", "duration"}, {"seconds", static_cast<int64_t>(std::ceil(transcript.seconds))}}; }

FormattedTranscript format_transcript(const Transcript& transcript, TranscriptFormat format, std::string_view task) {
  switch (format) {
    case TranscriptFormat::text: return {"text/plain; charset=utf-8", transcript.text() + "\n"};
    case TranscriptFormat::srt: return {"text/plain; charset=utf-8", srt(transcript)};
    case TranscriptFormat::vtt: return {"text/vtt; charset=utf-8", vtt(transcript)};
    case TranscriptFormat::verbose_json: return {"application/json", json::serialize(verbose(transcript, task))};
    case TranscriptFormat::json: break;
  }
  return {"application/json", json::serialize(json::object{{"text", transcript.text()}, {"usage", transcript_usage(transcript)}})};
}

}  // namespace lyceum::api
