// fim.h: fill-in-the-middle prompts of the code models that have special tokens for it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace lyceum::engine {

// prefix, suffix -> prompt in the order the model was trained on; nullopt if the vocabulary has no complete set of FIM tokens.
// Adds the ids that end a middle (end of text, file separators, the FIM tokens themselves) to stop_ids. bos_id: -1 if none.
std::optional<std::vector<int32_t>> find_fim_prompt(const text::Tokenizer& tokenizer, int32_t bos_id, std::string_view prefix,
                                                    std::string_view suffix, std::vector<int32_t>& stop_ids);

}  // namespace lyceum::engine
