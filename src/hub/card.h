// card.h: what a README's YAML front matter says, as JSON and as the tags that search uses.
//
// Parsing never fails: a card is a courtesy of the author. Text over 256 KiB, deeper than 32 levels, or growing past 20,000 values
// (an alias bomb) gives an empty card.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/hub.h"

namespace lyceum::hub {

json::object parse_card(std::string_view readme) noexcept;

struct CardSummary {
  std::vector<std::string> tags;
  std::string pipeline_tag, library_name, sdk;
};
// files: names of the files in the root folder; some tags follow from them (safetensors, gguf, an adapter).
CardSummary summarise_card(RepoType type, const json::object& card, const std::set<std::string>& files);

}  // namespace lyceum::hub
