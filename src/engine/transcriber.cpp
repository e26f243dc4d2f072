#include "engine/transcriber.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"

namespace lyceum::engine {
namespace {

constexpr uint64_t kSmallFileMax = 16u << 20, kTokenizerMax = 256u << 20;
constexpr double kCompressionMax = 2.4, kLogprobMin = -1.0, kNoSpeechMax = 0.6;   // of a window that is taken
constexpr float kTemperatureMax = 1.0f;
constexpr double kFramesASecond = static_cast<double>(kSoundRate) / kFrameSamples;

json::object read_settings(const fs::path& file) {
  if (!fs::exists(file)) return {};
  return get_object(parse_json(read_file(file, kSmallFileMax), file.string(), kSmallFileMax), file.string());
}

std::unique_ptr<text::Tokenizer> load_tokenizer(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json";
  if (!fs::exists(file)) throw Error(Code::not_found, folder.string() + " has no tokenizer.json; save the processor beside the model with save_pretrained()");
  return text::load_tokenizer_json(read_file(file, kTokenizerMax));
}

// The frames are computed in one way.
void check_frames(const fs::path& file, const models::WhisperConfig& config) {
  const json::object settings = read_settings(file);
  const auto expect = [&](const char* field, int64_t wanted) {
    const auto value = find_int(settings, field);
    if (value && *value != wanted) throw Error(Code::unsupported, file.string() + ": " + field + " " + std::to_string(*value) + " is not implemented; " + std::to_string(wanted) + " is");
  };
  expect("feature_size", config.mel_bins);
  expect("sampling_rate", kSoundRate);
  expect("hop_length", kFrameSamples);
  expect("n_fft", 400);
  if (const json::value* dither = settings.if_contains("dither"); dither != nullptr && dither->is_number() && dither->to_number<double>() != 0) throw Error(Code::unsupported, file.string() + ": dither is not implemented");
}

double log_total(std::span<const float> scores) {
  const float most = *std::ranges::max_element(scores);
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score - most));
  return static_cast<double>(most) + std::log(sum);
}

// The likeliest, or with a temperature one drawn.
int32_t choose(std::span<const float> scores, float temperature, Rng& rng) {
  const auto best = std::ranges::max_element(scores);
  if (temperature <= 0) return static_cast<int32_t>(best - scores.begin());
  const auto weight = [&](float score) { return std::exp(static_cast<double>((score - *best) / temperature)); };
  double sum = 0;
  for (const float score : scores) sum += weight(score);
  double left = rng.uniform() * sum;
  for (size_t i = 0; i < scores.size(); ++i) {
    left -= weight(scores[i]);
    if (left < 0) return static_cast<int32_t>(i);
  }
  return static_cast<int32_t>(best - scores.begin());
}

double compression_of(const std::string& text) {
  if (text.empty()) return 0;
  uLongf size = compressBound(text.size());
  std::vector<Bytef> out(size);
  if (compress(out.data(), &size, reinterpret_cast<const Bytef*>(text.data()), text.size()) != Z_OK) return 0;
  return static_cast<double>(text.size()) / static_cast<double>(size);
}

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \n\t"), end = text.find_last_not_of(" \n\t");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

}  // namespace

std::string Transcript::text() const {
  std::string out;
  for (const TranscriptSegment& segment : segments) out += segment.text;
  return std::string(trim(out));
}

// One request on its way through the recording.
struct Transcriber::Job {
  const TranscribeRequest& request;
  std::vector<float> mel;
  size_t frames = 0, sound_frames = 0;     // of mel, and of them those that the recording fills
  size_t seek = 0;
  std::vector<int32_t> prompt, task;       // before a window's text
  Transcript transcript;
  Rng rng;

  void stop_if_cancelled() const {
    if (request.cancelled && request.cancelled()) throw Error(Code::unavailable, "The client has gone");
  }
};

Transcriber::Transcriber(std::shared_ptr<const models::Whisper> model, std::unique_ptr<text::Tokenizer> tokenizer, const json::object& generation, unsigned threads)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      tokens_(read_whisper_tokens(generation, *tokenizer_, model_->config.vocab, model_->config.text_positions)),
      log_mel_(model_->config.mel_bins),
      pool_(threads),
      forward_(*model_, pool_) {}

