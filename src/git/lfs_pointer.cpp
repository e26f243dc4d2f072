#include "git/lfs_pointer.h"

#include <charconv>

#include "base/bytes.h"

namespace lyceum::git {
namespace {

// "key value\n" off the front; nullopt at a line of another form.
std::optional<std::pair<std::string_view, std::string_view>> take_pair(std::string_view& rest) {
  const size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return std::pair(line.substr(0, space), line.substr(space + 1));
}

bool is_version(std::string_view url) {
  return url == "https://git-lfs.github.com/spec/v1" || url == "http://git-media.io/v/2" || url == "https://hawser.github.com/spec/v1";
}

}  // namespace

std::optional<LfsPointer> find_lfs_pointer(std::string_view text) {
  if (text.size() > kLfsPointerBytesMax) return std::nullopt;
  auto pair = take_pair(text);
  if (!pair || pair->first != "version" || !is_version(pair->second)) return std::nullopt;
  LfsPointer out;
  bool has_size = false;
  while (!text.empty()) {
    pair = take_pair(text);
    if (!pair) return std::nullopt;
    const auto [key, value] = *pair;
    if (key == "oid") {
      if (!value.starts_with("sha256:") || !is_hex(value.substr(7), 64)) return std::nullopt;
      out.sha256 = value.substr(7);
    } else if (key == "size") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out.size);
      if (error != std::errc{} || end != value.data() + value.size() || out.size > (1ULL << 62)) return std::nullopt;
      has_size = true;
    } else if (!key.starts_with("ext-")) {
      return std::nullopt;
    }
  }
  if (out.sha256.empty() || !has_size) return std::nullopt;
  return out;
}

std::string format_lfs_pointer(const LfsPointer& pointer) {
  return "version https://git-lfs.github.com/spec/v1\noid sha256:" + pointer.sha256 + "\nsize " + std::to_string(pointer.size) + "\n";
}

}  // namespace lyceum::git
