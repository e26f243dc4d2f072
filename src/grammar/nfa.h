// nfa.h: one rule as a nondeterministic automaton, and its deterministic form. Inner steps of compile().
#pragma once

#include <cstdint>
#include <vector>

#include "grammar/grammar.h"

namespace lyceum::grammar {

struct Nfa {
  struct State {
    struct Bytes {
      uint8_t first, last;
      uint32_t target;
    };
    struct Call {
      RuleId rule;
      uint32_t target;
    };
    std::vector<uint32_t> empty;   // targets reached without reading
    std::vector<Bytes> bytes;
    std::vector<Call> calls;
  };
  std::vector<State> states;
  uint32_t start = 0, end = 0;
};

// Throws Error(too_large) when it has over states_max states.
Nfa make_nfa(const Grammar& grammar, RuleId rule, size_t states_max);

struct Dfa {
  struct State {
    std::vector<Nfa::State::Bytes> bytes;   // sorted, disjoint
    std::vector<Nfa::State::Call> calls;    // each rule once
    bool accepting = false;
  };
  std::vector<State> states;                // the first one begins
};

Dfa make_dfa(const Nfa& nfa, size_t states_max);

}  // namespace lyceum::grammar
