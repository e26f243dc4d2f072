// presets.h: recipes to begin with, for the form and for whoever asks.
#pragma once

#include "base/json.h"

namespace lyceum::api {

json::array job_presets();   // [{"id", "name", "about", "recipe"}, …]; every recipe is one that the trainer reads

}  // namespace lyceum::api
