// preference_pairs.h: two answers to one prompt, one of them preferred, into samples for DPO or ORPO. A sample holds both documents,
// prompt + chosen and prompt + rejected (Sample::split); only the answers and their end token are labelled.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tuning/data/chat.h"
#include "tuning/data/sample.h"

namespace lyceum::tuning {

struct PreferencePair {
  json::array prompt;              // messages
  json::value chosen, rejected;    // one assistant message each
  bool desirable = true;           // KTO's example: `chosen` is its only answer, and good or bad; `rejected` is null
  bool plain = false;              // the file had texts, no messages: without a chat template they are used as they are
};

struct PreferenceCounts {
  size_t pairs = 0;
  size_t too_long = 0;             // dropped: an answer with its prompt is longer than the sequence
  size_t desirable = 0;            // KTO: good examples among `pairs`
  size_t identical = 0;            // dropped: chosen and rejected are the same, which teaches nothing
};

struct PreferenceSampleOptions {
  size_t sequence_length = 1024;   // of each answer with its prompt
  int32_t end_token = -1;          // of plain texts
  bool examples = false;           // KTO: each with the answer of the one before, or of the nearest before that fits
  bool learn_chosen = false;       // ORPO: all of the chosen document is learned, its prompt, too
};

// JSON Lines. Accepts {"prompt", "chosen", "rejected"} as texts or as messages; {"chosen", "rejected"} as whole chats that differ in
// their last turn (the common beginning is the prompt); {"conversations", "chosen", "rejected"} with from/value; and {"instruction", "input", "chosen",
// "rejected"}. Throws Error naming file and line.
std::vector<PreferencePair> load_preferences(const std::filesystem::path& jsonl);
// KTO's: {"prompt", "completion", "label"}, {"messages" or "conversations" ending in the assistant's turn, "label"}, {"instruction", "input", "output", "label"};
// "kto_tag" is "label", too. A preference pair counts as a good and a bad example.
std::vector<PreferencePair> load_labelled_answers(const std::filesystem::path& jsonl);

// As two documents a sample. chat_template null: only plain pairs, as prompt text, answer text and the end token. Throws Error(unprocessable) when nothing is left.
std::shared_ptr<const SampleSource> make_preference_source(const std::vector<PreferencePair>& pairs, const text::ChatTemplate* chat_template,
                                                           const text::Tokenizer& tokenizer, const ChatTokens& tokens, const PreferenceSampleOptions& options,
                                                           PreferenceCounts& counts);

}  // namespace lyceum::tuning
