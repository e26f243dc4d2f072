// deployments.h: the models that an administrator has deployed, kept in the hub's settings: [{"model": "owner/name[@revision]", "adapters":
// ["owner/adapter", …]}]. A deployed model's engine stays in memory while there is room, and adapters named here run on that model.
#pragma once

#include <string>
#include <vector>

#include "hub/hub.h"

namespace lyceum::api {

struct Deployment {
  std::string model;
  std::vector<std::string> adapters;
};

std::vector<Deployment> load_deployments(hub::Hub& hub);
void save_deployments(hub::Hub& hub, const std::vector<Deployment>& deployments);

}  // namespace lyceum::api
