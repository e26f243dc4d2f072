// job_json.h: a job as JSON: in this hub's own words, and in those of the Hugging Face Jobs protocol (JobInfo).
#pragma once

#include "api/route.h"
#include "hub/jobs.h"

namespace lyceum::api {

// What the run last said, from its folder: {"phase", "step", "steps", "loss", "tokens_per_second", "seconds_left", "memory_bytes", …}.
json::object read_status(hub::Hub& hub, const hub::Job& job);
json::array read_curve(hub::Hub& hub, const hub::Job& job);      // [[step, loss, steps in the mean], …]
json::value read_plan(hub::Hub& hub, const hub::Job& job);       // the data report; null before there is one

json::object job_json(hub::Hub& hub, const hub::Job& job, bool may_control);
json::object job_info(const Context& context, const hub::Job& job);
std::string_view stage_of(hub::JobState state);                  // "SCHEDULING", "RUNNING", …
std::vector<hub::JobState> states_of(std::string_view stage);    // Error(invalid_argument) for no stage

}  // namespace lyceum::api
