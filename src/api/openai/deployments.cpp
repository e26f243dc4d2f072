#include "api/openai/deployments.h"

namespace lyceum::api {

std::vector<Deployment> load_deployments(hub::Hub& hub) {
  std::vector<Deployment> out;
  const json::value stored = hub.setting("deployments");
  if (!stored.is_array()) return out;
  for (const json::value& one : stored.get_array()) {
    const json::object& row = get_object(one, "a stored deployment");
    Deployment deployment{get_string(row, "model"), {}, find_string(row, "draft").value_or("")};
    if (const json::array* adapters = find_array(row, "adapters")) {
      for (const json::value& adapter : *adapters) deployment.adapters.emplace_back(adapter.as_string());
    }
    out.push_back(std::move(deployment));
  }
  return out;
}

json::object deployment_json(const Deployment& one) {
  json::object out{{"model", one.model}, {"adapters", json::value_from(one.adapters)}};
  if (!one.draft.empty()) out["draft"] = one.draft;
  return out;
}

void save_deployments(hub::Hub& hub, const std::vector<Deployment>& deployments) {
  json::array rows;
  for (const Deployment& one : deployments) rows.push_back(deployment_json(one));
  hub.set_setting("deployments", rows);
}

}  // namespace lyceum::api
