// automaton.h: a grammar made executable: a pushdown automaton over bytes. Each rule is a deterministic automaton whose edges are ranges of
// bytes or calls of rules; what is left of nondeterminism (two calls that may begin alike) is followed in parallel by a Machine.
//
// compile() per rule: expressions → nondeterministic automaton (Thompson 1968; characters as UTF-8 byte ranges) → subset construction with
// calls as letters. Then, over all rules: what can never end is cut away, so that every state that is left leads to an end; left
// recursion is refused; and states that no text of kLookBytes bytes tells apart get one `alike` number (Moore's refinement, cut off after
// that many rounds), so that the thousand states of a string of up to a thousand characters share their token masks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace lyceum::grammar {

// Tokens longer than this are never chosen under a grammar; shorter ones spell the same text.
constexpr size_t kLookBytes = 32;

struct Automaton {
  struct ByteEdge {
    uint8_t first, last;
    uint32_t target;
  };
  struct CallEdge {
    uint32_t rule;
    uint32_t target;    // the state after the rule's end
  };
  struct State {
    uint32_t bytes_begin = 0, bytes_end = 0, calls_begin = 0, calls_end = 0;  // into byte_edges (sorted, disjoint) and call_edges
    bool accepting = false;                                                  // the rule may end here
    uint32_t alike = 0;
  };
  std::vector<State> states;
  std::vector<ByteEdge> byte_edges;
  std::vector<CallEdge> call_edges;
  std::vector<uint32_t> starts;   // by rule; kNoState: the rule matches nothing
  uint32_t root = 0;              // rule

  static constexpr uint32_t kNoState = UINT32_MAX;
  std::span<const ByteEdge> bytes_of(const State& state) const { return {byte_edges.data() + state.bytes_begin, state.bytes_end - state.bytes_begin}; }
  std::span<const CallEdge> calls_of(const State& state) const { return {call_edges.data() + state.calls_begin, state.calls_end - state.calls_begin}; }
  // A rule that ends in this state only returns: a call that leads here needs no stack frame.
  bool only_returns(const State& state) const { return state.accepting && state.bytes_begin == state.bytes_end && state.calls_begin == state.calls_end; }
};

// Throws Error(invalid_argument): matches nothing, or left recursion (naming the rule); Error(too_large): over 200,000 states or too much
// work for an automaton (naming the rule).
std::shared_ptr<const Automaton> compile(const Grammar& grammar);

}  // namespace lyceum::grammar
