// fim.h: fill-in-the-middle prompts of the code models that have special tokens for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace lyceum::engine {

//   prefix_first   PRE prefix SUF suffix MID            what the families are asked for; the answer looks back over the suffix
//   suffix_first   PRE SUF suffix MID prefix            the answer goes on where the prefix ends, as plain text does
// Which one a model answers better is a fact of it: "fim_order" in its config.json, prefix_first where that says nothing.
enum class FimOrder : uint8_t { prefix_first, suffix_first };
std::string_view fim_order_name(FimOrder order) noexcept;                           // "prefix_first", …
std::optional<FimOrder> find_fim_order(std::string_view name) noexcept;

struct FimPrompt {
  std::vector<int32_t> ids;
  std::string given;   // the end of the prefix that `ids` leaves out; the answer must begin with it (GenerateRequest::given)
};

struct FimOptions {
  FimOrder order = FimOrder::prefix_first;
  bool whole_tokens = true;   // suffix first: leave the prefix's last token open (whole_tokens_end), else end it at the cursor
};

// The ids of a vocabulary's FIM tokens; nullopt without a complete set.
struct FimTokens {
  int32_t prefix, suffix, middle;
};
std::optional<FimTokens> find_fim_tokens(const text::Tokenizer& tokenizer);

// prefix, suffix -> prompt; nullopt if the vocabulary has no complete set of FIM tokens.
// Adds the ids that end a middle (end of text, file separators, the FIM tokens themselves) to stop_ids. bos_id: -1 if none.
std::optional<FimPrompt> find_fim_prompt(const text::Tokenizer& tokenizer, int32_t bos_id, const FimOptions& options, std::string_view prefix,
                                         std::string_view suffix, std::vector<int32_t>& stop_ids);

// How many bytes of `text` to encode when more text will follow that is not known yet. A cursor often lies inside what would be one token: behind
// the last space before a word (the space belongs to the word's token) or inside a word. Ended there, the tokens are such as plain text never has,
// and a small model takes them for an end. At most the last token is left out.
size_t whole_tokens_end(const text::Tokenizer& tokenizer, std::string_view text);

}  // namespace lyceum::engine
