#include "grammar/automaton.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "grammar/nfa.h"

namespace lyceum::grammar {
namespace {

constexpr size_t kStatesMax = 200'000;
constexpr size_t kAlikeStatesMin = 64;   // a smaller rule's states share little

// All rules' automata in one numbering, while edges are still being cut away.
class Compiler {
 public:
  explicit Compiler(const Grammar& grammar) : grammar_(grammar) {}

  std::shared_ptr<const Automaton> run() {
    size_t left = kStatesMax;
    for (RuleId rule = 0; rule < grammar_.rules().size(); ++rule) add_rule(rule, left);
    keep_productive();
    if (starts_[grammar_.root()] == Automaton::kNoState) throw Error(Code::invalid_argument, "the grammar matches no text at all: every way through it goes on forever or contradicts itself");
    find_nullable();
    refuse_left_recursion();
    return assemble();
  }

 private:
  void add_rule(RuleId rule, size_t& left) {
    const auto begin = static_cast<uint32_t>(states_.size());
    Dfa dfa = make_dfa(make_nfa(grammar_, rule, left), left);
    left -= dfa.states.size();
    starts_.push_back(begin);
    first_states_.push_back(begin);
    for (Dfa::State& state : dfa.states) {
      for (auto& edge : state.bytes) edge.target += begin;
      for (auto& edge : state.calls) edge.target += begin;
      states_.push_back(std::move(state));
    }
  }

  // A state is live if some text leads from it to its rule's end; calls count when the called rule's start is live. Edges to others go.
  void keep_productive() {
    struct Caller {
      uint32_t state, rule, target;
    };
    std::vector<std::vector<uint32_t>> before(states_.size());             // by byte edges
    std::vector<std::vector<Caller>> waiting_rule(starts_.size()), waiting_target(states_.size());
    live_.assign(states_.size(), false);
    std::vector<uint32_t> todo;
    const auto mark = [&](uint32_t state) {
      if (live_[state]) return;
      live_[state] = true;
      todo.push_back(state);
    };
    std::vector<uint32_t> rule_at(states_.size(), Automaton::kNoState);
    for (uint32_t rule = 0; rule < starts_.size(); ++rule) rule_at[starts_[rule]] = rule;
    for (uint32_t i = 0; i < states_.size(); ++i) {
      for (const auto& edge : states_[i].bytes) before[edge.target].push_back(i);
      for (const auto& edge : states_[i].calls) {
        waiting_rule[edge.rule].push_back({i, edge.rule, edge.target});
        waiting_target[edge.target].push_back({i, edge.rule, edge.target});
      }
      if (states_[i].accepting) mark(i);
    }
    while (!todo.empty()) {
      const uint32_t state = todo.back();
      todo.pop_back();
      for (const uint32_t previous : before[state]) mark(previous);
      for (const Caller& caller : waiting_target[state]) {
        if (live_[starts_[caller.rule]]) mark(caller.state);
      }
      if (rule_at[state] == Automaton::kNoState) continue;
      for (const Caller& caller : waiting_rule[rule_at[state]]) {
        if (live_[caller.target]) mark(caller.state);
      }
    }
    for (Dfa::State& state : states_) {
      std::erase_if(state.bytes, [&](const auto& edge) { return !live_[edge.target]; });
      std::erase_if(state.calls, [&](const auto& edge) { return !live_[edge.target] || !live_[starts_[edge.rule]]; });
    }
    for (uint32_t& start : starts_) {
      if (!live_[start]) start = Automaton::kNoState;
    }
  }

  // The states of a rule that are reached from `start` without a byte.
  std::vector<uint32_t> reached_by_nothing(uint32_t start) const {
    std::vector<uint32_t> out{start};
    std::unordered_set<uint32_t> seen{start};
    for (size_t i = 0; i < out.size(); ++i) {
      for (const auto& edge : states_[out[i]].calls) {
        if (nullable_[edge.rule] && seen.insert(edge.target).second) out.push_back(edge.target);
      }
    }
    return out;
  }

  void find_nullable() {
    nullable_.assign(starts_.size(), false);
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t rule = 0; rule < starts_.size(); ++rule) {
        if (nullable_[rule] || starts_[rule] == Automaton::kNoState) continue;
        const auto reached = reached_by_nothing(starts_[rule]);
        nullable_[rule] = std::ranges::any_of(reached, [&](uint32_t state) { return states_[state].accepting; });
        changed = changed || nullable_[rule];
      }
    }
  }

