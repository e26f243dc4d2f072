// run_files.h: a job's folder: inputs out of the hub before the run, the result into the hub after it.
//
//   jobs/<id>/   base/, data/     what was pinned: small files written out, large ones hard links to their blobs (gone after the run)
//                spec.json …      the run folder of tuning/job.h
//                status.json      what the run last said, curve.json, log.jsonl: what pages show, also when the run is over
#pragma once

#include <filesystem>
#include <string>

#include "hub/jobs.h"

namespace lyceum::api {

std::filesystem::path job_folder(hub::Hub& hub, const std::string& id);

// With the rights that `caller` has now. Error(not_found, RepoNotFound) when an input has gone or may not be read any more.
void prepare_run(hub::Hub& hub, const hub::Caller& caller, const hub::Job& job, const std::string& version);
// Has the run written its result, whole?
bool has_output(const std::filesystem::path& folder);

struct Published {
  std::string repo, commit;
};
// One commit to the target, which is made if it is not there.
Published publish_run(hub::Hub& hub, const hub::Caller& caller, const hub::Job& job);
// What nobody needs after a run that is done: inputs, checkpoints, the result's copy.
void sweep_run(const std::filesystem::path& folder);

}  // namespace lyceum::api
