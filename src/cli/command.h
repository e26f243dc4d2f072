// command.h: one row per command. A command file declares its options (one args struct per command, which
// drives parsing and --help) and sets the function to run. Errors are thrown as lyceum::Error and caught once, in app/main.cpp.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "cli/options.h"

namespace lyceum::cli {

// Options every command has. Filled before the command runs.
struct Globals {
  std::string endpoint;   // of the hub: --endpoint, LYCEUM_ENDPOINT, HF_ENDPOINT, http://127.0.0.1:7860
  std::string token;      // --token, LYCEUM_TOKEN, HF_TOKEN, or the file `hf auth login` writes
  std::string data;       // the hub's data folder when it is on this machine: large files are then linked, not copied
  bool json = false;      // print one JSON value on stdout, no progress
  bool quiet = false;     // no progress
};

using Run = std::function<int()>;

struct Command {
  std::string_view name;
  std::string_view summary;
  void (*configure)(Options& options, const Globals& globals, Run& run);
};

std::span<const Command> commands();  // registry.cpp

void print_json(const json::value& value);   // pretty, to stdout

void configure_pull(Options& options, const Globals& globals, Run& run);
void configure_push(Options& options, const Globals& globals, Run& run);
void configure_inspect(Options& options, const Globals& globals, Run& run);
void configure_bench(Options& options, const Globals& globals, Run& run);
void configure_run(Options& options, const Globals& globals, Run& run);
void configure_tune(Options& options, const Globals& globals, Run& run);
void configure_pretrain(Options& options, const Globals& globals, Run& run);
void configure_compare(Options& options, const Globals& globals, Run& run);
void configure_merge(Options& options, const Globals& globals, Run& run);
void configure_convert(Options& options, const Globals& globals, Run& run);
void configure_quantize(Options& options, const Globals& globals, Run& run);
void configure_logits(Options& options, const Globals& globals, Run& run);
void configure_deploy(Options& options, const Globals& globals, Run& run);
void configure_reproduce(Options& options, const Globals& globals, Run& run);
void configure_catalogue(Options& options, const Globals& globals, Run& run);
void configure_fsck(Options& options, const Globals& globals, Run& run);
void configure_gc(Options& options, const Globals& globals, Run& run);
void configure_backup(Options& options, const Globals& globals, Run& run);
void configure_restore(Options& options, const Globals& globals, Run& run);
void configure_doctor(Options& options, const Globals& globals, Run& run);

}  // namespace lyceum::cli
