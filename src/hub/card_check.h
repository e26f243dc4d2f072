// card_check.h: what is wrong with a card, told to its author before the commit (POST /api/validate-yaml). Errors stop the commit: text that is
// not YAML. Warnings do not: values that search, tags and other clients will not understand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.h"

namespace lyceum::hub {

struct CardFindings {
  std::vector<std::string> errors, warnings;
};

CardFindings check_card(RepoType type, std::string_view readme);

}  // namespace lyceum::hub
