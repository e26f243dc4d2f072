// spans.h: the fill-in-the-middle questions of a study: places where somebody wrote new code, by the shape of what was written.
//   rest_of_line   from a word border inside a line to the line's end
//   line           a whole line after its indentation
//   block          two to five lines that stay at or under the first one's indentation
//   function       the body of a new Python function
// Every line of a middle is new (known_lines.h); the rest of the file around it is as it stands in the future code base.
#pragma once

#include <string_view>
#include <vector>

#include "tuning/evaluate/compare.h"

namespace lyceum::tuning {

enum class SpanKind { rest_of_line, line, block, function };
inline constexpr SpanKind kSpanKinds[] = {SpanKind::rest_of_line, SpanKind::line, SpanKind::block, SpanKind::function};
std::string_view span_name(SpanKind kind) noexcept;   // "rest_of_line", …

struct Span {
  SpanKind kind = SpanKind::line;
  size_t file = 0;    // index: answers of one file are not independent
  FimItem item;
};

// At most `count` of a kind, drawn evenly from all places in the files; the same for a seed. is_new: of each file, by line.
std::vector<Span> make_spans(const std::vector<CodeFile>& files, const std::vector<std::vector<uint8_t>>& is_new, SpanKind kind, size_t count, uint64_t seed);

}  // namespace lyceum::tuning
