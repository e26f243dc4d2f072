// lyceum logits: every logit of a text, for comparing Lyceum with another program number by number.
#include <charconv>
#include <fcntl.h>

#include <iostream>

#include "cli/snapshot.h"
#include "engine/engine.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string model, adapter, text, ids, out;
};

std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0 || (next < end && *next != ',')) {
      throw Error(Code::invalid_argument, "--ids must be numbers with commas between them");
    }
    ids.push_back(id);
    at = next + 1;
  }
  return ids;
}

int logits(const Args& args, const Globals& globals) {
  const Snapshot model = open_model(args.model, globals);
  const auto engine = engine::Engine::open(model.folder, {});
  std::string adapter;
  if (!args.adapter.empty()) {
    adapter = "adapter";
    engine->load_adapter(adapter, open_model(args.adapter, globals).folder);
  }
  const std::vector<int32_t> ids = args.ids.empty() ? engine->tokenizer().encode(args.text) : parse_ids(args.ids);
  if (ids.empty()) throw Error(Code::invalid_argument, "give --ids or --text");
  const std::vector<float> values = engine->logits(ids, adapter);
  const UniqueFd fd = open_file(args.out, O_WRONLY | O_CREAT | O_TRUNC);
  write_all(fd.get(), {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)}, args.out);
  const json::object report{{"ids", json::value_from(ids)}, {"rows", ids.size()}, {"columns", values.size() / ids.size()}, {"file", args.out}};
  if (globals.json) {
    print_json(report);
  } else {
    std::cout << ids.size() << " x " << values.size() / ids.size() << " float32 little-endian in " << args.out << "\n";
  }
  return 0;
}

}  // namespace

void configure_logits(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("model", args->model, "a folder or file with a model, or a repository").required();
  options.add_option("--adapter", args->adapter, "LoRA adapter: a folder or a repository");
  options.add_option("--text", args->text, "the text");
  options.add_option("--ids", args->ids, "token ids with commas between them, instead of --text");
  options.add_option("--out", args->out, "file to write: float32, row by row, one row a token").required();
  options.callback([args, &globals, &run] { run = [args, &globals] { return logits(*args, globals); }; });
}

}  // namespace lyceum::cli
