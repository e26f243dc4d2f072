#include "tuning/evaluate/study.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "tuning/evaluate/answers.h"
#include "tuning/evaluate/known_lines.h"

namespace lyceum::tuning {

namespace {

std::vector<StudyArm> make_arms(const StudyInputs& inputs) {
  std::vector<StudyArm> arms = {{"base", "base", "", false}, {"base_retrieval", "base + retrieval", "", true}};
  if (!inputs.placebo.empty()) {
    arms.push_back({"placebo", "placebo adapter", inputs.placebo, false});
    arms.push_back({"placebo_retrieval", "placebo adapter + retrieval", inputs.placebo, true});
  }
  arms.push_back({"adapter", "adapter", inputs.adapter, false});
  arms.push_back({"adapter_retrieval", "adapter + retrieval", inputs.adapter, true});
  return arms;
}

// Sums by file: the unit that the bootstrap draws.
std::vector<Pair> pairs_by_file(const std::vector<Score>& scores, size_t from, size_t to) {
  std::map<size_t, Pair> files;
  for (const Score& score : scores) {
    Pair& pair = files.try_emplace(score.file, Pair{0, 0, 0}).first->second;
    pair.base += score.by_arm[from];
    pair.tuned += score.by_arm[to];
    pair.weight += score.weight;
  }
  std::vector<Pair> out;
  for (const auto& [file, pair] : files) out.push_back(pair);
  return out;
}

struct MetricName {
  std::string key, title;
  bool lower_is_better = false;
};

StudyMetric summarise(const MetricName& name, const std::vector<StudyArm>& all, const std::vector<size_t>& arms, const std::vector<Score>& scores, uint64_t seed) {
  StudyMetric metric{.key = name.key, .title = name.title, .lower_is_better = name.lower_is_better, .items = scores.size(), .files = 0, .arms = {}, .contrasts = {}};
  const auto figure = [&](size_t from, size_t to) { return StudyContrast{arms[from], arms[to], paired_bootstrap(pairs_by_file(scores, from, to), seed)}; };
  for (size_t i = 0; i < arms.size(); ++i) metric.arms.push_back(figure(0, i));
  metric.files = metric.arms[0].figure.items;
  const auto place = [&](std::string_view key) { return std::find_if(arms.begin(), arms.end(), [&](size_t arm) { return all[arm].key == key; }) - arms.begin(); };
  constexpr std::pair<std::string_view, std::string_view> kContrasts[] = {
      {"placebo", "adapter"}, {"base_retrieval", "adapter"}, {"base_retrieval", "adapter_retrieval"}, {"placebo_retrieval", "adapter_retrieval"}};
  for (const auto& [from, to] : kContrasts) {
    const auto a = static_cast<size_t>(place(from)), b = static_cast<size_t>(place(to));
    if (a < arms.size() && b < arms.size()) metric.contrasts.push_back(figure(a, b));
  }
  return metric;
}

// Questions with the answers of every arm, and what the answers are measured with.
class Answers {
 public:
  Answers(std::vector<Span> spans, std::vector<std::vector<Answer>> answers) : spans_(std::move(spans)), answers_(std::move(answers)) {}

  // measure(span, answer) of those spans for which wanted(span) holds.
  template <typename Wanted, typename Measured>
  std::vector<Score> scores(Wanted wanted, Measured measure) const {
    std::vector<Score> out;
    for (size_t i = 0; i < spans_.size(); ++i) {
      if (!wanted(spans_[i])) continue;
      Score& score = out.emplace_back(Score{.file = spans_[i].file, .weight = 1, .by_arm = {}});
      for (const Answer& answer : answers_[i]) score.by_arm.push_back(measure(spans_[i], answer));
    }
    return out;
  }

  std::vector<Score> exact(SpanKind kind) const {
    return scores([&](const Span& span) { return span.kind == kind; },
                  [](const Span& span, const Answer& answer) { return answer_part(answer.text, span.item.middle) == trimmed(span.item.middle) ? 1.0 : 0.0; });
  }
  std::vector<Score> similar(SpanKind kind) const {
    return scores([&](const Span& span) { return span.kind == kind; },
                  [](const Span& span, const Answer& answer) { return edit_similarity(answer_part(answer.text, span.item.middle), trimmed(span.item.middle)); });
  }
  std::vector<Score> names(const std::set<std::string>* only) const {
    return scores([&](const Span& span) { return !identifiers(span.item.middle, only).empty(); },
                  [&](const Span& span, const Answer& answer) { return multiset_f1(identifiers(answer_part(answer.text, span.item.middle), only), identifiers(span.item.middle, only)); });
  }
  std::vector<Score> ended() const {
    return scores([](const Span&) { return true; }, [](const Span&, const Answer& answer) { return answer.ended ? 1.0 : 0.0; });
  }

