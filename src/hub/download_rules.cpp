#include "hub/download_rules.h"

#include <algorithm>

namespace lyceum::hub {
namespace {

constexpr std::string_view kDefaultFiles[] = {"config.json", "config.yaml", "hyperparams.yaml", "params.json", "meta.yaml"};
constexpr int kDepthMax = 8;

struct PathParts {
  std::string_view path, prefix, filename, extension;
};

PathParts split(std::string_view path) {
  PathParts out{path, {}, path, {}};
  if (const size_t slash = path.rfind('/'); slash != std::string_view::npos) {
    out.prefix = path.substr(0, slash + 1);
    out.filename = path.substr(slash + 1);
  }
  if (const size_t dot = out.filename.rfind('.'); dot != std::string_view::npos) {
    out.extension = out.filename.substr(dot + 1);
    out.filename = out.filename.substr(0, dot);
  }
  return out;
}

// Recursive descent: any = all ("OR" all)*, all = one ("AND" one)*, one = "(" any ")" | field ":" quoted text.
class Evaluator {
 public:
  Evaluator(std::string_view query, const PathParts& parts) : rest_(query), parts_(parts) {}

  std::optional<bool> run() {
    const bool value = any(0);
    skip_spaces();
    return failed_ || !rest_.empty() ? std::nullopt : std::optional(value);
  }

 private:
  bool any(int depth) {
    bool value = all(depth);
    while (take_word("OR")) value = all(depth) || value;
    return value;
  }
  bool all(int depth) {
    bool value = one(depth);
    while (take_word("AND")) value = one(depth) && value;
    return value;
  }
  bool one(int depth) {
    skip_spaces();
    if (rest_.starts_with('(') && depth < kDepthMax) {
      rest_.remove_prefix(1);
      const bool value = any(depth + 1);
      skip_spaces();
      if (rest_.starts_with(')')) rest_.remove_prefix(1);
      else failed_ = true;
      return value;
    }
    const size_t colon = rest_.find(':');
    const size_t close = colon == std::string_view::npos || colon + 1 >= rest_.size() || rest_[colon + 1] != '"' ? std::string_view::npos : rest_.find('"', colon + 2);
    if (close == std::string_view::npos) return fail();
    const std::string_view field = rest_.substr(0, colon), wanted = rest_.substr(colon + 2, close - colon - 2);
    rest_.remove_prefix(close + 1);
    if (field == "_exists_") return !value_of(wanted).empty();
    return value_of(field) == wanted;
  }
  std::string_view value_of(std::string_view field) {
    if (field == "path") return parts_.path;
    if (field == "path_prefix") return parts_.prefix;
    if (field == "path_filename") return parts_.filename;
    if (field == "path_extension") return parts_.extension;
    fail();
    return {};
  }
  bool take_word(std::string_view word) {
    skip_spaces();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void skip_spaces() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }
  bool fail() {
    failed_ = true;
    rest_ = {};
    return false;
  }

  std::string_view rest_;
  const PathParts& parts_;
  bool failed_ = false;
};

bool counts_for_diffusers(const PathParts& parts) {
  if (parts.path == "model_index.json" || parts.path == "modular_model_index.json") return true;
  return parts.prefix.empty() && (parts.extension == "safetensors" || parts.extension == "ckpt" || parts.extension == "bin");
}

}  // namespace

std::optional<bool> evaluate_rule(std::string_view query, std::string_view path) {
  const PathParts parts = split(path);
  return Evaluator(query, parts).run();
}

bool counts_as_download(std::string_view library, std::string_view path) {
  const PathParts parts = split(path);
  if (parts.extension == "gguf") return true;
  if (library == "diffusers") return counts_for_diffusers(parts);
  const auto rules = library_rules();
  const auto found = std::lower_bound(rules.begin(), rules.end(), library, [](const LibraryRule& rule, std::string_view name) { return rule.library < name; });
  if (found != rules.end() && found->library == library) return Evaluator(found->query, parts).run().value_or(false);
  return std::find(std::begin(kDefaultFiles), std::end(kDefaultFiles), path) != std::end(kDefaultFiles);
}

}  // namespace lyceum::hub
