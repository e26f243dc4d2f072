#include "grammar/nfa.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "text/unicode.h"

namespace lyceum::grammar {
namespace {

constexpr size_t kAppendedMax = 2'000'000;     // expressions, counted as often as they are repeated
constexpr size_t kSubsetWorkMax = 3'000'000;   // members of all subsets together

[[noreturn]] void refuse_size() {
  throw Error(Code::too_large, "the grammar needs too many states; use smaller repetitions ({n}, maxLength, maxItems) or simpler patterns");
}

class NfaBuilder {
 public:
  NfaBuilder(const Grammar& grammar, size_t states_max) : grammar_(grammar), states_max_(states_max) {}

  Nfa build(RuleId rule) {
    nfa_.start = add_state();
    nfa_.end = append(grammar_.rules()[rule].body, nfa_.start);
    return std::move(nfa_);
  }

 private:
  uint32_t add_state() {
    if (nfa_.states.size() >= states_max_) refuse_size();
    nfa_.states.emplace_back();
    return static_cast<uint32_t>(nfa_.states.size() - 1);
  }
  void link(uint32_t from, uint32_t to) { nfa_.states[from].empty.push_back(to); }

  // What reads the expression after `from`; the state where it has been read.
  uint32_t append(ExprId id, uint32_t from) {
    if (++appended_ > kAppendedMax) refuse_size();
    const Expr& expr = grammar_.expr(id);
    switch (expr.kind) {
      case Expr::Kind::bytes:
        return append_bytes(expr.bytes, from);
      case Expr::Kind::chars:
        return append_chars(expr.chars, from);
      case Expr::Kind::sequence:
        for (const ExprId part : expr.parts) from = append(part, from);
        return from;
      case Expr::Kind::choice:
        return append_choice(expr.parts, from);
      case Expr::Kind::repeat:
        return append_repeat(expr, from);
      case Expr::Kind::rule:
        break;
    }
    const uint32_t to = add_state();
    nfa_.states[from].calls.push_back({expr.rule, to});
    return to;
  }

  uint32_t append_bytes(std::string_view bytes, uint32_t from) {
    for (const char c : bytes) {
      const uint32_t to = add_state();
      nfa_.states[from].bytes.push_back({static_cast<uint8_t>(c), static_cast<uint8_t>(c), to});
      from = to;
    }
    return from;
  }

  uint32_t append_choice(const std::vector<ExprId>& parts, uint32_t from) {
    const uint32_t to = add_state();
    for (const ExprId part : parts) {
      const uint32_t begin = add_state();
      link(from, begin);
      link(append(part, begin), to);
    }
    return to;
  }

  uint32_t append_repeat(const Expr& expr, uint32_t from) {
    for (uint32_t i = 0; i < expr.min; ++i) from = append(expr.parts[0], from);
    const uint32_t end = add_state();
    if (expr.max == kUnbounded) {
      const uint32_t loop = add_state();
      link(from, loop);
      link(append(expr.parts[0], loop), loop);
      link(loop, end);
      return end;
    }
    for (uint32_t i = expr.min; i < expr.max; ++i) {
      link(from, end);
      const uint32_t begin = add_state();   // not `from`, which a loop may enter again
      link(from, begin);
      from = append(expr.parts[0], begin);
    }
    link(from, end);
    return end;
  }

  uint32_t append_chars(const CharSet& set, uint32_t from) {
    const uint32_t to = add_state();
    tails_.clear();
    tails_[0] = to;
    for (const CharRange& range : set.ranges()) {
      char32_t first = range.first;
      for (const char32_t last : {0x7Fu, 0x7FFu, 0xFFFFu, 0x10FFFFu}) {
        if (first > range.last || first > last) continue;
        add_range(first, std::min<char32_t>(range.last, last), from, to);
        first = static_cast<char32_t>(last) + 1;
      }
    }
    return to;
  }

  // Characters first..last, which all have the same number of bytes.
  void add_range(char32_t first, char32_t last, uint32_t from, uint32_t to) {
    std::string low, high;
    text::append_utf8(low, first);
    text::append_utf8(high, last);
    add_bytes(low, high, 0, from, to);
  }

  // All byte strings of one length between low and high whose bytes after the first are 80 to BF.
  void add_bytes(const std::string& low, const std::string& high, size_t at, uint32_t from, uint32_t to) {
    const auto byte = [](const std::string& text, size_t i) { return static_cast<uint8_t>(text[i]); };
    const size_t left = low.size() - at - 1;
    if (left == 0) {
      nfa_.states[from].bytes.push_back({byte(low, at), byte(high, at), to});
      return;
    }
    const auto is_edge = [&](const std::string& text, uint8_t rest) { return std::all_of(text.begin() + static_cast<ptrdiff_t>(at) + 1, text.end(), [rest](char c) { return static_cast<uint8_t>(c) == rest; }); };
    if (byte(low, at) == byte(high, at)) {
      if (is_edge(low, 0x80) && is_edge(high, 0xBF)) return add_full(byte(low, at), byte(low, at), left, from);
      const uint32_t next = add_state();
      nfa_.states[from].bytes.push_back({byte(low, at), byte(low, at), next});
      return add_bytes(low, high, at + 1, next, to);
    }
    uint8_t begin = byte(low, at), end = byte(high, at);
    if (!is_edge(low, 0x80)) {
      add_bytes(low, low.substr(0, at + 1) + std::string(left, '\xBF'), at, from, to);
      ++begin;
    }
    if (!is_edge(high, 0xBF)) {
      add_bytes(high.substr(0, at + 1) + std::string(left, '\x80'), high, at, from, to);
      --end;
    }
    if (begin <= end) add_full(begin, end, left, from);
  }

