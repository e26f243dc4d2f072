// participation.h: the rule of repo_participate, for a handler whose row asks for less because it answers more than one question.
#pragma once

#include "hub/hub.h"

namespace lyceum::api {

// Signed in, with a token that lets speak in this repository. Error(unauthorized or forbidden) with the remedy.
void require_participation(const hub::Caller& caller, const hub::Repo& repo);

}  // namespace lyceum::api
