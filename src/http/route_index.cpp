#include "http/route_index.h"

#include <algorithm>

#include "http/message.h"

namespace lyceum::http {

void RouteIndex::add(const PathPattern& pattern, size_t route) {
  size_t node = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const auto literal = pattern.literal(i);
    size_t& next = literal ? nodes_[node].literal[*literal] : nodes_[node].other;
    if (next == 0) next = nodes_.size();
    node = next;
    if (node == nodes_.size()) nodes_.emplace_back();
  }
  (pattern.takes_rest() ? nodes_[node].rest : nodes_[node].ending).push_back(route);
}

// `rest` is what follows the slash after the segments already taken.
void RouteIndex::collect(const Node& node, std::string_view rest, std::vector<size_t>& out) const {
  out.insert(out.end(), node.rest.begin(), node.rest.end());
  const size_t slash = rest.find('/');
  const std::string_view segment = rest.substr(0, slash);
  const auto go_on = [&](const Node& next) {
    if (slash == std::string_view::npos) out.insert(out.end(), next.ending.begin(), next.ending.end());
    else collect(next, rest.substr(slash + 1), out);
  };
  const bool escaped = segment.find('%') != std::string_view::npos;  // clients may escape more than they must ("%61pi")
  const auto found = escaped ? node.literal.find(percent_decode(segment)) : node.literal.find(segment);
  if (found != node.literal.end()) go_on(nodes_[found->second]);
  if (node.other != 0) go_on(nodes_[node.other]);
}

std::vector<size_t> RouteIndex::find(std::string_view path) const {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::vector<size_t> out;
  collect(nodes_[0], path, out);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace lyceum::http
