#include <iostream>

#include "base/progress.h"
#include "cli/command.h"
#include "cli/store_settings.h"
#include "hub/hub.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string data;
  Settings settings;
};

int fsck(const Args& args, const Globals& globals) {
  const std::string& data = args.data.empty() ? globals.data : args.data;
  if (data.empty()) throw Error(Code::invalid_argument, "name the data folder: lyceum fsck --data FOLDER");
  const hub::HubOptions options = hub_options(args.settings, data);
  if (options.store.target.empty() && !std::filesystem::exists(std::filesystem::path(data) / "lyceum.db")) {
    throw Error(Code::not_found, data + " is not a Lyceum data folder (it has no lyceum.db)");
  }
  const SystemClock clock;
  const auto hub = hub::Hub::open(options, clock);
  hub::Hub::FsckReport report;
  {
    Progress progress("Checking " + data, 0, Progress::Unit::count, globals.json || globals.quiet);
    report = hub->fsck([&](uint64_t done, uint64_t) { progress.set(done); });
  }
  if (globals.json) {
    print_json(json::object{{"repos", report.repos}, {"commits", report.commits}, {"blobs", report.blobs},
                            {"blob_bytes", report.blob_bytes}, {"problems", json::value_from(report.problems)}});
  } else {
    for (const std::string& problem : report.problems) std::cout << "problem: " << problem << "\n";
    std::cout << report.repos << " repositories, " << report.commits << " commits, " << report.blobs << " large files ("
              << human_bytes(report.blob_bytes) << "), " << report.problems.size() << " problems\n";
  }
  return report.problems.empty() ? 0 : 6;
}

}  // namespace

void configure_fsck(Options& options, const Globals& globals, Run& run) {
  options.footer("The server must be stopped, because one process opens a data folder at a time; servers with --shared may run, if this gets a data folder of its own.");
  auto args = std::make_shared<Args>();
  options.add_option("--data", args->data, "the data folder to check; default: LYCEUM_DATA");
  args->settings.bind_store(options);
  options.callback([args, &globals, &run] { run = [args, &globals] { return fsck(*args, globals); }; });
}

}  // namespace lyceum::cli
