// git_program.h: how we call git: no configuration but ours, no user's environment, no network.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "api/git/process.h"

namespace lyceum::api {

// `git <settings> --git-dir=<folder> <arguments>` with GIT_* variables from `environment` added.
ProcessOptions git_program(const std::filesystem::path& folder, std::vector<std::string> arguments, const std::vector<std::string>& environment = {},
                           const std::vector<std::string>& settings = {});

}  // namespace lyceum::api