std::unique_ptr<Transcriber> Transcriber::open(const std::filesystem::path& folder, unsigned threads) {
  auto model = models::load_whisper(folder);
  check_frames(folder / "preprocessor_config.json", model->config);
  return std::unique_ptr<Transcriber>(new Transcriber(std::move(model), load_tokenizer(folder), read_settings(folder / "generation_config.json"), threads));
}

void Transcriber::check(const TranscribeRequest& request) const {
  if (!tokens_.multilingual()) {
    if (request.translate) throw Error(Code::invalid_argument, "This model knows English alone and does not translate");
    if (!request.language.empty() && request.language != "en") throw Error(Code::invalid_argument, "This model knows English alone; leave language out");
  } else if (!request.language.empty() && !tokens_.find_language(request.language)) {
    throw Error(Code::invalid_argument, "This model does not know the language `" + request.language + "`");
  }
}

// A recording that fits in one window is filled up with silence, a longer one taken as it is, as the reference does.
std::vector<float> Transcriber::compute_mel(std::span<const float> samples, const std::function<void()>& between) const {
  const size_t window = size_t{model_->config.window_frames()} * kFrameSamples;
  if (samples.size() >= window) return log_mel_.compute(pool_, samples, between);
  std::vector<float> filled(samples.begin(), samples.end());
  filled.resize(window);
  return log_mel_.compute(pool_, filled, between);
}

std::vector<int32_t> Transcriber::prompt_ids(const std::string& prompt) const {
  if (trim(prompt).empty()) return {};
  const std::vector<int32_t> ids = tokenizer_->encode(" " + std::string(trim(prompt)), {.add_special_tokens = false, .parse_special = false});
  const size_t most = model_->config.text_positions / 2 - 1;
  std::vector<int32_t> out{tokens_.previous};
  for (size_t i = ids.size() - std::min(ids.size(), most); i < ids.size(); ++i) {
    if (ids[i] < tokens_.end) out.push_back(ids[i]);
  }
  return out;
}

Transcript Transcriber::transcribe(std::span<const float> samples, const TranscribeRequest& request) {
  check(request);
  Job job{request, {}, 0, 0, 0, prompt_ids(request.prompt), {}, {}, Rng(request.seed)};
  job.mel = compute_mel(samples, [&job] { job.stop_if_cancelled(); });
  job.frames = job.mel.size() / log_mel_.bins();
  job.sound_frames = std::min(job.frames, (samples.size() + kFrameSamples - 1) / kFrameSamples);
  job.transcript.seconds = static_cast<double>(samples.size()) / kSoundRate;
  job.transcript.language = tokens_.multilingual() ? request.language : "en";
  while (job.seek < job.sound_frames) {
    job.stop_if_cancelled();
    const size_t known = job.transcript.segments.size();
    {
      const std::lock_guard lock(mutex_);
      run_window(job);
    }
    if (request.on_segments && job.transcript.segments.size() > known) request.on_segments(job.transcript, known);
  }
  return std::move(job.transcript);
}

// What comes before the text: the prompt, and which language and task it is. The first window says which language it is, if nobody did.
void Transcriber::begin(Job& job) {
  job.task.assign(1, tokens_.start);
  if (tokens_.multilingual()) {
    if (job.transcript.language.empty()) {
      const kernels::ConstRows scores = forward_.logits(forward_.decode(job.task, 0));
      const auto likeliest = std::ranges::max_element(tokens_.languages, {}, [&](const auto& one) { return scores.row(0)[one.second]; });
      job.transcript.language = likeliest->first;
    }
    job.task.push_back(*tokens_.find_language(job.transcript.language));
    job.task.push_back(job.request.translate ? tokens_.translate : tokens_.transcribe);
  }
  if (!job.request.timestamps) job.task.push_back(tokens_.no_timestamps);
}

