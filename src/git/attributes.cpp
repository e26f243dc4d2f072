#include "git/attributes.h"

#include <cctype>
#include <optional>

namespace lyceum::git {
namespace {

constexpr size_t kRulesMax = 10000;
constexpr size_t kLineMax = 2048;

constexpr std::string_view kLargePatterns[] = {
    "*.7z",  "*.arrow", "*.bin",   "*.bz2",    "*.ckpt", "*.ftz",   "*.gguf", "*.gz",  "*.h5",   "*.joblib",
    "*.lfs.*", "*.mlmodel", "*.model", "*.msgpack", "*.npy", "*.npz", "*.onnx", "*.ot",  "*.parquet", "*.pb",
    "*.pickle", "*.pkl", "*.pt",   "*.pth",    "*.rar",  "*.safetensors", "saved_model/**/*", "*.tar.*", "*.tar", "*.tflite",
    "*.tgz", "*.wasm",  "*.xz",    "*.zip",    "*.zst",  "*tfevents*"};
constexpr std::string_view kLargeAttributes = " filter=lfs diff=lfs merge=lfs -text\n";

bool in_class(std::string_view name, unsigned char c) {
  if (name == "space") return std::isspace(c) != 0;
  if (name == "digit") return std::isdigit(c) != 0;
  if (name == "alpha") return std::isalpha(c) != 0;
  if (name == "alnum") return std::isalnum(c) != 0;
  if (name == "upper") return std::isupper(c) != 0;
  if (name == "lower") return std::islower(c) != 0;
  if (name == "punct") return std::ispunct(c) != 0;
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "xdigit") return std::isxdigit(c) != 0;
  if (name == "cntrl") return std::iscntrl(c) != 0;
  if (name == "print") return std::isprint(c) != 0;
  if (name == "graph") return std::isgraph(c) != 0;
  return false;
}

// A bracket expression at pattern[0] == '['. Sets `length` to its size, or returns nullopt when it never closes.
std::optional<bool> match_bracket(std::string_view pattern, unsigned char c, size_t& length) {
  size_t i = 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool matched = false;
  for (bool first = true; i < pattern.size(); first = false) {
    if (pattern[i] == ']' && !first) {
      length = i + 1;
      return matched != negated;
    }
    if (pattern[i] == '[' && i + 1 < pattern.size() && pattern[i + 1] == ':') {
      const size_t end = pattern.find(":]", i + 2);
      if (end != std::string_view::npos) {
        matched = matched || in_class(pattern.substr(i + 2, end - i - 2), c);
        i = end + 2;
        continue;
      }
    }
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    const auto low = static_cast<unsigned char>(pattern[i++]);
    auto high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      ++i;
      if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
      high = static_cast<unsigned char>(pattern[i++]);
    }
    matched = matched || (low <= c && c <= high);
  }
  return std::nullopt;
}

struct Cursor {
  std::string_view pattern, text;
};

// One non-star element of the pattern against one character. Advances both on success.
bool step(Cursor& at) {
  if (at.text.empty()) return false;
  const auto c = static_cast<unsigned char>(at.text.front());
  size_t length = 1;
  bool ok = false;
  switch (at.pattern.front()) {
    case '?': ok = c != '/'; break;
    case '[': {
      const auto result = match_bracket(at.pattern, c, length);
      ok = result.value_or(false) && c != '/';
      break;
    }
    case '\\':
      if (at.pattern.size() > 1) {
        length = 2;
        ok = static_cast<unsigned char>(at.pattern[1]) == c;
        break;
      }
      [[fallthrough]];
    default: ok = static_cast<unsigned char>(at.pattern.front()) == c;
  }
  if (!ok) return false;
  at.pattern.remove_prefix(length);
  at.text.remove_prefix(1);
  return true;
}

// "**/" and "/**" count as such only when they fill a whole path component.
bool fills_component(std::string_view whole, std::string_view at, size_t stars) {
  const size_t offset = whole.size() - at.size();
  const bool left = offset == 0 || whole[offset - 1] == '/';
  const bool right = offset + stars == whole.size() || whole[offset + stars] == '/';
  return left && right;
}

std::string unquote(std::string_view line, size_t& used) {
  std::string out;
  size_t i = 1;
  for (; i < line.size() && line[i] != '"'; ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) {
      ++i;
      constexpr std::string_view kFrom = "abfnrtv";
      constexpr std::string_view kTo = "\a\b\f\n\r\t\v";
      const size_t known = kFrom.find(line[i]);
      out.push_back(known == std::string_view::npos ? line[i] : kTo[known]);
    } else {
      out.push_back(line[i]);
    }
  }
  used = i < line.size() ? i + 1 : i;
  return out;
}

