#include "app/commands.h"

namespace lyceum::app {
namespace {

constexpr cli::Command kCommands[] = {
    {"serve", "run the hub: web pages, Hugging Face protocol, git, OpenAI API", configure_serve},
    {"engine", "one model in memory behind a Unix socket (started by serve)", configure_engine},
    {"job", "one training run in its run folder (started by tune, pretrain and reproduce)", configure_job},
};

}  // namespace

std::span<const cli::Command> commands() { return kCommands; }

}  // namespace lyceum::app