  // Whether the statement around the cursor parses with the answer in it, of those that parse as they were written. Empty without python3.
  std::vector<Score> parsed(const std::vector<CodeFile>& files) const {
    std::vector<std::string> texts;
    std::vector<size_t> asked;
    for (size_t i = 0; i < spans_.size(); ++i) {
      if (!files[spans_[i].file].path.ends_with(".py")) continue;
      const Enclosing part = enclosing_statement(spans_[i].item.prefix, spans_[i].item.suffix);
      const auto add = [&](std::string_view middle) { texts.push_back(std::string(part.prefix) + std::string(middle) + std::string(part.suffix)); };
      add(spans_[i].item.middle);
      for (const Answer& answer : answers_[i]) add(answer_part(answer.text, spans_[i].item.middle));
      asked.push_back(i);
    }
    const auto good = parse_python(texts);
    std::vector<Score> out;
    size_t at = 0;
    for (const size_t i : asked) {
      const size_t first = at;
      at += 1 + answers_[i].size();
      if (!good || !(*good)[first]) continue;
      Score& score = out.emplace_back(Score{.file = spans_[i].file, .weight = 1, .by_arm = {}});
      for (size_t arm = first + 1; arm < at; ++arm) score.by_arm.push_back((*good)[arm] ? 1.0 : 0.0);
    }
    return out;
  }

