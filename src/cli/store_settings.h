// store_settings.h: from settings to where a hub keeps what it has. Secrets come from files or the environment and are never printed.
#pragma once

#include <filesystem>

#include "cli/settings.h"
#include "hub/hub.h"

namespace lyceum::cli {

// Error(invalid_argument) naming the setting that is wrong.
hub::HubOptions hub_options(const Settings& settings, const std::filesystem::path& data_folder);

}  // namespace lyceum::cli
