// constraint.h: which tokens may come next. A Constraint is a grammar over one vocabulary, shared by all sequences that use it; a Matcher is one
// sequence's place in it.
//
// A place is a set of stacks: where we are in a rule, and where each rule that called it goes on. Stacks and sets of them are numbered, so a step over
// a byte that was taken before is one look-up. The tokens that a stack allows are found in two parts:
//   - by its top state alone, walking the token trie until the state's rule ends: kept by state (states that are `alike` share it);
//   - for tokens in which the rule ends, from there on with the stack below: kept by (state, stack below).
// Inside a string of any JSON document the first part is almost the whole vocabulary, computed once, and the second the few hundred tokens
// with a quotation mark. So a step costs a copy of one bit per token and the look-ups.
//
// Limits: stacks 500 deep (deeper calls are not taken), 1,000 stacks in a place, 64,000 places at once, 50 million stack steps in one call:
// Error(unprocessable) beyond. What is kept beyond 64 MiB is dropped and computed again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/lru_cache.h"
#include "grammar/automaton.h"
#include "grammar/token_trie.h"

namespace lyceum::grammar {

class Machine;

// Thread-safe.
class Constraint {
 public:
  Constraint(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const TokenTrie> trie);
  ~Constraint();
  const TokenTrie& trie() const noexcept { return *trie_; }

 private:
  friend class Matcher;
  std::shared_ptr<const Automaton> automaton_;
  std::shared_ptr<const TokenTrie> trie_;
  std::mutex mutex_;
  std::unique_ptr<Machine> machine_;   // guarded by mutex_
};

// One thread at a time.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<Constraint> constraint);

  // Sets the bit of every token that may come next and clears the others. mask: 64 tokens a word, ids beyond the vocabulary stay clear.
  // Never all clear unless may_end(), or the vocabulary cannot spell what the grammar asks for.
  void fill(std::span<uint64_t> mask);
  // False, and nothing changes, if the token (or the text) may not come next.
  bool accept(int32_t token);
  bool accept_text(std::string_view bytes);
  bool may_end();    // the text so far is whole
  bool must_end();   // and nothing may follow

 private:
  void catch_up();
  std::shared_ptr<Constraint> constraint_;
  std::string text_;            // read so far
  uint32_t place_ = 0;
  uint64_t generation_ = 0;     // of the machine that numbered place_
};

// The constraints over one model's vocabulary, by the text they were made from. Thread-safe.
class Constraints {
 public:
  // tokenizer: must outlive this. Its trie is built when it is needed first.
  Constraints(const text::Tokenizer& tokenizer, size_t vocab_end) : tokenizer_(tokenizer), vocab_end_(vocab_end), kept_(kKeptMax) {}
  // key names what make() makes. Throws what make() or compile() throws.
  std::shared_ptr<Constraint> get(const std::string& key, const std::function<Grammar()>& make);

 private:
  static constexpr size_t kKeptMax = 8;
  const text::Tokenizer& tokenizer_;
  size_t vocab_end_;
  std::mutex mutex_;
  std::shared_ptr<const TokenTrie> trie_;
  LruCache<std::shared_ptr<Constraint>> kept_;
};

}  // namespace lyceum::grammar
