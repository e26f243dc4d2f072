// path_pattern.h: a route pattern, compiled once, matched against escaped paths.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lyceum::http {

class PathPattern {
 public:
  // Still escaped: (parameter name, matched text).
  using Captures = std::vector<std::pair<std::string, std::string_view>>;

  explicit PathPattern(std::string_view pattern);  // malformed: our bug, aborts

  std::optional<Captures> match(std::string_view path) const;

  // How particular the pattern is, segment by segment: '3' literal, '2' literal text with parameters, '1' one parameter,
  // '0' the rest. The larger string is the more particular one.
  const std::string& rank() const noexcept { return rank_; }

  size_t size() const noexcept { return segments_.size(); }        // without the rest
  std::optional<std::string> literal(size_t segment) const;         // nullopt: it has a parameter
  bool takes_rest() const noexcept { return !rest_.empty(); }

 private:
  struct Piece {
    bool parameter = false;
    std::string text;  // the literal text, or the parameter's name
  };
  using Segment = std::vector<Piece>;

  static Segment parse_segment(std::string_view text);
  static bool match_segment(const Segment& segment, size_t piece, std::string_view text, Captures& captures);

  std::vector<Segment> segments_;
  std::string rest_;  // name of the final "{name*}", or empty
  std::string rank_;
};

}  // namespace lyceum::http
