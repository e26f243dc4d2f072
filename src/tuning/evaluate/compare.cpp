#include "tuning/evaluate/compare.h"

#include "tuning/edit_distance.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <optional>

#include "base/error.h"
#include "base/random.h"
#include "tuning/data/code_samples.h"
#include "tuning/evaluate/answers.h"
#include "tuning/evaluate/known_lines.h"
#include "tuning/evaluate/window.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kLineTokens = 48;
constexpr size_t kBlockTokens = 160;
constexpr size_t kBlockLinesMax = 5;

double sum_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum;
}

class Arena {
 public:
  Arena(engine::Engine& engine, const std::string& adapter, const CompareOptions& options, const std::function<void(size_t, size_t)>& progress)
      : engine_(engine), adapter_(adapter), options_(options), progress_(progress) {}

  void expect(size_t items) { total_ += items; }

  // One pair per file: nats of both arms, over the bytes they were spent on.
  std::vector<Pair> score_files(const std::vector<CodeFile>& files) {
    std::vector<Pair> pairs;
    const size_t context = engine_.decoder().config.context;
    for (const CodeFile& file : files) {
      Pair pair{.base = 0, .tuned = 0, .weight = 0};
      for (const std::string& piece : cut_to_pieces(engine_.tokenizer(), file.text, std::min(options_.piece_tokens, context) - 1)) score_piece(piece, pair);
      if (pair.weight > 0) pairs.push_back(pair);
      step();
    }
    return pairs;
  }

  // False when the model has no FIM tokens.
  bool run_items(const std::vector<FimItem>& items, size_t tokens_max, std::vector<Pair>& exact, std::vector<Pair>& similarity) {
    for (const FimItem& item : items) {
      std::vector<int32_t> stops;
      const auto prompt = engine_.find_fim_prompt(tail_of(engine_.tokenizer(), item.prefix, options_.prompt_tokens * 3 / 4),
                                                  head_of(engine_.tokenizer(), item.suffix, options_.prompt_tokens / 4), {.order = engine_.fim_order()}, stops);
      if (!prompt) return false;
      const std::string base = complete(*prompt, stops, tokens_max, ""), tuned = complete(*prompt, stops, tokens_max, adapter_);
      exact.push_back({same(base, item.middle) ? 1.0 : 0.0, same(tuned, item.middle) ? 1.0 : 0.0, 1});
      similarity.push_back({likeness(base, item.middle), likeness(tuned, item.middle), 1});
      step();
    }
    return true;
  }

 private:
  void step() {
    if (progress_) progress_(++done_, total_);
  }

  void score_piece(const std::string& piece, Pair& pair) {
    const text::Tokenizer& tokenizer = engine_.tokenizer();
    std::vector<int32_t> ids;
    size_t free_bytes = 0;   // of the first token, which nothing precedes
    if (const int32_t begin = document_begin_token(tokenizer); begin >= 0) ids.push_back(begin);
    const auto text = tokenizer.encode(piece, {.add_special_tokens = false, .parse_special = false});
    if (ids.empty() && !text.empty()) free_bytes = tokenizer.decode(std::span(text).first(1), false).size();
    ids.insert(ids.end(), text.begin(), text.end());
    if (ids.size() < 2) return;
    pair.base -= sum_of(engine_.score(ids)) / std::numbers::ln2;
    pair.tuned -= sum_of(engine_.score(ids, adapter_)) / std::numbers::ln2;
    pair.weight += static_cast<double>(piece.size() - std::min(piece.size(), free_bytes));
  }

  std::string complete(const engine::FimPrompt& prompt, const std::vector<int32_t>& stops, size_t tokens_max, const std::string& adapter) {
    engine::GenerateRequest request;
    request.prompt = prompt.ids;
    request.given = prompt.given;
    request.adapter = adapter;
    request.sampling.temperature = 0;
    request.max_tokens = static_cast<uint32_t>(tokens_max);
    request.stop_ids = stops;
    std::string out;
    const auto result = engine_.generate(request, [&](const engine::GeneratedToken& token) {
      out += token.text;
      return true;
    });
    if (result.finish == engine::Finish::error) throw Error(Code::internal, "the engine failed during the comparison: " + result.error);
    return out;
  }

  static bool same(const std::string& output, const std::string& wanted) { return answer_part(output, wanted) == trimmed(wanted); }
  static double likeness(const std::string& output, const std::string& wanted) { return edit_similarity(answer_part(output, wanted), trimmed(wanted)); }

  engine::Engine& engine_;
  const std::string& adapter_;
  const CompareOptions& options_;
  const std::function<void(size_t, size_t)>& progress_;
  size_t done_ = 0, total_ = 0;
};

// Offsets where each line begins.
std::vector<size_t> line_starts(const std::string& text) {
  std::vector<size_t> starts;
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) == std::string::npos ? text.size() : text.find('\n', at) + 1) starts.push_back(at);
  return starts;
}

