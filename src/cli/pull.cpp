#include <iostream>

#include "cli/snapshot.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string repo, to;
};

int pull(const Args& args, const Globals& globals) {
  HubClient hub(globals);
  const Snapshot snapshot = pull_snapshot(hub, parse_repo_name(args.repo), globals, args.to);
  if (globals.json) {
    print_json(json::object{{"repo", snapshot.repo}, {"commit", snapshot.commit}, {"folder", snapshot.folder.string()}});
  } else {
    std::cout << snapshot.folder.string() << "\n";
  }
  return 0;
}

}  // namespace

void configure_pull(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("repo", args->repo, "owner/name[@revision], datasets/owner/name or spaces/owner/name").required();
  options.add_option("--to", args->to, "folder to write; default: the cache, by commit");
  options.callback([args, &globals, &run] { run = [args, &globals] { return pull(*args, globals); }; });
}

}  // namespace lyceum::cli
