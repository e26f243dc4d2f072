// The program: one binary, several roles. `serve` is the hub; `engine` and `job` are the processes it and the command line
// start; everything else is a command for people. Errors end here: one line for people, the exit code of the error's kind.
#include <sodium.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "app/commands.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/command.h"

namespace lyceum {
namespace {

constexpr std::string_view kDefaultEndpoint = "http://127.0.0.1:7860";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string first_of(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return {};
}

// Where `hf auth login` keeps its token.
std::string stored_token() {
  const std::string home = first_of({environment("HF_HOME"), environment("HOME") + "/.cache/huggingface"});
  const fs::path path = first_of({environment("HF_TOKEN_PATH"), home + "/token"});
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return {};
  std::string token = read_file(path, 4096);
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back())) != 0) token.pop_back();
  return token;
}

void complete(cli::Globals& globals) {
  globals.endpoint = first_of({globals.endpoint, environment("LYCEUM_ENDPOINT"), environment("HF_ENDPOINT"), std::string(kDefaultEndpoint)});
  while (globals.endpoint.ends_with('/')) globals.endpoint.pop_back();
  globals.token = first_of({globals.token, environment("LYCEUM_TOKEN"), environment("HF_TOKEN"), stored_token()});
  globals.data = first_of({globals.data, environment("LYCEUM_DATA")});
}

void add_globals(cli::Options options, cli::Globals& globals) {
  options.add_option("--endpoint", globals.endpoint, "address of the hub (LYCEUM_ENDPOINT, HF_ENDPOINT)");
  options.add_option("--token", globals.token, "access token (LYCEUM_TOKEN, HF_TOKEN, or what `hf auth login` stored)");
  options.add_option("--hub-data", globals.data, "the hub's data folder, when it is on this machine (LYCEUM_DATA)");
  options.add_flag("--json", globals.json, "print one JSON value, no progress");
  options.add_flag("-q,--quiet", globals.quiet, "no progress");
}

int run_program(int argc, char** argv) {
  CLI::App app{"Lyceum: your own home for open AI. Publish, run, tune, deploy and compare models on your own machine."};
  app.set_version_flag("--version", LYCEUM_VERSION);
  app.require_subcommand(1);
  cli::Globals globals;
  cli::Run run;
  for (const cli::Command& command : app::commands()) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    cli::Options options(*sub);
    command.configure(options, globals, run);
  }
  for (const cli::Command& command : cli::commands()) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    add_globals(cli::Options(*sub), globals);
    cli::Options options(*sub);
    command.configure(options, globals, run);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_code(Code::invalid_argument);
  }
  complete(globals);
  return run();
}

}  // namespace
}  // namespace lyceum

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  lyceum::init_log();
  if (sodium_init() < 0) {
    std::cerr << "error: libsodium could not start\n";
    return 1;
  }
  try {
    return lyceum::run_program(argc, argv);
  } catch (const lyceum::Error& error) {
    std::cerr << "error: " << error.what() << "\n";
    return lyceum::exit_code(error.code());
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << " (this is a fault of Lyceum; please report it)\n";
    return 1;
  }
}
