// route_index.h: which route patterns may match a path: a tree over their segments, so that a request is compared with a few patterns
// and not with all of them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "http/path_pattern.h"

namespace lyceum::http {

class RouteIndex {
 public:
  void add(const PathPattern& pattern, size_t route);
  // Every route whose pattern matches the escaped path, and perhaps some that do not; ascending.
  std::vector<size_t> find(std::string_view path) const;

 private:
  struct Node {
    std::map<std::string, size_t, std::less<>> literal;  // the node after a segment
    size_t other = 0;               // after a segment with a parameter; 0: none
    std::vector<size_t> ending;     // routes whose last segment this is
    std::vector<size_t> rest;       // routes that take whatever follows
  };
  void collect(const Node& node, std::string_view rest, std::vector<size_t>& out) const;

  std::vector<Node> nodes_{1};      // the first is the root
};

}  // namespace lyceum::http