void Transcriber::run_window(Job& job) {
  const size_t bins = log_mel_.bins(), window = model_->config.window_frames(), there = std::min(window, job.frames - job.seek);
  std::vector<float> mel(window * bins);
  std::memcpy(mel.data(), job.mel.data() + job.seek * bins, there * bins * sizeof(float));
  forward_.encode({mel.data(), window, bins});
  if (job.task.empty()) begin(job);
  std::vector<int32_t> prefix = job.prompt;
  prefix.insert(prefix.end(), job.task.begin(), job.task.end());
  const kernels::ConstRows hidden = forward_.decode(prefix, 0);
  const auto scores_of = [&](size_t row) {
    const kernels::ConstRows scores = forward_.logits({hidden.row(row), 1, hidden.columns});
    return std::vector<float>(scores.data, scores.data + scores.columns);
  };
  const std::vector<float> at_start = scores_of(job.prompt.size()), first = scores_of(prefix.size() - 1);
  const double no_speech = std::exp(static_cast<double>(at_start[static_cast<size_t>(tokens_.no_speech())]) - log_total(at_start));
  Attempt attempt;
  const float step = job.request.temperature_step;
  for (float temperature = job.request.temperature; ; temperature += step) {
    attempt = try_window(job, prefix, first, temperature);
    const bool silent = no_speech > kNoSpeechMax && attempt.mean_logprob < kLogprobMin;
    const bool good = attempt.compression <= kCompressionMax && attempt.mean_logprob >= kLogprobMin;
    if (good || step <= 0 || temperature + step > kTemperatureMax + 1e-4f) break;
    if (silent) break;
  }
  take(job, attempt, no_speech);
}

Transcriber::Attempt Transcriber::try_window(Job& job, const std::vector<int32_t>& prefix, const std::vector<float>& first_scores, float temperature) {
  Attempt out;
  out.temperature = temperature;
  const size_t length_max = std::min<size_t>(model_->config.text_positions, tokens_.length_max + std::min<size_t>(model_->config.text_positions / 2 - 1, prefix.size()));
  std::vector<float> scores = first_scores;
  double logprobs = 0;
  while (prefix.size() + out.ids.size() < length_max) {
    job.stop_if_cancelled();
    apply_whisper_rules(tokens_, job.request.timestamps, out.ids, scores);
    const int32_t id = choose(scores, temperature, job.rng);
    logprobs += static_cast<double>(scores[static_cast<size_t>(id)]) - log_total(scores);
    out.ids.push_back(id);
    if (id == tokens_.end || prefix.size() + out.ids.size() == length_max) break;
    const kernels::ConstRows next = forward_.logits(forward_.decode({&out.ids.back(), 1}, prefix.size() + out.ids.size() - 1));
    scores.assign(next.data, next.data + next.columns);
  }
  out.mean_logprob = logprobs / static_cast<double>(std::max<size_t>(1, out.ids.size()));
  out.text = decode(out.ids);
  out.compression = compression_of(std::string(trim(out.text)));
  return out;
}

void Transcriber::take(Job& job, const Attempt& attempt, double no_speech) {
  const size_t frames = std::min<size_t>(model_->config.window_frames(), job.frames - job.seek);
  const size_t seek = job.seek;
  if (job.request.temperature_step > 0 && no_speech > kNoSpeechMax && attempt.mean_logprob < kLogprobMin) {
    job.seek += frames;
    return;
  }
  std::span<const int32_t> ids = attempt.ids;
  if (!ids.empty() && ids.back() == tokens_.end) ids = ids.first(ids.size() - 1);
  const CutWindow cut = cut_window(tokens_, ids, frames);
  const double from = static_cast<double>(seek) / kFramesASecond;
  for (const CutSegment& one : cut.segments) {
    const std::span<const int32_t> part = ids.subspan(one.begin, one.end - one.begin);
    std::string text = decode(part);
    if (trim(text).empty()) continue;
    job.transcript.segments.push_back({from + one.from, from + one.to, std::move(text), {part.begin(), part.end()}, seek, attempt.temperature, attempt.mean_logprob, attempt.compression, no_speech});
  }
  job.seek += cut.frames;
}

std::string Transcriber::decode(std::span<const int32_t> ids) const {
  std::vector<int32_t> text;
  std::ranges::copy_if(ids, std::back_inserter(text), [&](int32_t id) { return id < tokens_.end; });
  return tokenizer_->decode(text);
}

Transcriber::Inside Transcriber::look_inside(std::span<const float> samples, std::span<const int32_t> ids) {
  Inside out{compute_mel(samples, nullptr), {}};
  const std::lock_guard lock(mutex_);
  forward_.encode({out.mel.data(), model_->config.window_frames(), log_mel_.bins()});
  const kernels::ConstRows hidden = forward_.decode(ids, 0);
  const kernels::ConstRows scores = forward_.logits(hidden);
  out.logits.assign(scores.data, scores.data + scores.rows * scores.columns);
  return out;
}

}  // namespace lyceum::engine
