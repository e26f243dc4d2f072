// transcriber.h: a Whisper model with its tokenizer: recordings to text with times. The counterpart of Engine for models that listen.
//
// A recording becomes log-mel frames at once, then windows (30 s) one after another, each from where the one before said that it ended. A window is decoded
// greedily; if the text repeats itself (it compresses more than 2.4 times) or its tokens are unlikely (mean log-probability below -1), again with a higher
// temperature; and what is most likely no speech (over 0.6, and unlikely) is left out. Windows are independent of one another but for the time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "engine/log_mel.h"
#include "engine/whisper_forward.h"
#include "engine/whisper_rules.h"
#include "text/tokenizer.h"

namespace lyceum::engine {

struct TranscriptSegment {
  double from = 0, to = 0;                 // seconds
  std::string text;                        // begins with a space in languages that write them
  std::vector<int32_t> ids;                // timestamps included
  size_t seek = 0;                         // frame (10 ms) at which its window began
  float temperature = 0;
  double mean_logprob = 0, compression = 0, no_speech = 0;   // of its window
};
struct Transcript {
  std::string language;                    // code: as asked or as heard; "en" with a model of that language alone
  double seconds = 0;
  std::vector<TranscriptSegment> segments;   // without those that say nothing
  std::string text() const;
};

struct TranscribeRequest {
  std::string language;                    // code; empty: what the first window sounds like
  bool translate = false;                  // to English
  std::string prompt;                      // text that came before, for names and style; its last half of a context is read in each window
  float temperature = 0;                   // of the first attempt
  float temperature_step = 0.2f;           // added for each further one, up to 1; 0: there is none, and nothing is left out
  bool timestamps = true;                  // false: a window is one segment
  uint64_t seed = 0;
  std::function<bool()> cancelled;                                // asked often; then Error(unavailable) ends it
  std::function<void(const Transcript&, size_t)> on_segments;     // after a window that has some: the transcript so far, and the first new one
};

class Transcriber {
 public:
  // folder: config.json, *.safetensors, tokenizer.json, generation_config.json, preprocessor_config.json. Throws Error naming what is wrong.
  static std::unique_ptr<Transcriber> open(const std::filesystem::path& folder, unsigned threads);

  const models::Whisper& model() const { return *model_; }
  const WhisperTokens& tokens() const { return tokens_; }

  // samples: kSoundRate a second. Any number of callers; their windows take turns. Error(invalid_argument) for a language that the model does not know.
  Transcript transcribe(std::span<const float> samples, const TranscribeRequest& request);
  // What transcribe() throws of a request alone.
  void check(const TranscribeRequest& request) const;

  // What the network makes of the first window of a recording, for tests of exactness: its frames, and the logits of each of these tokens.
  struct Inside {
    std::vector<float> mel, logits;
  };
  Inside look_inside(std::span<const float> samples, std::span<const int32_t> ids);

 private:
  struct Job;
  struct Attempt {
    std::vector<int32_t> ids;              // with the end token, if it came
    float temperature = 0;
    double mean_logprob = 0, compression = 0;
    std::string text;
  };

  Transcriber(std::shared_ptr<const models::Whisper> model, std::unique_ptr<text::Tokenizer> tokenizer, const json::object& generation, unsigned threads);
  std::vector<float> compute_mel(std::span<const float> samples, const std::function<void()>& between) const;
  std::vector<int32_t> prompt_ids(const std::string& prompt) const;
  void begin(Job& job);
  void run_window(Job& job);
  void take(Job& job, const Attempt& attempt, double no_speech);
  Attempt try_window(Job& job, const std::vector<int32_t>& prefix, const std::vector<float>& first_scores, float temperature);
  std::string decode(std::span<const int32_t> ids) const;

  std::shared_ptr<const models::Whisper> model_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  WhisperTokens tokens_;
  LogMel log_mel_;
  mutable ThreadPool pool_;
  std::mutex mutex_;                       // of forward_
  WhisperForward forward_;
};

}  // namespace lyceum::engine
