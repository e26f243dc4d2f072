// compare.h: does the adapter help on files that neither arm was trained on? Base and adapter answer the same questions through the
// same engine that will serve them:
//   bits per byte     of the held-out files, a piece at a time: tokeniser-independent, lower is better
//   bits per token    of held-out chats: the assistant's turns only, lower is better
//   fill in the middle  of single lines and of blocks of lines, greedy: exact match and edit similarity (0..1), higher is better
// Every figure carries a paired 95 % bootstrap interval of the difference.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tuning/data/code_files.h"
#include "tuning/data/sample.h"
#include "tuning/evaluate/bootstrap.h"

namespace lyceum::tuning {

struct CompareOptions {
  size_t piece_tokens = 512;     // length of the pieces that are scored, at most the model's context
  size_t line_items = 150;
  size_t block_items = 50;
  size_t prompt_tokens = 384;    // of a FIM prompt: three quarters before the cursor, one after
  uint64_t seed = 42;
};

struct Comparison {
  size_t files = 0;
  uint64_t bytes = 0;
  Figure bits_per_byte;
  bool has_fim = false;          // the model knows FIM
  Figure line_exact, line_similarity, block_exact, block_similarity;
};

// progress(done, total) after every item. Throws Error(unprocessable) when there is no held-out file.
Comparison compare(engine::Engine& engine, const std::string& adapter, const std::vector<CodeFile>& held_out, const CompareOptions& options,
                   const std::function<void(size_t, size_t)>& progress = {});
// Chats and other samples: bits per labelled token of both arms, a pair a sample. Samples longer than the context are cut.
// Throws Error(unprocessable) when no token is labelled.
Figure compare_samples(engine::Engine& engine, const std::string& adapter, const SampleSource& samples, uint64_t seed,
                       const std::function<void(size_t, size_t)>& progress = {});
json::object comparison_json(const Comparison& comparison);

struct FimItem {
  std::string prefix, middle, suffix;
};
// Items spread over the files, the same for a seed. lines = 1 for single lines, more for blocks of 2..lines lines; the middle begins
// after the indentation of its first line and ends before the newline of its last.
std::vector<FimItem> make_fim_items(const std::vector<CodeFile>& files, size_t count, size_t lines, uint64_t seed);

// 1 - Levenshtein distance / longer length, over bytes.
double edit_similarity(std::string_view a, std::string_view b);

}  // namespace lyceum::tuning
