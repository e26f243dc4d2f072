// prompt_lookup.h: guesses of the next tokens from what a request has already read or written (speculative decoding without a second
// model; Saxena, "Prompt Lookup Decoding", 2023). Rewriting a file repeats most of it, and so does quoting, translating code, filling forms.
//
// A guess is checked in the step that computes the next token: its rows are computed beside that token's, and a guessed token counts only
// if sampling chooses it from its own row of logits. Rows do not depend on their neighbours and each token takes one draw, so the text is
// the same with and without guesses, greedy or sampled, under a grammar or not. Wrong guesses only cost time, so their length follows how
// well they did: it doubles with a whole guess, halves with a poor one, and pauses, longer each time, where nothing repeats.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace lyceum::engine {

class PromptLookup {
 public:
  // What followed the last tokens where they came before, at most `most` of it; empty: nothing that is worth trying now. `tokens` only
  // grows between calls; the result points into it.
  std::span<const int32_t> propose(std::span<const int32_t> tokens, size_t most);
  // How the last proposal did.
  void learn(size_t proposed, size_t accepted) noexcept;

 private:
  static constexpr size_t kMatch = 3;         // tokens that must have come before
  static constexpr size_t kLengthMax = 16;
  static constexpr size_t kPauseMin = 16, kPauseMax = 512;   // tokens

  static uint64_t key(const int32_t* last) noexcept;

  std::unordered_map<uint64_t, uint32_t> after_;   // kMatch tokens -> where the token after them is
  size_t indexed_ = kMatch;                        // every position before it is in the table
  size_t length_ = 3;
  size_t pause_ = kPauseMin, resume_at_ = 0;
};

}  // namespace lyceum::engine
