// attributes.h: the part of .gitattributes that decides how a file is stored: `filter=lfs` or not.
//
// Own matcher because libgit2's works on the files of a working copy. Supported: comments, quoted patterns, names without a slash (any depth), anchored
// paths, `*`, `?`, `[…]` with ranges, negation and POSIX classes, `**`, escapes, nested files (the deeper one wins, in a file
// the last line wins). Negative patterns are ignored, as git does. Matching is bounded: no input makes it exponential.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::git {

enum class FilterRule : uint8_t { unspecified, lfs, other };  // other: unset, or a filter that is not lfs

class Attributes {
 public:
  // Adds the .gitattributes of `folder` ("" = root). Add parents before children. Lines over 2 KiB and rules over 10,000 are ignored.
  void add(std::string_view folder, std::string_view text);
  FilterRule filter_of(std::string_view path) const;

 private:
  struct Rule {
    std::string folder;   // with a final slash, or empty
    std::string pattern;
    bool anchored = false;
    FilterRule filter = FilterRule::unspecified;
  };
  std::vector<Rule> rules_;
};

// Git's wildmatch with path separators significant: `*` and `?` do not match '/'.
bool wildcard_match(std::string_view pattern, std::string_view text);
// The line that makes exactly this path a large file, with a final newline.
std::string lfs_attributes_line(std::string_view path);
// What a new repository starts with: the formats of weights, archives and data that the public hub tracks as large.
std::string_view default_attributes();

}  // namespace lyceum::git
