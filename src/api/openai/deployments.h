// deployments.h: the models that an administrator has deployed, kept in the hub's settings: [{"model": "owner/name[@revision]", "adapters":
// ["owner/adapter", …], "draft": "owner/small"}]. A deployed model's engine stays in memory while there is room, adapters named here run on that
// model, and the draft model guesses its tokens (engine/drafter.h), whoever asks: guesses change no answer.
#pragma once

#include <string>
#include <vector>

#include "hub/hub.h"

namespace lyceum::api {

struct Deployment {
  std::string model;
  std::vector<std::string> adapters;
  std::string draft;   // empty: none
};

std::vector<Deployment> load_deployments(hub::Hub& hub);
json::object deployment_json(const Deployment& one);   // as it is kept and shown
void save_deployments(hub::Hub& hub, const std::vector<Deployment>& deployments);

}  // namespace lyceum::api
