#include "git/object.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/hash.h"

namespace lyceum::git {
namespace {

[[noreturn]] void malformed(const char* what) {
  throw Error(Code::unprocessable, std::string("malformed git object: ") + what);
}

Mode parse_mode(std::string_view digits) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (error != std::errc{} || end != digits.data() + digits.size()) malformed("tree entry mode");
  switch (value & 0170000) {
    case 0040000: return Mode::folder;
    case 0120000: return Mode::link;
    case 0160000: return Mode::submodule;
    case 0100000: return (value & 0111) != 0 ? Mode::executable : Mode::file;
    default: malformed("tree entry mode");
  }
}

struct RawEntry {
  std::string_view mode, name, oid;
  TreeEntry parse() const { return {std::string(name), parse_mode(mode), oid_from_raw(oid.data())}; }
};

// "<mode> <name>\0<20 bytes>" off the front.
RawEntry take_entry(std::string_view& bytes) {
  const size_t space = bytes.substr(0, 7).find(' ');
  if (space == std::string_view::npos) malformed("tree entry without a mode");
  const size_t end = bytes.find('\0', space);
  if (end == std::string_view::npos || end == space + 1) malformed("tree entry without a name");
  if (bytes.size() - end - 1 < 20) malformed("tree entry cut short");
  const RawEntry entry{bytes.substr(0, space), bytes.substr(space + 1, end - space - 1), bytes.substr(end + 1, 20)};
  bytes.remove_prefix(end + 21);
  return entry;
}

std::string_view mode_text(Mode mode) {
  switch (mode) {
    case Mode::folder: return "40000";
    case Mode::executable: return "100755";
    case Mode::link: return "120000";
    case Mode::submodule: return "160000";
    case Mode::file: break;
  }
  return "100644";
}

// Git compares names byte by byte, a folder as if its name ended in '/'.
bool before(const TreeEntry& a, const TreeEntry& b) {
  const size_t common = std::min(a.name.size(), b.name.size());
  if (const int order = std::memcmp(a.name.data(), b.name.data(), common); order != 0) return order < 0;
  const auto next = [common](const TreeEntry& entry) -> int {
    if (entry.name.size() > common) return static_cast<unsigned char>(entry.name[common]);
    return entry.is_folder() ? '/' : 0;
  };
  return next(a) < next(b);
}

std::string_view take_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos) malformed("commit header without end");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

Oid parse_oid_field(std::string_view text) {
  const auto oid = find_oid(text);
  if (!oid) malformed("commit refers to something that is not an object id");
  return *oid;
}

// "Name <email> 1700000000 +0100". Old repositories contain broken ones; what cannot be read stays empty.
Signature parse_signature(std::string_view line) {
  Signature out;
  const size_t open = line.find('<');
  const size_t close = line.rfind('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    out.name = line;
    return out;
  }
  out.name = line.substr(0, open);
  while (!out.name.empty() && out.name.back() == ' ') out.name.pop_back();
  out.email = line.substr(open + 1, close - open - 1);
  std::string_view tail = line.substr(close + 1);
  while (!tail.empty() && tail.front() == ' ') tail.remove_prefix(1);
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), out.when_s);
  if (error != std::errc{}) out.when_s = 0;
  constexpr int64_t kYear9999 = 253'402'300'799;
  out.when_s = std::clamp<int64_t>(out.when_s, 0, kYear9999);
  tail.remove_prefix(static_cast<size_t>(end - tail.data()));
  if (tail.size() == 6 && (tail[1] == '+' || tail[1] == '-')) {
    int value = 0;
    std::from_chars(tail.data() + 2, tail.data() + 6, value);
    out.offset_minutes = (value / 100 * 60 + value % 100) * (tail[1] == '-' ? -1 : 1);
  }
  return out;
}

// Git itself drops these characters from a name or an address: they delimit the header.
std::string clean_identity(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '<' && c != '>' && static_cast<unsigned char>(c) >= 0x20) out.push_back(c);
  }
  return out;
}

std::string without_nul(std::string_view text) {  // git fsck refuses NUL in a commit
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) { return c != '\0'; });
  return out;
}

std::string format_signature(const Signature& signature) {
  const int offset = signature.offset_minutes < 0 ? -signature.offset_minutes : signature.offset_minutes;
  char zone[32];
  std::snprintf(zone, sizeof zone, "%c%02d%02d", signature.offset_minutes < 0 ? '-' : '+', offset / 60, offset % 60);
  std::string who = clean_identity(signature.name);
  if (who.empty()) who = "unknown";
  return who + " <" + clean_identity(signature.email) + "> " + std::to_string(signature.when_s) + " " + zone;
}

}  // namespace

std::string_view name(Kind kind) noexcept {
  switch (kind) {
    case Kind::commit: return "commit";
    case Kind::tree: return "tree";
    case Kind::tag: return "tag";
    case Kind::blob: break;
  }
  return "blob";
}

std::vector<TreeEntry> parse_tree(std::string_view bytes) {
  std::vector<TreeEntry> out;
  while (!bytes.empty()) out.push_back(take_entry(bytes).parse());
  return out;
}

std::optional<TreeEntry> find_in_tree(std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const RawEntry entry = take_entry(bytes);
    if (entry.name == name) return entry.parse();
  }
  return std::nullopt;
}

std::string format_tree(std::vector<TreeEntry> entries) {
  std::sort(entries.begin(), entries.end(), before);
  std::string out;
  for (const TreeEntry& entry : entries) {
    out.append(mode_text(entry.mode)).push_back(' ');
    out.append(entry.name).push_back('\0');
    out.append(reinterpret_cast<const char*>(entry.oid.bytes.data()), entry.oid.bytes.size());
  }
  return out;
}

Commit parse_commit(std::string_view bytes) {
  Commit out;
  std::string_view line = take_line(bytes);
  if (!line.starts_with("tree ")) malformed("commit without a tree");
  out.tree = parse_oid_field(line.substr(5));
  while (!bytes.empty() && bytes.front() != '\n') {
    line = take_line(bytes);
    if (line.starts_with("parent ")) out.parents.push_back(parse_oid_field(line.substr(7)));
    if (line.starts_with("author ")) out.author = parse_signature(line.substr(7));
    if (line.starts_with("committer ")) out.committer = parse_signature(line.substr(10));
  }
  if (!bytes.empty()) bytes.remove_prefix(1);
  out.message = bytes;
  return out;
}

std::string format_commit(const Commit& commit) {
  std::string out = "tree " + commit.tree.hex() + "\n";
  for (const Oid& parent : commit.parents) out += "parent " + parent.hex() + "\n";
  out += "author " + format_signature(commit.author) + "\n";
  return out + "committer " + format_signature(commit.committer) + "\n\n" + without_nul(commit.message);
}

std::string format_tag(const Tag& tag) {
  return "object " + tag.target.hex() + "\ntype commit\ntag " + tag.name + "\ntagger " + format_signature(tag.tagger) + "\n\n" + without_nul(tag.message);
}

Oid object_id(Kind kind, std::string_view content) {
  Hasher hasher(Hasher::Kind::sha1);
  std::string header(name(kind));
  header += " " + std::to_string(content.size());
  header.push_back('\0');
  hasher.update(header);
  hasher.update(content);
  return oid_from_raw(hasher.finish().data());
}

}  // namespace lyceum::git
