// drafter.h: guesses of the next tokens by a smaller model (speculative decoding; Leviathan et al., "Fast Inference from Transformers via Speculative
// Decoding", 2023). The small model writes a few tokens greedily; the large one computes their rows beside the one of its next token, in a step that
// reads its weights once. As with prompt lookup a guess counts only if sampling chooses it from its own row: the text is the same as without.
//
// How many tokens are guessed follows what was measured: with p how often this request's guesses are right, a step that costs t and u for each
// guess in it, and d for writing one, k guesses give (1 + p + … + p^k) / (t + k (u + d)) tokens a second; the best k is taken. Where that is none, the
// request pauses, longer each time.
//
// Not thread-safe: the engine's thread owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/threads.h"
#include "engine/cached_tokens.h"
#include "engine/forward.h"
#include "models/decoder.h"

namespace lyceum::engine {

class Drafter {
 public:
  // What is kept of one request. Default-made for a new one; release() before it goes.
  struct Sequence {
    CachedTokens cached;
    std::vector<int32_t> fed;         // guesses computed after those tokens; they count if they came true
    double right = 0.7;               // p, a running mean
    size_t resume_at = 0, pause = 16; // tokens
  };
  struct Ask {
    Sequence* sequence;
    std::span<const int32_t> tokens;  // prompt and answer so far; the model's own, of which every id it will guess is one
    uint64_t rope_length;             // how long they may become
    size_t most;                      // guesses at most
    std::vector<int32_t> guesses;     // the answer
  };

  struct Options {
    Products products = Products::exact;
    uint32_t vocab = 0;               // guesses are below it
    uint64_t tokens_max = 0;          // of all sequences together, those that other requests may find again included
    size_t guesses = 0;               // always so many; 0 = as many as pay
  };
  Drafter(std::shared_ptr<const models::Decoder> decoder, ThreadPool& pool, const Options& options);

  // A prompt that is new to the small model is read in pieces, so that nobody waits for it; until then there are no guesses.
  void propose(std::span<Ask> asks);
  // How the last guesses did: `accepted` of `proposed`, and how many tokens the request has now.
  void learn(Sequence& sequence, size_t proposed, size_t accepted, size_t tokens) noexcept;
  // A step of the large model in which nobody's prompt was computed.
  void observe_step(double seconds, size_t guesses) noexcept;
  void release(Sequence& sequence);

 private:
  struct Going {
    Ask* ask;
    size_t rows, wanted;              // of the first pass; guesses
  };
  size_t choose(const Ask& ask);
  void prepare(Ask& ask, size_t wanted, size_t& budget, std::vector<Going>& going);
  void run_first(std::vector<Going>& going);
  void run_next(std::vector<Going>& going);
  int32_t best(kernels::Rows logits, size_t row) const;

  std::shared_ptr<const models::Decoder> decoder_;
  KvLayout layout_;
  KvPool kv_;
  Forward forward_;
  Options options_;
  double draft_s_ = -1, step_s_ = -1, guess_s_ = -1;   // d, t, u; -1 = not measured yet
};

}  // namespace lyceum::engine