  // A rule that may call itself before any byte has been read would never get anywhere. Depth first, without recursion.
  void refuse_left_recursion() const {
    enum class Seen : uint8_t { no, open, done };
    std::vector<Seen> seen(starts_.size(), Seen::no);
    struct Visit {
      uint32_t rule;
      std::vector<uint32_t> calls;
    };
    const auto visit = [&](uint32_t rule) {
      seen[rule] = Seen::open;
      Visit out{rule, {}};
      for (const uint32_t state : reached_by_nothing(starts_[rule])) {
        for (const auto& edge : states_[state].calls) out.calls.push_back(edge.rule);
      }
      return out;
    };
    for (uint32_t rule = 0; rule < starts_.size(); ++rule) {
      if (seen[rule] != Seen::no || starts_[rule] == Automaton::kNoState) continue;
      std::vector<Visit> path{visit(rule)};
      while (!path.empty()) {
        if (path.back().calls.empty()) {
          seen[path.back().rule] = Seen::done;
          path.pop_back();
          continue;
        }
        const uint32_t next = path.back().calls.back();
        path.back().calls.pop_back();
        if (seen[next] == Seen::open) {
          throw Error(Code::invalid_argument, "the rule " + grammar_.rules()[next].name + " is left-recursive: it may begin with itself; write a repetition (…)* instead");
        }
        if (seen[next] == Seen::no) path.push_back(visit(next));
      }
    }
  }

  std::shared_ptr<const Automaton> assemble() const {
    auto out = std::make_shared<Automaton>();
    out->root = grammar_.root();
    out->starts = starts_;
    for (const Dfa::State& state : states_) {
      Automaton::State one;
      one.accepting = state.accepting;
      one.alike = static_cast<uint32_t>(out->states.size());
      one.bytes_begin = static_cast<uint32_t>(out->byte_edges.size());
      for (const auto& edge : state.bytes) out->byte_edges.push_back({edge.first, edge.last, edge.target});
      one.bytes_end = static_cast<uint32_t>(out->byte_edges.size());
      one.calls_begin = static_cast<uint32_t>(out->call_edges.size());
      for (const auto& edge : state.calls) out->call_edges.push_back({edge.rule, edge.target});
      one.calls_end = static_cast<uint32_t>(out->call_edges.size());
      out->states.push_back(one);
    }
    find_alike(*out);
    return out;
  }

  // Rule by rule: all states that accept, read and call the same are alike for one byte; refined kLookBytes times. That counts a call as
  // a byte at least, so a rule with calls that may read nothing is left as it is.
  void find_alike(Automaton& automaton) const {
    for (size_t rule = 0; rule < first_states_.size(); ++rule) {
      const uint32_t begin = first_states_[rule];
      const auto end = rule + 1 < first_states_.size() ? first_states_[rule + 1] : static_cast<uint32_t>(automaton.states.size());
      if (end - begin >= kAlikeStatesMin) refine(automaton, begin, end);
    }
  }

  void refine(Automaton& automaton, uint32_t begin, uint32_t end) const {
    for (uint32_t i = begin; i < end; ++i) {
      for (const auto& edge : automaton.calls_of(automaton.states[i])) {
        if (nullable_[edge.rule]) return;
      }
    }
    std::vector<uint32_t> group(end - begin, 0), next(end - begin);
    size_t groups = 1;
    for (size_t round = 0; round <= kLookBytes; ++round) {
      std::unordered_map<std::string, uint32_t> numbers;
      std::string key;
      for (uint32_t i = begin; i < end; ++i) {
        describe(automaton, automaton.states[i], begin, group, key);
        next[i - begin] = numbers.try_emplace(key, static_cast<uint32_t>(numbers.size())).first->second;
      }
      group.swap(next);
      if (numbers.size() == groups) break;
      groups = numbers.size();
    }
    std::vector<uint32_t> representative(groups, Automaton::kNoState);
    for (uint32_t i = begin; i < end; ++i) {
      uint32_t& one = representative[group[i - begin]];
      if (one == Automaton::kNoState) one = i;
      automaton.states[i].alike = one;
    }
  }

  static void describe(const Automaton& automaton, const Automaton::State& state, uint32_t begin, const std::vector<uint32_t>& group, std::string& key) {
    key.clear();
    const auto put = [&key](uint32_t value) { key.append(reinterpret_cast<const char*>(&value), sizeof value); };
    put(state.accepting ? 1 : 0);
    for (const auto& edge : automaton.bytes_of(state)) {
      put(uint32_t{edge.first} << 8 | edge.last);
      put(group[edge.target - begin]);
    }
    put(UINT32_MAX);
    for (const auto& edge : automaton.calls_of(state)) {
      put(edge.rule);
      put(group[edge.target - begin]);
    }
  }

  const Grammar& grammar_;
  std::vector<Dfa::State> states_;
  std::vector<uint32_t> starts_;         // by rule; kNoState once found to match nothing
  std::vector<uint32_t> first_states_;   // by rule, whatever it matches
  std::vector<bool> live_;
  std::vector<bool> nullable_;
};

}  // namespace

std::shared_ptr<const Automaton> compile(const Grammar& grammar) { return Compiler(grammar).run(); }

}  // namespace lyceum::grammar
