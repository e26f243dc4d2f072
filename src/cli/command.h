// command.h: one row per command. A command file fills a CLI11 sub-command with its options (one args struct per command, which
// drives parsing and --help) and sets the function to run. Errors are thrown as lyceum::Error and caught once, in app/main.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"

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
  void (*configure)(CLI::App& app, const Globals& globals, Run& run);
};

std::span<const Command> commands();  // registry.cpp

void print_json(const json::value& value);   // pretty, to stdout

void configure_pull(CLI::App& app, const Globals& globals, Run& run);
void configure_push(CLI::App& app, const Globals& globals, Run& run);
void configure_inspect(CLI::App& app, const Globals& globals, Run& run);
void configure_run(CLI::App& app, const Globals& globals, Run& run);
void configure_tune(CLI::App& app, const Globals& globals, Run& run);
void configure_pretrain(CLI::App& app, const Globals& globals, Run& run);
void configure_compare(CLI::App& app, const Globals& globals, Run& run);
void configure_logits(CLI::App& app, const Globals& globals, Run& run);
void configure_deploy(CLI::App& app, const Globals& globals, Run& run);
void configure_reproduce(CLI::App& app, const Globals& globals, Run& run);
void configure_fsck(CLI::App& app, const Globals& globals, Run& run);
void configure_doctor(CLI::App& app, const Globals& globals, Run& run);

}  // namespace lyceum::cli
