// push_check.h: may these pushed objects enter the repository? Asked by git's pre-receive hook while the objects are still in
// quarantine, so that a refused push leaves nothing behind.
//
// Rules: only branches, tags and pull-request refs; main is not deleted; a file kept in git is at most kInlineLimitBytes; an LFS
// pointer names stored content. Whether this repository may use that content is decided by hub::Push::finish().
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.h"

namespace lyceum::api {

constexpr uint64_t kInlineLimitBytes = 10u << 20;

struct PushedRefs {
  struct Update { std::string before, after, ref; };
  std::vector<Update> updates;
  std::vector<std::string> environment;  // GIT_OBJECT_DIRECTORY=…, of the quarantine
};

// What the hook sends: one line per environment variable, a line "refs", one line "old new ref" per update, a line "end".
// Throws Error(invalid_argument) on anything else.
PushedRefs parse_hook_message(std::string_view text);

// Empty, or the lines to show to whoever pushes.
std::string find_push_refusal(hub::Hub& hub, const std::filesystem::path& folder, const PushedRefs& pushed);

}  // namespace lyceum::api
