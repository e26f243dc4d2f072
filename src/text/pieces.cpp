#include "text/pieces.h"

#include <algorithm>

#include "text/unicode.h"

namespace lyceum::text {
namespace {

void join_equal_neighbours(std::vector<Match>& matches) {
  std::vector<Match> joined;
  for (const Match& match : matches) {
    if (!joined.empty() && joined.back().matched == match.matched) {
      joined.back().end = match.end;
    } else {
      joined.push_back(match);
    }
  }
  matches = std::move(joined);
}

// A delimiter joins the text before it, but not another delimiter: "a--b" on "-" gives "a-", "-", "b".
void join_with_previous(std::vector<Match>& matches) {
  std::vector<Match> joined;
  bool previous_matched = false;
  for (const Match& match : matches) {
    if (match.matched && !previous_matched && !joined.empty()) {
      joined.back().end = match.end;
    } else {
      joined.push_back(match);
    }
    previous_matched = match.matched;
  }
  matches = std::move(joined);
}

void join_with_next(std::vector<Match>& matches) {
  std::vector<Match> joined;
  bool previous_matched = false;
  for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
    if (match->matched && !previous_matched && !joined.empty()) {
      joined.back().begin = match->begin;
    } else {
      joined.push_back(*match);
    }
    previous_matched = match->matched;
  }
  std::reverse(joined.begin(), joined.end());
  matches = std::move(joined);
}

void apply_behavior(std::vector<Match>& matches, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::removed:
      std::erase_if(matches, [](const Match& match) { return match.matched; });
      break;
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::merged_with_previous:
      join_with_previous(matches);
      break;
    case SplitBehavior::merged_with_next:
      join_with_next(matches);
      break;
    case SplitBehavior::contiguous:
      join_equal_neighbours(matches);
      break;
  }
}

}  // namespace

Pieces::Pieces(std::string text, bool at_input_start) : text_(std::move(text)) {
  if (!text_.empty()) pieces_.push_back({0, text_.size(), at_input_start});
}

void Pieces::split(const Find& find, SplitBehavior behavior, bool invert) {
  std::vector<Piece> cut;
  cut.reserve(pieces_.size() * 2);
  std::vector<Match> matches;
  for (const Piece& piece : pieces_) {
    matches.clear();
    find(view(piece), matches);
    if (invert) {
      for (Match& match : matches) match.matched = !match.matched;
    }
    apply_behavior(matches, behavior);
    for (const Match& match : matches) {
      if (match.begin == match.end) continue;
      cut.push_back({piece.begin + match.begin, piece.begin + match.end, piece.at_input_start && match.begin == 0});
    }
  }
  pieces_ = std::move(cut);
}

void Pieces::rewrite(const Write& write) {
  std::string text;
  text.reserve(text_.size() * 2);
  std::vector<Piece> kept;
  kept.reserve(pieces_.size());
  for (const Piece& piece : pieces_) {
    const size_t begin = text.size();
    write(view(piece), piece, text);
    if (text.size() != begin) kept.push_back({begin, text.size(), piece.at_input_start});
  }
  text_ = std::move(text);
  pieces_ = std::move(kept);
}

void find_characters(std::string_view text, const std::function<bool(char32_t)>& test, std::vector<Match>& out) {
  size_t unmatched = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    if (!test(next_code_point(text, i))) continue;
    if (unmatched < begin) out.push_back({unmatched, begin, false});
    out.push_back({begin, i, true});
    unmatched = i;
  }
  if (unmatched < text.size()) out.push_back({unmatched, text.size(), false});
}

}  // namespace lyceum::text
