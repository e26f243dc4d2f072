#include "tuning/evaluate/study_measure.h"

#include <algorithm>
#include <future>
#include <numbers>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "tuning/data/code_samples.h"
#include "tuning/evaluate/known_lines.h"
#include "tuning/evaluate/window.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kQueryLinesBefore = 12, kQueryLinesAfter = 6;
constexpr size_t kPiecesLookedAt = 24;

std::string_view last_lines(std::string_view text, size_t count) {
  size_t at = text.size();
  while (count > 0 && at > 0) {
    const size_t newline = text.rfind('\n', at - 1);
    at = newline == std::string_view::npos ? 0 : newline;
    --count;
  }
  return text.substr(at);
}

std::string_view first_lines(std::string_view text, size_t count) {
  size_t at = 0;
  for (; count > 0 && at < text.size(); --count) at = std::min(text.find('\n', at), text.size() - 1) + 1;
  return text.substr(0, at);
}

void add_lines(std::string_view text, std::set<std::string_view>& lines) {
  for (const LineSpan& span : split_lines(text)) {
    if (const auto line = trimmed(text.substr(span.begin, span.end - span.begin)); !line.empty()) lines.insert(line);
  }
}

// More than half of its lines stand there already: it would tell the model nothing.
bool mostly_in(std::string_view piece, const std::set<std::string_view>& lines) {
  std::set<std::string_view> own;
  add_lines(piece, own);
  const auto shared = std::count_if(own.begin(), own.end(), [&](std::string_view line) { return lines.contains(line); });
  return static_cast<size_t>(shared) * 2 > own.size();
}

// Runs task(i) for every i at once; the engine takes them as one batch.
template <typename Result, typename Task>
std::vector<Result> at_once(size_t count, Task task) {
  std::vector<std::future<Result>> running;
  for (size_t i = 0; i < count; ++i) running.push_back(std::async(std::launch::async, task, i));
  std::vector<Result> out;
  for (auto& one : running) out.push_back(one.get());
  return out;
}

}  // namespace

struct StudyMeasure::Piece {
  size_t file = 0, begin = 0;
  std::vector<uint8_t> fresh;   // its bytes: 1 = of a new line
};

StudyMeasure::StudyMeasure(engine::Engine& engine, const std::vector<StudyArm>& arms, const Bm25& index, const StudyWindow& window, const std::function<void()>& step)
    : engine_(engine), arms_(arms), index_(index), window_(window), step_(step) {}

std::vector<int32_t> StudyMeasure::encode(std::string_view text) const { return engine_.tokenizer().encode(text, {.add_special_tokens = false, .parse_special = false}); }

std::string StudyMeasure::retrieve(std::string_view query, std::string_view in_file) const {
  std::set<std::string_view> known;
  add_lines(in_file, known);
  std::string out;
  size_t tokens = 0;
  for (const std::string_view piece : index_.search(query, kPiecesLookedAt)) {
    if (mostly_in(piece, known)) continue;
    const size_t more = plain_tokens(engine_.tokenizer(), piece) + 1;
    if (tokens + more > window_.retrieved) continue;
    tokens += more;
    add_lines(piece, known);
    out = std::string(piece) + "\n\n" + out;   // the best stands nearest to the cursor
  }
  return out;
}

// Of the tokens scored[counted], which follow `lead`.
double StudyMeasure::bits_after(std::vector<int32_t> lead, const std::vector<int32_t>& scored, const std::vector<size_t>& counted, const std::string& adapter) {
  const size_t first = lead.size();
  lead.insert(lead.end(), scored.begin(), scored.end());
  const std::vector<float> scores = engine_.score(lead, adapter);   // scores[k] is of token k + 1
  double bits = 0;
  for (const size_t k : counted) bits -= double{scores[first + k - 1]} / std::numbers::ln2;
  return bits;
}

Score StudyMeasure::score_piece(const Piece& piece, const CodeFile& file, const std::vector<size_t>& arms) {
  const std::string_view text = file.text;
  Score score{.file = piece.file, .weight = 0, .by_arm = std::vector<double>(arms.size())};
  const std::string_view before = tail_of(engine_.tokenizer(), text.substr(0, piece.begin), window_.before);
  const auto scored = encode(text.substr(piece.begin, piece.fresh.size()));
  std::vector<size_t> counted;   // a token belongs to the line of its last byte; one that nothing precedes is not predicted
  size_t at = 0;
  for (size_t k = 0; k < scored.size(); ++k) {
    const size_t size = token_bytes(engine_.tokenizer(), scored[k]).size();
    at += size;
    if (size == 0 || at > piece.fresh.size() || piece.fresh[at - 1] == 0 || (k == 0 && before.empty())) continue;
    counted.push_back(k);
    score.weight += static_cast<double>(size);
  }
  if (counted.empty()) return score;
  const std::string_view query = last_lines(before, kQueryLinesBefore);
  std::vector<int32_t> plain, with = encode(retrieve(trimmed(query).empty() ? std::string_view(file.path) : query, before));
  const auto own = encode(before);
  plain.insert(plain.end(), own.begin(), own.end());
  with.insert(with.end(), own.begin(), own.end());
  if (const int32_t first = document_begin_token(engine_.tokenizer()); first >= 0) {
    plain.insert(plain.begin(), first);
    with.insert(with.begin(), first);
  }
  score.by_arm = at_once<double>(arms.size(), [&](size_t i) { return bits_after(arms_[arms[i]].retrieval ? with : plain, scored, counted, arms_[arms[i]].adapter); });
  return score;
}

