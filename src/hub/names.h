// names.h: which names and paths the hub accepts. Each function throws Error(invalid_argument) naming the rule that was broken.
#pragma once

#include <string>
#include <string_view>

namespace lyceum::hub {

// Users and organisations: letters, digits, '-', '_', '.', at most 96, a letter or digit at both ends, no "--" or "..", not a word the
// web front end uses as a path.
void check_account_name(std::string_view name);
void check_repo_name(std::string_view name);
// A branch or tag name as git accepts it, without a leading "refs/".
void check_ref_name(std::string_view name);

// A file path inside a repository, '/' between components. Refuses what would not survive a checkout on every system or what
// `git fsck --strict` refuses: empty, ".", ".." and ".git" components (also as NTFS and HFS+ spell it), control characters,
// backslashes, invalid UTF-8, over 900 bytes, a component over 255 bytes, .gitmodules.
void check_path(std::string_view path);

bool is_utf8(std::string_view text) noexcept;
// A NUL byte or invalid UTF-8 (a character cut at the end of the sample is fine).
bool looks_binary(std::string_view sample) noexcept;

}  // namespace lyceum::hub
