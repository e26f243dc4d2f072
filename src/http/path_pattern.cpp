#include "http/path_pattern.h"

#include "base/error.h"
#include "http/message.h"

namespace lyceum::http {
namespace {

std::vector<std::string_view> split_segments(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (true) {
    const size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// Clients may escape more than they must ("%61pi"), so a literal is compared with the decoded segment.
bool equals_literal(std::string_view segment, const std::string& literal) {
  if (segment.find('%') == std::string_view::npos) return segment == literal;
  return percent_decode(segment) == literal;
}

}  // namespace

PathPattern::PathPattern(std::string_view pattern) {
  LYCEUM_CHECK(pattern.starts_with('/'), "a route pattern starts with a slash");
  const auto segments = split_segments(pattern);
  for (size_t i = 0; i < segments.size(); ++i) {
    const std::string_view text = segments[i];
    if (text.size() > 3 && text.starts_with('{') && text.ends_with("*}")) {
      LYCEUM_CHECK(i + 1 == segments.size(), "{name*} must be the last segment of a route pattern");
      rest_ = text.substr(1, text.size() - 3);
      rank_ += '0';
      return;
    }
    segments_.push_back(parse_segment(text));
    const Segment& segment = segments_.back();
    const bool literal = segment.empty() || (segment.size() == 1 && !segment[0].parameter);
    rank_ += literal ? '3' : segment.size() > 1 ? '2' : '1';
  }
}

std::optional<std::string> PathPattern::literal(size_t segment) const {
  const Segment& pieces = segments_[segment];
  if (pieces.empty()) return std::string();
  if (pieces.size() > 1 || pieces[0].parameter) return std::nullopt;
  return pieces[0].text;
}

PathPattern::Segment PathPattern::parse_segment(std::string_view text) {
  Segment segment;
  while (!text.empty()) {
    const size_t open = text.find('{');
    if (open != 0) {
      segment.push_back({false, std::string(text.substr(0, open))});
      text.remove_prefix(open == std::string_view::npos ? text.size() : open);
      continue;
    }
    const size_t close = text.find('}');
    LYCEUM_CHECK(close != std::string_view::npos && close > 1, "a route parameter is written {name}");
    LYCEUM_CHECK(segment.empty() || !segment.back().parameter, "two route parameters need text between them");
    segment.push_back({true, std::string(text.substr(1, close - 1))});
    text.remove_prefix(close + 1);
  }
  return segment;
}

// A parameter takes at least one character, and as few as let the rest match.
bool PathPattern::match_segment(const Segment& segment, size_t piece, std::string_view text, Captures& captures) {
  if (piece == segment.size()) return text.empty();
  const Piece& current = segment[piece];
  if (!current.parameter) {
    if (segment.size() == 1) return equals_literal(text, current.text);
    return text.starts_with(current.text) && match_segment(segment, piece + 1, text.substr(current.text.size()), captures);
  }
  if (piece + 1 == segment.size()) {
    if (text.empty()) return false;
    captures.emplace_back(current.text, text);
    return true;
  }
  const std::string& next = segment[piece + 1].text;
  for (size_t at = text.find(next, 1); at != std::string_view::npos; at = text.find(next, at + 1)) {
    captures.emplace_back(current.text, text.substr(0, at));
    if (match_segment(segment, piece + 1, text.substr(at), captures)) return true;
    captures.pop_back();
  }
  return false;
}

std::optional<PathPattern::Captures> PathPattern::match(std::string_view path) const {
  const auto parts = split_segments(path);
  if (rest_.empty() ? parts.size() != segments_.size() : parts.size() <= segments_.size()) return std::nullopt;
  Captures captures;
  for (size_t i = 0; i < segments_.size(); ++i) {
    if (!match_segment(segments_[i], 0, parts[i], captures)) return std::nullopt;
  }
  if (!rest_.empty()) {
    const char* begin = parts[segments_.size()].data();
    captures.emplace_back(rest_, std::string_view(begin, static_cast<size_t>(path.data() + path.size() - begin)));
  }
  return captures;
}

}  // namespace lyceum::http
