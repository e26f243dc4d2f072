// job_request.h: what a caller asks for, in this hub's own words or in those of the Hugging Face Jobs protocol, as an order for
// hub/jobs.h: inputs found with the caller's rights and pinned, the recipe read and checked against the base, the memory estimated. What
// cannot be done here is refused by name, with what can.
#pragma once

#include <string>
#include <vector>

#include "api/route.h"
#include "hub/jobs.h"

namespace lyceum::api {

// {"base": "owner/name[@revision]", "data": "datasets/owner/name[@revision]", "to": "name", "private": true, "plan": false,
//  "recipe": {…} or YAML text, "timeout_s": 0, "labels": {}}
hub::JobOrder read_job_order(Context& context, const std::string& owner, const json::object& body);
// run_job()'s body: {"dockerImage": "lyceum", "command": ["lyceum", "tune", "owner/base", "--data", "datasets/owner/data", …], …}
hub::JobOrder read_docker_order(Context& context, const std::string& owner, const json::object& body);
// The command line that asks for the same.
std::vector<std::string> command_of(const hub::JobOrder& order);

// A body of the protocol as one in our words; no look at the hub. For the above and for tests.
json::object translate_docker_body(const json::object& body);

}  // namespace lyceum::api
