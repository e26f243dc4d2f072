// machine.h: the numbered stacks and places of a Constraint, and the masks kept for them (constraint.h has the idea). One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/token_trie.h"

namespace lyceum::grammar {

class Machine {
 public:
  Machine(const Automaton& automaton, const TokenTrie& trie);

  // Number of everything changes with the generation: a place of an earlier one means nothing. Called between uses, never within one.
  void drop_if_large();
  uint64_t generation() const noexcept { return generation_; }
  void begin_call() {   // also after a call that threw
    work_ = 0;
    open_ = {};
  }

  uint32_t start() const noexcept { return start_; }
  static constexpr uint32_t kDead = 0;                 // the place that nothing leads out of
  uint32_t step(uint32_t place, uint8_t byte);
  bool may_end(uint32_t place) const { return places_[place].ends; }
  bool reads_on(uint32_t place) const { return !places_[place].stacks.empty(); }
  void add_tokens(uint32_t place, std::span<uint64_t> mask);

 private:
  static constexpr uint32_t kBottom = 0;               // below the root rule: the text ends
  static constexpr uint32_t kCut = 1;                  // below a state that is looked at alone
  static constexpr uint32_t kUnknown = UINT32_MAX;
  struct Stack {
    uint32_t state = 0, below = 0, depth = 0;
  };
  struct Place {
    std::vector<uint32_t> stacks;                      // sorted; all of them read bytes
    bool ends = false;                                 // one stack has come to kBottom
    bool leaves = false;                               // … to kCut
    std::unique_ptr<std::array<uint32_t, 256>> next;
  };
  // Tokens by their ids while they are few, else as bits.
  struct Tokens {
    std::vector<int32_t> ids;
    std::vector<uint64_t> bits;
  };
  struct OwnTokens {
    Tokens tokens;
    std::vector<uint32_t> leaving;                     // trie nodes with longer tokens where the state's rule has ended
  };

  void reset();
  uint32_t stack_of(uint32_t state, uint32_t below);
  void close_over(uint32_t state, uint32_t below);     // adds to open_
  uint32_t place_of_open();
  uint32_t place_above(uint32_t stack);
  const OwnTokens& own_tokens(uint32_t state);
  const Tokens& later_tokens(uint32_t state, uint32_t below);
  template <typename Take>
  void walk(uint32_t node, uint32_t place, Take take);
  Tokens pack(std::vector<int32_t> ids);
  static void merge(const Tokens& tokens, std::span<uint64_t> mask);

  const Automaton& automaton_;
  const TokenTrie& trie_;
  uint64_t generation_ = 0;
  size_t work_ = 0;                                    // stack steps of this call
  size_t kept_bytes_ = 0;
  std::vector<Stack> stacks_;
  std::unordered_map<uint64_t, uint32_t> stack_ids_;   // state and below -> stack
  std::vector<Place> places_;
  struct PlaceHash {
    size_t operator()(const std::vector<uint32_t>& stacks) const noexcept;
  };
  std::unordered_map<std::vector<uint32_t>, uint32_t, PlaceHash> place_ids_;
  std::unordered_map<uint32_t, uint32_t> places_above_;
  std::unordered_map<uint32_t, OwnTokens> own_tokens_;          // by alike
  std::unordered_map<uint64_t, Tokens> later_tokens_;           // alike and below
  uint32_t start_ = 0;

  struct Open {                                        // the place being put together
    std::vector<uint32_t> stacks;
    bool ends = false, leaves = false;
    std::vector<uint64_t> seen;
  } open_;
};

}  // namespace lyceum::grammar
