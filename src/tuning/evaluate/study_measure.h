// study_measure.h: asks the engine the same questions under every arm of a study.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tuning/evaluate/bm25.h"
#include "tuning/evaluate/spans.h"

namespace lyceum::tuning {

struct StudyArm {
  std::string key, name;    // "adapter_retrieval", "adapter + retrieval"
  std::string adapter;      // its name in the engine; empty = base
  bool retrieval = false;
};

// One item's result under some arms: a sum, to be divided by the weight.
struct Score {
  size_t file = 0;
  double weight = 0;
  std::vector<double> by_arm;
};

struct Answer {
  std::string text;
  bool ended = false;   // by itself, before it was cut
};

// What a question is made of, in tokens. Together they fill the window, so that no arm sees more than the model was trained on.
struct StudyWindow {
  explicit StudyWindow(size_t window) : in_file(window * 3 / 8), retrieved(window / 4 - kSpecials), answer(window * 3 / 8), scored(window / 2), before(window / 4) {}
  static constexpr size_t kSpecials = 8;   // begin, fill-in-the-middle tokens and the lines between retrieved pieces
  size_t in_file, retrieved, answer;       // of a fill-in-the-middle question
  size_t scored, before;                   // of a piece that is scored: itself, and what precedes it in its file
};

class StudyMeasure {
 public:
  // step() after every answered span and every scored piece. All references must outlive this.
  StudyMeasure(engine::Engine& engine, const std::vector<StudyArm>& arms, const Bm25& index, const StudyWindow& window, const std::function<void()>& step);

  // Bits under each of `arms` (indices), over the bytes they were spent on: of the lines that are new, one score a piece of a file.
  // At most `count` pieces, drawn evenly from all that hold a new line; the same for a seed.
  std::vector<Score> score_lines(const std::vector<CodeFile>& files, const std::vector<std::vector<uint8_t>>& is_new, const std::vector<size_t>& arms, size_t count, uint64_t seed);
  // The answers of every arm to every span. Empty when the model knows no fill-in-the-middle.
  std::vector<std::vector<Answer>> ask(const std::vector<Span>& spans, const engine::FimOptions& form);

 private:
  std::vector<int32_t> encode(std::string_view text) const;
  std::string retrieve(std::string_view query, std::string_view in_file) const;
  struct Piece;
  std::vector<Piece> pieces_with_new_lines(const std::vector<CodeFile>& files, const std::vector<std::vector<uint8_t>>& is_new) const;
  Score score_piece(const Piece& piece, const CodeFile& file, const std::vector<size_t>& arms);
  double bits_after(std::vector<int32_t> lead, const std::vector<int32_t>& scored, const std::vector<size_t>& counted, const std::string& adapter);
  Answer complete(const engine::FimPrompt& prompt, const std::vector<int32_t>& stops, SpanKind kind, const std::string& adapter);

  engine::Engine& engine_;
  const std::vector<StudyArm>& arms_;
  const Bm25& index_;
  StudyWindow window_;
  const std::function<void()>& step_;
};

}  // namespace lyceum::tuning
