#include "api/hub/ignore_rules.h"

#include <algorithm>

#include "git/attributes.h"

namespace lyceum::api {
namespace {

constexpr size_t kRulesLimit = 4096, kPatternLimit = 1024;

}  // namespace

IgnoreRules::IgnoreRules(std::string_view text) {
  while (!text.empty() && rules_.size() < kRulesLimit) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.back() == '\r' || (line.back() == ' ' && !line.ends_with("\\ ")))) line.pop_back();
    if (line.empty() || line[0] == '#' || line.size() > kPatternLimit) continue;
    Rule rule;
    rule.negated = line[0] == '!';
    if (rule.negated) line.erase(0, 1);
    rule.folders_only = line.ends_with('/');
    if (rule.folders_only) line.pop_back();
    rule.anchored = line.find('/') != std::string::npos;
    if (line.starts_with('/')) line.erase(0, 1);
    rule.pattern = line;
    if (!rule.pattern.empty()) rules_.push_back(std::move(rule));
  }
}

bool IgnoreRules::ignores_one(std::string_view path, bool is_folder) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->folders_only && !is_folder) continue;
    if (git::wildcard_match(rule->pattern, rule->anchored ? path : name)) return !rule->negated;
  }
  return false;
}

bool IgnoreRules::ignores(std::string_view path) const {
  for (size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1))
    if (ignores_one(path.substr(0, slash), true)) return true;  // nothing below an ignored folder comes back
  return ignores_one(path, false);
}

}  // namespace lyceum::api