std::optional<FimItem> try_item(const std::string& text, size_t lines, Rng& rng) {
  const auto starts = line_starts(text);
  const size_t wanted = lines == 1 ? 1 : 2 + rng.below(lines - 1);
  if (starts.size() < wanted + 4) return std::nullopt;
  const size_t line = 2 + rng.below(starts.size() - wanted - 2);
  const size_t cursor = text.find_first_not_of(" \t", starts[line]);
  size_t end = line + wanted < starts.size() ? starts[line + wanted] - 1 : text.size();
  if (cursor == std::string::npos || cursor >= end || text[cursor] == '\n') return std::nullopt;
  while (end > cursor && (text[end - 1] == '\n' || text[end - 1] == ' ')) --end;
  if (end - cursor < 4 || end - cursor > 600) return std::nullopt;
  return FimItem{text.substr(0, cursor), text.substr(cursor, end - cursor), text.substr(end)};
}

}  // namespace

std::vector<FimItem> make_fim_items(const std::vector<CodeFile>& files, size_t count, size_t lines, uint64_t seed) {
  std::vector<FimItem> items;
  Rng rng(seed + lines);
  for (size_t attempt = 0; attempt < count * 20 && items.size() < count && !files.empty(); ++attempt) {
    if (auto item = try_item(files[attempt % files.size()].text, lines, rng)) items.push_back(std::move(*item));
  }
  return items;
}

double edit_similarity(std::string_view a, std::string_view b) {
  const size_t longer = std::max(a.size(), b.size());
  if (longer == 0) return 1.0;
  return 1.0 - static_cast<double>(edit_distance(a, b)) / static_cast<double>(longer);
}

Comparison compare(engine::Engine& engine, const std::string& adapter, const std::vector<CodeFile>& held_out, const CompareOptions& options,
                   const std::function<void(size_t, size_t)>& progress) {
  if (held_out.empty()) throw Error(Code::unprocessable, "there is no held-out file to compare on: tune with val_size above 0");
  Comparison out;
  out.files = held_out.size();
  for (const CodeFile& file : held_out) out.bytes += file.text.size();
  const auto line_items = make_fim_items(held_out, options.line_items, 1, options.seed);
  const auto block_items = make_fim_items(held_out, options.block_items, kBlockLinesMax, options.seed);
  Arena arena(engine, adapter, options, progress);
  arena.expect(held_out.size() + line_items.size() + block_items.size());
  out.bits_per_byte = paired_bootstrap(arena.score_files(held_out), options.seed);
  std::vector<Pair> exact, similarity;
  out.has_fim = arena.run_items(line_items, kLineTokens, exact, similarity);
  out.line_exact = paired_bootstrap(exact, options.seed);
  out.line_similarity = paired_bootstrap(similarity, options.seed);
  exact.clear();
  similarity.clear();
  if (out.has_fim) arena.run_items(block_items, kBlockTokens, exact, similarity);
  out.block_exact = paired_bootstrap(exact, options.seed);
  out.block_similarity = paired_bootstrap(similarity, options.seed);
  return out;
}

Figure compare_samples(engine::Engine& engine, const std::string& adapter, const SampleSource& samples, uint64_t seed,
                       const std::function<void(size_t, size_t)>& progress) {
  const auto bits = [&](const Sample& sample, const std::string& name) {
    const std::vector<float> scores = engine.score(sample.ids, name);   // scores[i] is of token i + 1
    double sum = 0;
    for (size_t i = 0; i < scores.size(); ++i) sum -= sample.labelled[i + 1] ? double{scores[i]} : 0.0;
    return sum / std::numbers::ln2;
  };
  std::vector<Pair> pairs;
  for (size_t i = 0; i < samples.count(); ++i) {
    Sample sample = samples.make(i, 0);
    const size_t length = std::min<size_t>(sample.ids.size(), engine.decoder().config.context);
    sample.ids.resize(length);
    sample.labelled.resize(length);
    if (const size_t labels = sample.labels(); labels > 0) pairs.push_back({bits(sample, ""), bits(sample, adapter), static_cast<double>(labels)});
    if (progress) progress(i + 1, samples.count());
  }
  if (pairs.empty()) throw Error(Code::unprocessable, "no held-out sample has a labelled token to compare on");
  return paired_bootstrap(pairs, seed);
}

json::object comparison_json(const Comparison& comparison) {
  json::object out = {{"files", comparison.files}, {"bytes", comparison.bytes}, {"bits_per_byte", figure_json(comparison.bits_per_byte)}};
  if (!comparison.has_fim) return out;
  out["fim_line_exact_match"] = figure_json(comparison.line_exact);
  out["fim_line_edit_similarity"] = figure_json(comparison.line_similarity);
  out["fim_block_exact_match"] = figure_json(comparison.block_exact);
  out["fim_block_edit_similarity"] = figure_json(comparison.block_similarity);
  return out;
}

}  // namespace lyceum::tuning