  // One byte of first..last, then `left` bytes of 80 to BF. These tails are shared.
  void add_full(uint8_t first, uint8_t last, size_t left, uint32_t from) {
    const uint32_t next = tail(left);
    nfa_.states[from].bytes.push_back({first, last, next});
  }
  uint32_t tail(size_t left) {
    if (const auto found = tails_.find(left); found != tails_.end()) return found->second;
    const uint32_t state = add_state();
    const uint32_t next = tail(left - 1);
    nfa_.states[state].bytes.push_back({0x80, 0xBF, next});
    return tails_[left] = state;
  }

  const Grammar& grammar_;
  size_t states_max_;
  size_t appended_ = 0;
  Nfa nfa_;
  std::map<size_t, uint32_t> tails_;   // of one character class: bytes still to come -> state
};

using Subset = std::vector<uint32_t>;   // sorted

struct SubsetHash {
  size_t operator()(const Subset& subset) const noexcept {
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (const uint32_t member : subset) hash = (hash ^ member) * 0x100000001b3ULL;
    return hash;
  }
};

class SubsetConstruction {
 public:
  SubsetConstruction(const Nfa& nfa, size_t states_max) : nfa_(nfa), states_max_(states_max), seen_(nfa.states.size(), 0) {}

  Dfa run() {
    state_of({nfa_.start});
    for (size_t i = 0; i < subsets_.size(); ++i) {
      const Subset subset = *subsets_[i];
      read_bytes(subset, i);
      read_calls(subset, i);
    }
    return std::move(dfa_);
  }

 private:
  uint32_t state_of(const Subset& members) {
    Subset subset = closure(members);
    work_ += subset.size();
    if (work_ > kSubsetWorkMax) refuse_size();
    const auto [place, added] = ids_.try_emplace(std::move(subset), static_cast<uint32_t>(subsets_.size()));
    if (!added) return place->second;
    if (dfa_.states.size() >= states_max_) refuse_size();
    subsets_.push_back(&place->first);
    dfa_.states.emplace_back();
    dfa_.states.back().accepting = std::ranges::binary_search(place->first, nfa_.end);
    return place->second;
  }

  // Only states that read something, or the end, tell subsets apart.
  Subset closure(const Subset& members) {
    ++mark_;
    Subset todo = members, out;
    for (const uint32_t member : members) seen_[member] = mark_;
    while (!todo.empty()) {
      const uint32_t member = todo.back();
      todo.pop_back();
      const Nfa::State& state = nfa_.states[member];
      if (!state.bytes.empty() || !state.calls.empty() || member == nfa_.end) out.push_back(member);
      work_ += state.empty.size();
      for (const uint32_t next : state.empty) {
        if (seen_[next] == mark_) continue;
        seen_[next] = mark_;
        todo.push_back(next);
      }
    }
    std::ranges::sort(out);
    return out;
  }

  static void make_unique(Subset& members) {
    std::ranges::sort(members);
    members.erase(std::unique(members.begin(), members.end()), members.end());
  }

  void read_bytes(const Subset& subset, size_t id) {
    std::vector<int> cuts;
    for (const uint32_t member : subset) {
      for (const auto& edge : nfa_.states[member].bytes) {
        cuts.push_back(edge.first);
        cuts.push_back(edge.last + 1);
      }
    }
    std::ranges::sort(cuts);
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    std::vector<Nfa::State::Bytes> edges;
    for (size_t c = 0; c + 1 < cuts.size(); ++c) {
      Subset targets;
      for (const uint32_t member : subset) {
        for (const auto& edge : nfa_.states[member].bytes) {
          if (edge.first <= cuts[c] && cuts[c] <= edge.last) targets.push_back(edge.target);
        }
      }
      if (targets.empty()) continue;
      make_unique(targets);
      const uint32_t target = state_of(targets);
      const auto first = static_cast<uint8_t>(cuts[c]), last = static_cast<uint8_t>(cuts[c + 1] - 1);
      if (!edges.empty() && edges.back().target == target && edges.back().last + 1 == first) {
        edges.back().last = last;
      } else {
        edges.push_back({first, last, target});
      }
    }
    dfa_.states[id].bytes = std::move(edges);
  }

  void read_calls(const Subset& subset, size_t id) {
    std::map<RuleId, Subset> targets;
    for (const uint32_t member : subset) {
      for (const auto& edge : nfa_.states[member].calls) targets[edge.rule].push_back(edge.target);
    }
    for (auto& [rule, members] : targets) {
      make_unique(members);
      const uint32_t target = state_of(members);
      dfa_.states[id].calls.push_back({rule, target});
    }
  }

  const Nfa& nfa_;
  size_t states_max_;
  size_t work_ = 0;
  std::vector<uint32_t> seen_;
  uint32_t mark_ = 0;
  std::unordered_map<Subset, uint32_t, SubsetHash> ids_;
  std::vector<const Subset*> subsets_;
  Dfa dfa_;
};

}  // namespace

Nfa make_nfa(const Grammar& grammar, RuleId rule, size_t states_max) { return NfaBuilder(grammar, states_max).build(rule); }

Dfa make_dfa(const Nfa& nfa, size_t states_max) { return SubsetConstruction(nfa, states_max).run(); }

}  // namespace lyceum::grammar