 private:
  std::vector<Span> spans_;
  std::vector<std::vector<Answer>> answers_;
};

std::set<std::string> names_defined_in(const std::vector<CodeFile>& files) {
  std::set<std::string> out;
  for (const CodeFile& file : files) out.merge(defined_names(file.text));
  return out;
}

std::vector<std::vector<uint8_t>> all_lines(const std::vector<CodeFile>& files) {
  std::vector<std::vector<uint8_t>> out;
  for (const CodeFile& file : files) out.emplace_back(split_lines(file.text).size(), uint8_t{1});
  return out;
}

constexpr std::string_view title_of(SpanKind kind) noexcept {
  constexpr std::string_view kTitles[] = {"rest of a line", "whole line", "block of 2 to 5 lines", "function body"};
  return kTitles[static_cast<size_t>(kind)];
}

struct Changes {
  std::vector<CodeFile> files;   // with new lines
  std::vector<std::vector<uint8_t>> is_new;
};

Changes find_changes(const StudyInputs& inputs, Study& study) {
  const KnownLines known(inputs.learned);
  Changes out;
  for (const CodeFile& file : inputs.future) {
    auto lines = known.find_new(file.text);
    const auto count = static_cast<size_t>(std::count(lines.begin(), lines.end(), uint8_t{1}));
    if (count == 0) continue;
    const auto spans = split_lines(file.text);
    for (size_t i = 0; i < spans.size(); ++i) study.new_bytes += lines[i] != 0 ? spans[i].end - spans[i].begin : 0;
    study.new_lines += count;
    out.files.push_back(file);
    out.is_new.push_back(std::move(lines));
  }
  study.future_files = out.files.size();
  return out;
}

std::vector<Span> all_spans(const Changes& changes, const StudyOptions& options) {
  std::vector<Span> spans;
  for (const SpanKind kind : kSpanKinds) {
    for (Span& span : make_spans(changes.files, changes.is_new, kind, options.items, options.seed)) spans.push_back(std::move(span));
  }
  return spans;
}

json::array answers_json(const std::vector<Span>& spans, const std::vector<std::vector<Answer>>& answers, const std::vector<CodeFile>& files, const std::vector<StudyArm>& arms) {
  json::array out;
  for (size_t i = 0; i < answers.size(); ++i) {
    json::object by_arm;
    for (size_t arm = 0; arm < arms.size(); ++arm) by_arm[arms[arm].key] = json::object{{"text", answers[i][arm].text}, {"ended", answers[i][arm].ended}};
    out.push_back(json::object{{"kind", span_name(spans[i].kind)}, {"file", files[spans[i].file].path}, {"offset", spans[i].item.prefix.size()}, {"written", spans[i].item.middle}, {"answers", by_arm}});
  }
  return out;
}

json::object contrast_json(const StudyContrast& contrast, const std::vector<StudyArm>& arms, bool against_base) {
  const Figure& figure = contrast.figure;
  json::object out;
  if (against_base) {
    out = {{"arm", arms[contrast.to].key}, {"value", figure.tuned}};
  } else {
    out = {{"from", arms[contrast.from].key}, {"to", arms[contrast.to].key}};
  }
  out["difference"] = figure.difference;
  out["interval_95"] = json::array{figure.low, figure.high};
  return out;
}

}  // namespace

Study run_study(engine::Engine& engine, const StudyInputs& inputs, const StudyOptions& options, const std::function<void(size_t, size_t)>& progress) {
  if (options.window < 64 || options.window > engine.context()) {
    throw Error(Code::invalid_argument, "a study's window is at least 64 tokens and at most the model's context of " + std::to_string(engine.context()));
  }
  Study study;
  study.arms = make_arms(inputs);
  const Changes changes = find_changes(inputs, study);
  if (changes.files.empty()) throw Error(Code::unprocessable, "no line is new against what the adapter learned: there is nothing to measure on");
  const Bm25 index(inputs.learned, std::clamp<size_t>(options.window / 85, 4, 20));   // two or three pieces fit what is kept for them
  std::vector<Span> spans = all_spans(changes, options);
  size_t done = 0;
  const size_t total = options.pieces + (inputs.generic.empty() ? 0 : options.pieces / 2) + spans.size();   // at most
  const std::function<void()> step = [&] { progress ? progress(++done, total) : void(); };
  StudyMeasure measure(engine, study.arms, index, StudyWindow(options.window), step);

  std::vector<size_t> every(study.arms.size()), without_retrieval;
  for (size_t i = 0; i < every.size(); ++i) {
    every[i] = i;
    if (!study.arms[i].retrieval) without_retrieval.push_back(i);
  }
  const auto add = [&](const MetricName& name, const std::vector<size_t>& arms, const std::vector<Score>& scores) {
    if (!scores.empty()) study.metrics.push_back(summarise(name, study.arms, arms, scores, options.seed));
  };
  add({"bits_per_byte_new", "Bits per byte of new lines", true}, every, measure.score_lines(changes.files, changes.is_new, every, options.pieces, options.seed));
  auto asked = measure.ask(spans, options.fim);
  study.answers = answers_json(spans, asked, changes.files, study.arms);
  if (!asked.empty()) {
    const Answers answers(std::move(spans), std::move(asked));
    for (const SpanKind kind : kSpanKinds) add({"exact_" + std::string(span_name(kind)), "Exact match, " + std::string(title_of(kind)), false}, every, answers.exact(kind));
    for (const SpanKind kind : kSpanKinds) add({"similarity_" + std::string(span_name(kind)), "Edit similarity, " + std::string(title_of(kind)), false}, every, answers.similar(kind));
    const auto defined = names_defined_in(inputs.learned);
    add({"identifier_f1", "Identifier F1", false}, every, answers.names(nullptr));
    add({"own_identifier_f1", "Identifier F1, names the code base defines", false}, every, answers.names(&defined));
    add({"parse_rate", "Answers with which the statement parses", false}, every, answers.parsed(changes.files));
    add({"stop_rate", "Answers that ended by themselves", false}, every, answers.ended());
  }
  add({"bits_per_byte_generic", "Bits per byte of generic code (what was forgotten)", true}, without_retrieval, measure.score_lines(inputs.generic, all_lines(inputs.generic), without_retrieval, options.pieces / 2, options.seed));
  return study;
}

json::object study_json(const Study& study) {
  json::array arms, metrics;
  for (const StudyArm& arm : study.arms) arms.push_back(json::object{{"key", arm.key}, {"name", arm.name}, {"retrieval", arm.retrieval}});
  for (const StudyMetric& metric : study.metrics) {
    json::array by_arm, contrasts;
    for (const StudyContrast& contrast : metric.arms) by_arm.push_back(contrast_json(contrast, study.arms, true));
    for (const StudyContrast& contrast : metric.contrasts) contrasts.push_back(contrast_json(contrast, study.arms, false));
    metrics.push_back(json::object{{"key", metric.key}, {"title", metric.title}, {"lower_is_better", metric.lower_is_better}, {"items", metric.items}, {"files", metric.files},
                                   {"arms", by_arm}, {"contrasts", contrasts}});
  }
  return {{"schema", "lyceum-study/1"}, {"arms", arms}, {"measured_on", json::object{{"files", study.future_files}, {"new_lines", study.new_lines}, {"new_bytes", study.new_bytes}}}, {"metrics", metrics}};
}

}  // namespace lyceum::tuning
