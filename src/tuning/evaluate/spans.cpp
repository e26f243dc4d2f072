#include "tuning/evaluate/spans.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/random.h"
#include "tuning/evaluate/known_lines.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kMiddleBytesMin = 4, kMiddleBytesMax = 600;
constexpr size_t kFunctionBytesMin = 24;
constexpr size_t kLinesBefore = 2;   // something must precede the cursor

struct Place {
  size_t file = 0, begin = 0, end = 0;   // of the middle, bytes
};

bool is_word(char c) noexcept { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// One file's lines with what is new among them.
class Lines {
 public:
  Lines(const CodeFile& file, const std::vector<uint8_t>& is_new) : text_(file.text), spans_(split_lines(file.text)), new_(is_new) {}

  size_t count() const noexcept { return spans_.size(); }
  std::string_view line(size_t i) const { return text_.substr(spans_[i].begin, spans_[i].end - spans_[i].begin); }
  bool blank(size_t i) const { return trimmed(line(i)).empty(); }
  bool fresh(size_t i) const { return new_[i] != 0; }
  size_t indent(size_t i) const { return line(i).find_first_not_of(" \t"); }
  // Where the text of line i begins and ends, without the spaces around it. REQUIRES: not blank.
  size_t text_begin(size_t i) const { return spans_[i].begin + indent(i); }
  size_t text_end(size_t i) const { return text_begin(i) + trimmed(line(i)).size(); }

  // The last line of the run from `first` on whose lines are all new (or blank) and indented at least `indent_min`.
  size_t run_end(size_t first, size_t indent_min, size_t lines_max) const {
    size_t last = first;
    for (size_t i = first; i < count() && i < first + lines_max; ++i) {
      if (blank(i)) continue;
      if (!fresh(i) || indent(i) < indent_min) break;
      last = i;
    }
    return last;
  }

 private:
  std::string_view text_;
  std::vector<LineSpan> spans_;
  const std::vector<uint8_t>& new_;
};

std::optional<Place> try_rest(const Lines& lines, size_t i, Rng& rng) {
  std::vector<size_t> borders;
  for (size_t at = lines.text_begin(i) + 1; at + kMiddleBytesMin <= lines.text_end(i); ++at) {
    const std::string_view line = lines.line(i);
    const size_t column = at - (lines.text_begin(i) - lines.indent(i));
    if (is_word(line[column]) && !is_word(line[column - 1])) borders.push_back(at);
  }
  if (borders.empty()) return std::nullopt;
  return Place{0, borders[rng.below(borders.size())], lines.text_end(i)};
}

std::optional<Place> try_block(const Lines& lines, size_t i, Rng& rng) {
  const size_t last = lines.run_end(i, lines.indent(i), 2 + rng.below(4));
  if (last == i) return std::nullopt;
  return Place{0, lines.text_begin(i), lines.text_end(last)};
}

// `i` begins a definition: its body, if all of it is new.
std::optional<Place> try_function(const Lines& lines, size_t i) {
  const std::string_view head = trimmed(lines.line(i));
  if (!head.starts_with("def ") && !head.starts_with("async def ")) return std::nullopt;
  size_t signature = i;
  while (signature < lines.count() && signature < i + 20 && !trimmed(lines.line(signature)).ends_with(':')) ++signature;
  size_t body = signature + 1;
  while (body < lines.count() && lines.blank(body)) ++body;
  if (body >= lines.count() || lines.indent(body) <= lines.indent(i) || !lines.fresh(body)) return std::nullopt;
  const size_t last = lines.run_end(body, lines.indent(i) + 1, 60);
  size_t after = last + 1;
  while (after < lines.count() && lines.blank(after)) ++after;
  if (after < lines.count() && lines.indent(after) > lines.indent(i)) return std::nullopt;   // a part of the body is older
  return Place{0, lines.text_begin(body), lines.text_end(last)};
}

std::optional<Place> try_place(const Lines& lines, size_t i, SpanKind kind, Rng& rng) {
  switch (kind) {
    case SpanKind::rest_of_line: return try_rest(lines, i, rng);
    case SpanKind::line: return Place{0, lines.text_begin(i), lines.text_end(i)};
    case SpanKind::block: return try_block(lines, i, rng);
    case SpanKind::function: return try_function(lines, i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view span_name(SpanKind kind) noexcept {
  constexpr std::string_view kNames[] = {"rest_of_line", "line", "block", "function"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<Span> make_spans(const std::vector<CodeFile>& files, const std::vector<std::vector<uint8_t>>& is_new, SpanKind kind, size_t count, uint64_t seed) {
  Rng rng(seed ^ (0x51ab1eULL + static_cast<uint64_t>(kind)));
  const size_t bytes_min = kind == SpanKind::function ? kFunctionBytesMin : kMiddleBytesMin;
  std::vector<Place> places;
  for (size_t file = 0; file < files.size(); ++file) {
    const Lines lines(files[file], is_new[file]);
    for (size_t i = kLinesBefore; i < lines.count(); ++i) {
      auto place = lines.fresh(i) ? try_place(lines, i, kind, rng) : std::nullopt;
      if (!place || place->end < place->begin + bytes_min || place->end > place->begin + kMiddleBytesMax) continue;
      place->file = file;
      places.push_back(*place);
    }
  }
  for (size_t i = 0; i < std::min(count, places.size()); ++i) std::swap(places[i], places[i + rng.below(places.size() - i)]);
  places.resize(std::min(count, places.size()));
  std::vector<Span> spans;
  for (const Place& place : places) {
    const std::string& text = files[place.file].text;
    spans.push_back({kind, place.file, {text.substr(0, place.begin), text.substr(place.begin, place.end - place.begin), text.substr(place.end)}});
  }
  return spans;
}

}  // namespace lyceum::tuning
