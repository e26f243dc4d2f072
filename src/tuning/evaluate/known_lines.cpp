#include "tuning/evaluate/known_lines.h"

#include <algorithm>

namespace lyceum::tuning {

namespace {

// FNV-1a, with the length mixed in by a byte that no line holds.
uint64_t hash_line(std::string_view line, uint64_t state) noexcept {
  for (const char c : line) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return (state ^ 0x0aULL) * 0x100000001b3ULL;
}

struct Line {
  size_t number = 0;   // in split_lines()
  std::string_view text;
};

std::vector<Line> filled_lines(std::string_view text) {
  std::vector<Line> out;
  const auto lines = split_lines(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = trimmed(text.substr(lines[i].begin, lines[i].end - lines[i].begin));
    if (!line.empty()) out.push_back({i, line});
  }
  return out;
}

// Of lines[first .. first + 2]; a file's edges count as an empty line.
uint64_t triple_at(const std::vector<Line>& lines, ptrdiff_t first) noexcept {
  uint64_t state = 0xcbf29ce484222325ULL;
  for (ptrdiff_t i = first; i < first + 3; ++i) {
    const bool inside = i >= 0 && i < static_cast<ptrdiff_t>(lines.size());
    state = hash_line(inside ? lines[static_cast<size_t>(i)].text : std::string_view(), state);
  }
  return state;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<LineSpan> split_lines(std::string_view text) {
  std::vector<LineSpan> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back({at, end});
    at = end + 1;
  }
  return lines;
}

KnownLines::KnownLines(const std::vector<CodeFile>& learned) {
  for (const CodeFile& file : learned) {
    const auto lines = filled_lines(file.text);
    for (ptrdiff_t first = -1; first + 1 < static_cast<ptrdiff_t>(lines.size()); ++first) triples_.insert(triple_at(lines, first));
  }
}

std::vector<uint8_t> KnownLines::find_new(std::string_view text) const {
  std::vector<uint8_t> is_new(split_lines(text).size(), 0);
  const auto lines = filled_lines(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto at = static_cast<ptrdiff_t>(i);
    is_new[lines[i].number] = !(triples_.contains(triple_at(lines, at - 2)) || triples_.contains(triple_at(lines, at - 1)) || triples_.contains(triple_at(lines, at)));
  }
  return is_new;
}

}  // namespace lyceum::tuning
