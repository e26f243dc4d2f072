// whisper_rules.h: what surrounds Whisper's network: its special tokens, which tokens may come next, and how a window's tokens become segments. The
// rules are those of transformers' WhisperGenerationMixin and WhisperTimeStampLogitsProcessor.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace lyceum::engine {

inline constexpr double kTimestampSeconds = 0.02;   // from one timestamp token to the next
inline constexpr size_t kTimestampFrames = 2;

struct WhisperTokens {
  int32_t start = 0, end = 0;                    // <|startoftranscript|>, <|endoftext|>; what is below `end` is text
  int32_t previous = 0;                          // <|startofprev|>, before a prompt
  int32_t no_timestamps = 0;                     // the one before it is <|nospeech|>, those after it are timestamps
  int32_t transcribe = -1, translate = -1;       // -1 with a model that knows one language
  std::vector<std::pair<std::string, int32_t>> languages;   // code, token; empty with such a model
  std::vector<int32_t> suppressed, suppressed_first;        // never, and never as the first
  std::optional<int32_t> latest_first;           // the first timestamp is no later than this many steps
  size_t length_max = 0;                         // of prompt and text

  int32_t first_timestamp() const noexcept { return no_timestamps + 1; }
  int32_t no_speech() const noexcept { return no_timestamps - 1; }
  bool multilingual() const noexcept { return !languages.empty(); }
  std::optional<int32_t> find_language(std::string_view code) const;
};

// From generation_config.json, and from the tokenizer where that is silent. Error(unprocessable) naming what is missing or is no token.
WhisperTokens read_whisper_tokens(const json::object& generation, const text::Tokenizer& tokenizer, size_t vocab, size_t positions);

// Scores of tokens that may not follow `generated` become -infinity. timestamps: text comes between pairs of them, which never go back.
void apply_whisper_rules(const WhisperTokens& tokens, bool timestamps, std::span<const int32_t> generated, std::span<float> scores);

struct CutSegment {
  size_t begin = 0, end = 0;                     // of the window's tokens
  double from = 0, to = 0;                       // seconds after the window's begin
};
struct CutWindow {
  std::vector<CutSegment> segments;
  size_t frames = 0;                             // how far the next window is from this one
};
// tokens: without the end token. frames: how many of the window's frames are sound.
CutWindow cut_window(const WhisperTokens& tokens, std::span<const int32_t> ids, size_t frames);

}  // namespace lyceum::engine
