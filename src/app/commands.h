// commands.h: the commands that need the whole program: the server and the processes it is made of.
#pragma once

#include "cli/command.h"

namespace lyceum::app {

std::span<const cli::Command> commands();

void configure_serve(cli::Options& options, const cli::Globals& globals, cli::Run& run);
void configure_engine(cli::Options& options, const cli::Globals& globals, cli::Run& run);
void configure_job(cli::Options& options, const cli::Globals& globals, cli::Run& run);

}  // namespace lyceum::app
