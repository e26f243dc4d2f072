// known_lines.h: which lines of a code base are new against the code that was learned.
//
// A line is known when three non-blank lines in a row that include it, as first, second or third, stand in a learned file; indentation
// does not count. So unchanged, moved, re-indented and copied code is known whatever file it is in now, and a line that only reads like
// another (`return value`) is new where its surroundings are new. No history and no diff is needed: two folders are enough.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tuning/data/code_files.h"

namespace lyceum::tuning {

// Line i of text is text.substr(begin[i], end[i] - begin[i]), without its newline.
struct LineSpan {
  size_t begin = 0, end = 0;
};
std::vector<LineSpan> split_lines(std::string_view text);
std::string_view trimmed(std::string_view text);   // without spaces, tabs and line ends at both ends

class KnownLines {
 public:
  explicit KnownLines(const std::vector<CodeFile>& learned);
  // One value a line of split_lines(text): 1 = new. Blank lines never are.
  std::vector<uint8_t> find_new(std::string_view text) const;

 private:
  std::unordered_set<uint64_t> triples_;
};

}  // namespace lyceum::tuning
