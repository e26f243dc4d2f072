// ignore_rules.h: .gitignore as git reads it (gitignore(5)): "!" negates, a trailing "/" means folders, a "/" elsewhere anchors
// the pattern to the top, "**" crosses folders, the last matching line decides. Matches a path and every folder above it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lyceum::api {

class IgnoreRules {
 public:
  explicit IgnoreRules(std::string_view text);
  bool ignores(std::string_view path) const;

 private:
  struct Rule {
    std::string pattern;
    bool negated = false, folders_only = false, anchored = false;
  };
  bool ignores_one(std::string_view path, bool is_folder) const;

  std::vector<Rule> rules_;
};

}  // namespace lyceum::api
