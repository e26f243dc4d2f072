// study.h: did tuning on a code base's past help with its future? Six arms answer the same questions:
//
//   base        base + retrieval        what there is without tuning
//   placebo     placebo + retrieval     an adapter of the same recipe and the same number of steps, trained on another code base
//   adapter     adapter + retrieval     the adapter under test
//
// Retrieval is BM25 over the code that the adapter learned. What is measured lies in lines that are new against that code (known_lines.h):
//   bits per byte; fill in the middle by the shape of the span (spans.h): exact match and edit similarity; over all spans: F1 of
//   identifiers, and of those that the code base defines, share of answers with which the statement parses, share that ended by themselves;
//   and, for what was forgotten, bits per byte of generic code.
// Intervals: paired bootstrap of the difference, files drawn with all their items, because lines of one file are not independent.
#pragma once

#include "tuning/evaluate/study_measure.h"

namespace lyceum::tuning {

struct StudyInputs {
  std::vector<CodeFile> learned, future;
  std::vector<CodeFile> generic;   // may be empty: nothing is said of what was forgotten
  std::string adapter, placebo;    // their names in the engine; no placebo: four arms
};

struct StudyOptions {
  size_t window = 512;             // tokens of a question with its answer
  size_t items = 100;              // of each kind of span
  size_t pieces = 150;             // of half a window, that are scored; of generic code: half as many
  engine::FimOptions fim;          // how fill in the middle is asked
  uint64_t seed = 42;
};

struct StudyContrast {
  size_t from = 0, to = 0;         // arms
  Figure figure;                   // difference: to - from
};

struct StudyMetric {
  std::string key, title;
  bool lower_is_better = false;
  size_t items = 0, files = 0;
  std::vector<StudyContrast> arms;        // each arm that was measured against base (the first: base against itself)
  std::vector<StudyContrast> contrasts;   // adapter against placebo, both with retrieval against retrieval alone, and so on
};

struct Study {
  std::vector<StudyArm> arms;
  size_t future_files = 0, new_lines = 0;
  uint64_t new_bytes = 0;
  std::vector<StudyMetric> metrics;
  json::array answers;   // every fill-in-the-middle question with what was written and what each arm answered: holds the code itself
};

// Throws Error(unprocessable) when no line of the future is new or the window does not fit the model's context.
Study run_study(engine::Engine& engine, const StudyInputs& inputs, const StudyOptions& options, const std::function<void(size_t, size_t)>& progress = {});
json::object study_json(const Study& study);

}  // namespace lyceum::tuning
