// code_samples.h: files into samples. A file is cut at line borders into pieces that fit the sequence, because a piece that
// is split after the transform would lose the prefix or suffix its middle belongs to. Each piece is then, with probability
// fim_rate and anew in every epoch, turned into fill-in-the-middle samples: half of the time into one, half of the time into one for each of some
// four windows that it is cut into. Small code bases have few pieces, and each sample has only one end of a middle to learn from. Else the piece
// stays left-to-right. The document-end token follows every middle and the last piece of a file, and is learned.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer.h"
#include "tuning/data/fim.h"
#include "tuning/data/sample.h"

namespace lyceum::tuning {

struct CodeSampleOptions {
  size_t sequence_length = 1024;
  double fim_rate = 0.5;
  double fim_spm_rate = 0.5;
  double fim_line_rate = 0.5;
  uint64_t fim_rules = 2;   // 1: as before windows, blocks and whole tokens (fim.h), for records of then
  uint64_t seed = 42;
  int32_t fallback_end_token = -1;   // the model's eos id
};

// Cuts text at line borders (or between characters where a line alone is too long) so that every piece has at most
// `tokens_max` tokens.
std::vector<std::string> cut_to_pieces(const text::Tokenizer& tokenizer, const std::string& text, size_t tokens_max);

// Throws Error(unprocessable) when fim_rate > 0 and the tokenizer has no FIM tokens, naming the remedy.
std::shared_ptr<const SampleSource> make_code_source(std::shared_ptr<const text::Tokenizer> tokenizer, const std::vector<std::string>& texts,
                                                     const CodeSampleOptions& options);

}  // namespace lyceum::tuning
