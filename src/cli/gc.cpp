#include <iostream>

#include "base/progress.h"
#include "cli/hub_client.h"

namespace lyceum::cli {
namespace {

struct Args {
  bool remove = false;
  int64_t grace_days = 0;  // 0: the hub's own
};

int gc(const Args& args, const Globals& globals) {
  json::object body{{"dry_run", !args.remove}};
  if (args.grace_days > 0) body["grace_days"] = args.grace_days;
  HubClient hub(globals);
  const json::value answer = hub.send("POST", "/api/lyceum/gc", body);
  const json::object& report = get_object(answer, "the hub's report");
  if (globals.json) {
    print_json(answer);
    return 0;
  }
  for (const json::value& note : *find_array(report, "notes")) std::cout << "note: " << std::string_view(note.as_string()) << "\n";
  std::cout << (args.remove ? "Removed " : "Would remove ") << get_int(report, "blobs") << " large files (" << human_bytes(static_cast<uint64_t>(get_int(report, "blob_bytes")))
            << "), " << get_int(report, "repository_folders") << " folders of no repository, " << get_int(report, "staging_files") << " left uploads; "
            << get_int(report, "live_blobs") << " large files are in use, " << get_int(report, "young_blobs") << " are too young to tell.\n";
  if (!args.remove) std::cout << "Nothing was removed; `lyceum gc --remove` does it.\n";
  return 0;
}

}  // namespace

void configure_gc(Options& options, const Globals& globals, Run& run) {
  options.footer("Runs inside the hub (--endpoint, --token of an administrator), safely beside commits and uploads.");
  auto args = std::make_shared<Args>();
  options.add_flag("--remove", args->remove, "remove what was found, instead of only counting it");
  options.add_option("--grace-days", args->grace_days, "leave alone what was uploaded in the last days; default 22, so that no client relies on it any more");
  options.callback([args, &globals, &run] { run = [args, &globals] { return gc(*args, globals); }; });
}

}  // namespace lyceum::cli
