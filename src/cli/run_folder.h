// run_folder.h: training runs as the command line sees them: a run folder, a `job` process working in it, progress for people,
// and the result committed to the hub.
#pragma once

#include "cli/hub_client.h"
#include "cli/snapshot.h"
#include "tuning/job.h"

namespace lyceum::cli {

// A new empty folder under $LYCEUM_HOME/runs or ~/.cache/lyceum/runs.
fs::path make_run_folder(const std::string& label);

// The data a person named: a path on this machine, a git address (cloned into the run folder), or datasets/owner/name on the hub.
struct DataSource {
  fs::path path;
  std::string repo, commit;   // from the hub
  std::string label;          // for card and lineage: never a path
};
DataSource open_data(const std::string& text, const fs::path& run_folder, const Globals& globals);

struct JobRun {
  unsigned threads = 0;
  bool dry_run = false;
};

// Starts `lyceum job` in the folder and shows its progress; Ctrl-C lets it finish the step and write a checkpoint. Returns the
// job's result as JSON. Throws Error with the job's own message and exit kind.
json::object run_job_process(const fs::path& run_folder, const JobRun& options, const Globals& globals);

// What will be learned, as lines for people.
void print_data_report(const fs::path& run_folder);

// Every file of output/ as one commit. Makes the repository if needed.
CommitResult publish_output(HubClient& hub, const RepoName& repo, const fs::path& run_folder, bool is_private, const std::string& summary,
                            const Globals& globals);

// "key=value" pairs into a recipe's JSON; values are read as JSON where possible, as text otherwise.
void apply_settings(json::object& recipe, const std::vector<std::string>& pairs);
// A recipe file as JSON (YAML or JSON), canonical keys; an empty path gives an empty object.
json::object load_recipe_object(const std::string& path);

}  // namespace lyceum::cli
