// space_app.h: a declarative Space. The repository holds space.yaml; there is no process, no build and no code: the pages draw
// it and the engine answers. Keys:
//
//   task: chat | text-generation | fill-in-the-middle     (required)
//   model: owner/name                                     (required)
//   adapter: owner/name
//   title, about, system_prompt, placeholder: text
//   examples: [ text | {text: …, suffix: …} ]             (at most 20)
//   parameters: {max_tokens, temperature, top_p, top_k, min_p, seed}
//
// An unknown key, a wrong type or a value out of range is Error(unprocessable) naming the key, line and column.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace lyceum::spaces {

struct SpaceExample {
  std::string text, suffix;
};

struct SpaceApp {
  std::string task, model, adapter;
  std::string title, about, system_prompt, placeholder;
  std::vector<SpaceExample> examples;
  std::map<std::string, double> parameters;
};

// yaml: at most 64 KiB. fallback_title is used when the file gives none.
SpaceApp parse_space_app(std::string_view yaml, std::string_view fallback_title);
json::object to_json(const SpaceApp& app);

}  // namespace lyceum::spaces
