// fim.h: the fill-in-the-middle transform (Bavarian et al. 2022), cut between characters as an editor's cursor cuts, then
// tokenised part by part:
//   PSM: PRE prefix SUF suffix MID middle END        SPM: PRE SUF suffix MID prefix middle END
// In SPM prefix and middle are one text, and are tokenised as the engine asks it (engine/fim.h): a token that the cut opens goes to the middle.
// The ids come from the tokenizer's own added tokens; a model without them cannot be trained this way.
#pragma once

#include <optional>
#include <string_view>

#include "base/random.h"
#include "text/tokenizer.h"
#include "tuning/data/sample.h"

namespace lyceum::tuning {

struct FimTokens {
  int32_t prefix = -1;
  int32_t suffix = -1;
  int32_t middle = -1;
};

// Knows the spellings of Qwen, StarCoder, SantaCoder, DeepSeek-Coder, Code Llama and Lyceum's own starter model.
std::optional<FimTokens> find_fim_tokens(const text::Tokenizer& tokenizer);

// The token that ends a document. Looks for the usual names, then takes fallback (the model's eos id); -1 if there is none.
int32_t document_end_token(const text::Tokenizer& tokenizer, int32_t fallback);

// The token that begins every prompt of this model (BOS), or -1.
int32_t document_begin_token(const text::Tokenizer& tokenizer);

struct FimParts {
  std::string_view prefix, middle, suffix;
};

// Two cut points uniform over the character borders of text, in order.
FimParts cut_uniform(std::string_view text, Rng& rng);
// A middle of a few whole or part lines: starts anywhere in a line, ends at a line's end. This is the shape of an
// editor's request, and it teaches the model to stop.
FimParts cut_lines(std::string_view text, Rng& rng);

// A middle that is whole code: from behind a line's indentation to the end of its block (lines indented as much or more), such as a function's
// body, or of the next few lines. Where text ends inside the block: cut_lines.
FimParts cut_block(std::string_view text, Rng& rng);

struct FimForm {
  bool spm = false;
  bool whole_tokens = true;     // SPM: as the engine asks; false: end the prefix's last token at the cut (records of before this key)
  bool middle_only = false;     // label the middle and the end token only, else all tokens
  int32_t begin = -1, end = -1; // -1: none
};
Sample fim_sample(const text::Tokenizer& tokenizer, const FimTokens& tokens, const FimParts& parts, const FimForm& form);

}  // namespace lyceum::tuning
