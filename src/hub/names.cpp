#include "hub/names.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "git/repository.h"

namespace lyceum::hub {
namespace {

constexpr std::array<std::string_view, 36> kReservedNames = {
    "about",  "api",   "assets", "auth",    "blog",   "chat",     "collections", "datasets", "device", "docs",    "engine",
    "health", "jobs", "join",     "login", "logout", "metrics", "models", "new",      "oauth",       "organizations", "papers", "pricing", "report",
    "search", "settings", "spaces", "static", "tasks",  "tokens", "uploads", "users",    "v1",          "web",      "well-known", "xet"};

[[noreturn]] void refuse(std::string_view what, std::string_view name, std::string_view rule) {
  throw Error(Code::invalid_argument, "the " + std::string(what) + " \"" + std::string(name.substr(0, 120)) + "\" " + std::string(rule));
}

bool is_alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

void check_name(std::string_view what, std::string_view name) {
  if (name.empty() || name.size() > 96) refuse(what, name, "must have 1 to 96 characters");
  if (!std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; })) {
    refuse(what, name, "may contain letters, digits, '-', '_' and '.' only");
  }
  if (name.find("--") != std::string_view::npos || name.find("..") != std::string_view::npos) refuse(what, name, "may not contain \"--\" or \"..\"");
  const auto is_edge = [](char c) { return is_alphanumeric(c) || c == '_'; };
  if (!is_edge(name.front()) || !is_edge(name.back())) refuse(what, name, "must start and end with a letter or digit");
  if (name.ends_with(".git") || name.ends_with(".lock")) refuse(what, name, "may not end with .git or .lock");
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// HFS+ ignores these code points in names: U+200C..F, U+202A..E, U+206A..F, U+FEFF.
std::string without_ignorable(std::string_view component) {
  std::string out;
  for (size_t i = 0; i < component.size(); ++i) {
    const std::string_view three = component.substr(i, 3);
    const auto last = three.size() == 3 ? static_cast<unsigned char>(three[2]) : 0;
    const bool ignorable = (three.starts_with("\xe2\x80") && ((last >= 0x8c && last <= 0x8f) || (last >= 0xaa && last <= 0xae))) ||
                           (three.starts_with("\xe2\x81") && last >= 0xaa && last <= 0xaf) || three == "\xef\xbb\xbf";
    if (ignorable) i += 2;
    else out.push_back(component[i]);
  }
  return out;
}

// The name as the least careful file system would see it: no case, no ignorable characters, NTFS streams and trailing dots and spaces cut.
std::string canonical(std::string_view component) {
  std::string out = lower(without_ignorable(component));
  out = out.substr(0, out.find(':'));
  while (!out.empty() && (out.back() == ' ' || out.back() == '.')) out.pop_back();
  return out;
}

void check_component(std::string_view path, std::string_view part) {
  if (part.empty()) refuse("path", path, "has an empty component");
  if (part == "." || part == "..") refuse("path", path, "may not contain \".\" or \"..\" components");
  if (part.size() > 255) refuse("path", path, "has a component longer than 255 bytes");
  const std::string plain = canonical(part);
  if (plain == ".git" || plain == "git~1") refuse("path", path, "may not contain a .git component");
  const bool short_modules = (plain.starts_with("gitmod~") || plain.starts_with("gi7eba~")) && plain.size() == 8;
  if (plain == ".gitmodules" || short_modules) refuse("path", path, "is refused: submodules are not supported");
}

// Length of the well-formed UTF-8 sequence at the start of `text`; 0 = malformed, and `cut` tells that it may continue.
size_t sequence_length(std::string_view text, bool& cut) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
  if (length == 0) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (i >= text.size()) {
      cut = true;
      return 0;
    }
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool outside = (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f);
  return overlong || outside ? 0 : length;
}

bool is_utf8_but(std::string_view text, bool may_be_cut) {
  while (!text.empty()) {
    bool cut = false;
    const size_t length = sequence_length(text, cut);
    if (length == 0) return cut && may_be_cut;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

void check_account_name(std::string_view name) {
  check_name("account name", name);
  if (std::find(kReservedNames.begin(), kReservedNames.end(), lower(name)) != kReservedNames.end()) {
    refuse("account name", name, "is reserved; choose another");
  }
}

void check_repo_name(std::string_view name) { check_name("repository name", name); }

void check_ref_name(std::string_view name) {
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) > 0x20; });
  if (name.empty() || name.size() > 200 || name.front() == '-' || !printable || !is_utf8(name) ||
      !git::Repository::is_valid_ref_name("refs/heads/" + std::string(name))) {
    refuse("revision name", name, "is not a name git accepts");
  }
}

void check_path(std::string_view path) {
  if (path.empty()) refuse("path", path, "is empty");
  if (path.size() > 900) refuse("path", path, "is longer than 900 bytes");
  if (path.front() == '/') refuse("path", path, "must be relative to the repository");
  if (!is_utf8(path)) throw Error(Code::invalid_argument, "a path must be valid UTF-8");
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) throw Error(Code::invalid_argument, "a path may not contain control characters");
    if (c == '\\') refuse("path", path, "may not contain a backslash");
  }
  for (std::string_view rest = path;;) {
    const size_t slash = rest.find('/');
    check_component(path, rest.substr(0, slash));
    if (slash == std::string_view::npos) return;
    rest.remove_prefix(slash + 1);
  }
}

bool is_utf8(std::string_view text) noexcept { return is_utf8_but(text, false); }

bool looks_binary(std::string_view sample) noexcept {
  return sample.find('\0') != std::string_view::npos || !is_utf8_but(sample, true);
}

}  // namespace lyceum::hub