FilterRule parse_filter(std::string_view attributes) {
  FilterRule out = FilterRule::unspecified;
  while (!attributes.empty()) {
    const size_t start = attributes.find_first_not_of(" \t\r");
    if (start == std::string_view::npos) break;
    attributes.remove_prefix(start);
    const size_t end = attributes.find_first_of(" \t\r");
    const std::string_view word = attributes.substr(0, end);
    attributes.remove_prefix(end == std::string_view::npos ? attributes.size() : end);
    if (word == "filter=lfs") out = FilterRule::lfs;
    else if (word == "filter" || word == "-filter" || word == "!filter" || word.starts_with("filter=")) out = FilterRule::other;
  }
  return out;
}

}  // namespace

// Iterative with one remembered star of each kind (single, double): the classic two-pointer match, quadratic at worst.
bool wildcard_match(std::string_view whole, std::string_view text) {
  Cursor at{whole, text};
  Cursor star, globstar;  // an empty text: nothing left to give to that star
  const auto retry = [&]() {
    if (!star.text.empty() && star.text.front() != '/') {
      star.text.remove_prefix(1);
      at = star;
      return true;
    }
    star = {};
    // What follows "**/" starts a path component.
    const size_t slash = globstar.text.find('/');
    if (slash == std::string_view::npos) return false;
    globstar.text.remove_prefix(slash + 1);
    at = globstar;
    return true;
  };
  while (true) {
    if (at.pattern.empty()) {
      if (at.text.empty()) return true;
      if (!retry()) return false;
      continue;
    }
    if (at.pattern.front() == '*') {
      size_t stars = 1;
      while (stars < at.pattern.size() && at.pattern[stars] == '*') ++stars;
      if (stars >= 2 && fills_component(whole, at.pattern, stars)) {
        if (stars == at.pattern.size()) return !at.text.empty();
        at.pattern.remove_prefix(stars + 1);
        globstar = at;
        star = {};
      } else {
        at.pattern.remove_prefix(stars);
        star = at;
      }
      continue;
    }
    if (!step(at) && !retry()) return false;
  }
}

void Attributes::add(std::string_view folder, std::string_view text) {
  const std::string prefix = folder.empty() ? std::string() : std::string(folder) + "/";
  while (!text.empty() && rules_.size() < kRulesMax) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const size_t start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos || line[start] == '#' || line.size() > kLineMax) continue;
    line.remove_prefix(start);
    Rule rule{prefix, {}, false, FilterRule::unspecified};
    size_t used = 0;
    if (line.front() == '"') {
      rule.pattern = unquote(line, used);
    } else {
      used = std::min(line.find_first_of(" \t\r"), line.size());
      rule.pattern = line.substr(0, used);
    }
    if (rule.pattern.empty() || rule.pattern.front() == '!' || rule.pattern.back() == '/') continue;
    rule.filter = parse_filter(line.substr(used));
    if (rule.filter == FilterRule::unspecified) continue;
    rule.anchored = rule.pattern.find('/') != std::string::npos;
    if (rule.pattern.front() == '/') rule.pattern.erase(0, 1);
    rules_.push_back(std::move(rule));
  }
}

FilterRule Attributes::filter_of(std::string_view path) const {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (!path.starts_with(rule->folder)) continue;
    std::string_view local = path.substr(rule->folder.size());
    if (!rule->anchored) local = local.substr(local.rfind('/') + 1);
    if (wildcard_match(rule->pattern, local)) return rule->filter;
  }
  return FilterRule::unspecified;
}

std::string lfs_attributes_line(std::string_view path) {
  // A name without a slash would match at any depth, so anchor it.
  std::string out = path.find('/') == std::string_view::npos ? "/" : "";
  for (const char c : path) {
    if (c == ' ') {
      out += "[[:space:]]";
      continue;
    }
    if (c == '*' || c == '?' || c == '[' || c == '\\' || (out.empty() && (c == '#' || c == '!' || c == '"'))) out.push_back('\\');
    out.push_back(c);
  }
  return out.append(kLargeAttributes);
}

std::string_view default_attributes() {
  static const std::string text = [] {
    std::string out;
    for (const std::string_view pattern : kLargePatterns) out.append(pattern).append(kLargeAttributes);
    return out;
  }();
  return text;
}

}  // namespace lyceum::git
