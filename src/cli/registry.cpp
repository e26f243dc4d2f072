#include <iostream>

#include "cli/command.h"

namespace lyceum::cli {
namespace {

constexpr Command kCommands[] = {
    {"run", "chat with a model in the terminal, or complete one prompt", configure_run},
    {"pull", "download a repository, resuming and checking every digest", configure_pull},
    {"push", "upload a folder as one commit", configure_push},
    {"inspect", "what a model is, and whether and how well it would run here, before downloading it", configure_inspect},
    {"bench", "how fast a model runs here: prompts, decoding, batches, and how near to memory's limit", configure_bench},
    {"tune", "fine-tune a model with LoRA on a code folder, a git repository or chats, and publish the adapter", configure_tune},
    {"pretrain", "train a small model from scratch: tokenizer and all parameters", configure_pretrain},
    {"compare", "measure base against adapter on held-out files, with a bootstrap interval", configure_compare},
    {"merge", "make one plain model out of a base and a LoRA or DoRA adapter", configure_merge},
    {"convert", "write a model as one GGUF file, in floats", configure_convert},
    {"quantize", "write a model as one small GGUF file: Q4_K_M and the like, weighed by a calibration text if given", configure_quantize},
    {"logits", "write every logit of a text, for comparison with other programs", configure_logits},
    {"deploy", "serve a model, with adapters, behind the OpenAI API", configure_deploy},
    {"reproduce", "run a recorded training again and compare the hash", configure_reproduce},
    {"catalogue", "import a metadata dump: entries that are listed and searched like repositories", configure_catalogue},
    {"fsck", "prove a data folder: every commit, every blob, every row", configure_fsck},
    {"gc", "remove large files and folders that nothing refers to any more (a dry run unless told)", configure_gc},
    {"backup", "copy a data folder while the hub serves from it; again: only what is new", configure_backup},
    {"restore", "make a data folder out of a backup, and prove it", configure_restore},
    {"doctor", "what this machine can do, and what is missing", configure_doctor},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

void print_json(const json::value& value) { std::cout << pretty_json(value) << std::flush; }

}  // namespace lyceum::cli
