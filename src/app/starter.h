// starter.h: what a newcomer finds on a fresh hub: a model, a dataset and a Space, imported where they are not there yet.
#pragma once

#include <filesystem>

#include "hub/hub.h"

namespace lyceum::app {

// folder holds starter.json: [{"type", "repo": "owner/name", "folder", "sdk"?}]. Owners become organisations of the
// administrator. A repository that exists is left as it is. Throws Error naming the file that is wrong.
void import_starter(hub::Hub& hub, const hub::User& administrator, const std::filesystem::path& folder);

}  // namespace lyceum::app