std::vector<StudyMeasure::Piece> StudyMeasure::pieces_with_new_lines(const std::vector<CodeFile>& files, const std::vector<std::vector<uint8_t>>& is_new) const {
  std::vector<Piece> out;
  for (size_t file = 0; file < files.size(); ++file) {
    const std::string& text = files[file].text;
    std::vector<uint8_t> fresh(text.size(), 0);
    const auto lines = split_lines(text);
    for (size_t i = 0; i < lines.size(); ++i) {
      if (is_new[file][i] != 0) std::fill(fresh.begin() + static_cast<ptrdiff_t>(lines[i].begin), fresh.begin() + static_cast<ptrdiff_t>(std::min(lines[i].end + 1, text.size())), uint8_t{1});
    }
    auto at = fresh.begin();
    for (const std::string& piece : cut_to_pieces(engine_.tokenizer(), text, window_.scored)) {
      const auto end = at + static_cast<ptrdiff_t>(piece.size());
      if (std::find(at, end, uint8_t{1}) != end) out.push_back({file, static_cast<size_t>(at - fresh.begin()), std::vector<uint8_t>(at, end)});
      at = end;
    }
  }
  return out;
}

std::vector<Score> StudyMeasure::score_lines(const std::vector<CodeFile>& files, const std::vector<std::vector<uint8_t>>& is_new, const std::vector<size_t>& arms, size_t count, uint64_t seed) {
  std::vector<Piece> pieces = pieces_with_new_lines(files, is_new);
  Rng rng(seed ^ 0x9e3779b9ULL);
  for (size_t i = 0; i < std::min(count, pieces.size()); ++i) std::swap(pieces[i], pieces[i + rng.below(pieces.size() - i)]);
  pieces.resize(std::min(count, pieces.size()));
  std::vector<Score> out;
  for (const Piece& piece : pieces) {
    if (Score score = score_piece(piece, files[piece.file], arms); score.weight > 0) out.push_back(std::move(score));
    step_();
  }
  return out;
}

Answer StudyMeasure::complete(const engine::FimPrompt& prompt, const std::vector<int32_t>& stops, SpanKind kind, const std::string& adapter) {
  engine::GenerateRequest request;
  request.prompt = prompt.ids;
  request.given = prompt.given;
  request.adapter = adapter;
  request.sampling.temperature = 0;
  request.sampling.top_logprobs = -1;
  const bool short_answer = kind == SpanKind::rest_of_line || kind == SpanKind::line;
  request.max_tokens = static_cast<uint32_t>(short_answer ? std::min<size_t>(window_.answer, 64) : window_.answer);
  request.stop_ids = stops;
  Answer answer;
  const auto result = engine_.generate(request, [&](const engine::GeneratedToken& token) {
    answer.text += token.text;
    return true;
  });
  if (result.finish == engine::Finish::error) throw Error(Code::internal, "the engine failed during the study: " + result.error);
  answer.ended = result.finish == engine::Finish::stop;
  return answer;
}

std::vector<std::vector<Answer>> StudyMeasure::ask(const std::vector<Span>& spans, const engine::FimOptions& form) {
  std::vector<std::vector<Answer>> out;
  const text::Tokenizer& tokenizer = engine_.tokenizer();
  for (const Span& span : spans) {
    const std::string prefix(tail_of(tokenizer, span.item.prefix, window_.in_file * 3 / 4));
    const std::string suffix(head_of(tokenizer, span.item.suffix, window_.in_file / 4));
    const std::string query = std::string(last_lines(prefix, kQueryLinesBefore)) + "\n" + std::string(first_lines(suffix, kQueryLinesAfter));
    std::vector<int32_t> stops;
    const auto plain = engine_.find_fim_prompt(prefix, suffix, form, stops);
    if (!plain) return {};
    const std::string in_file = prefix + suffix;   // retrieve() keeps views of it while it runs
    const auto with = engine_.find_fim_prompt(retrieve(query, in_file) + prefix, suffix, form, stops);
    out.push_back(at_once<Answer>(arms_.size(), [&](size_t i) { return complete(arms_[i].retrieval ? *with : *plain, stops, span.kind, arms_[i].adapter); }));
    step_();
  }
  return out;
}

}  // namespace lyceum::tuning
