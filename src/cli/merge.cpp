// lyceum merge: a base model and an adapter become one plain model, for programs that take no adapters.
#include <fmt/format.h>

#include <iostream>

#include "cli/snapshot.h"
#include "tuning/write/lineage.h"
#include "tuning/write/merge.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string base, adapter, out, dtype;
  unsigned threads = 0;
  bool dequantize = false;
};

std::string card(const Snapshot& base, const Snapshot& adapter) {
  std::string text = "---\nlibrary_name: transformers\npipeline_tag: text-generation\n";
  if (!base.repo.empty()) text += "base_model: " + base.repo + "\nbase_model_relation: merge\n";
  text += "tags:\n- lyceum\n- merge\n---\n\n# Merged model\n\nMade by `lyceum merge`, in float32, rounded once.\n\n| | SHA-256 |\n|---|---|\n";
  for (const auto& [part, folder] : {std::pair{&base, "base"}, std::pair{&adapter, "adapter"}}) {
    if (part->folder.empty()) continue;
    for (const auto& [file, hash] : tuning::weight_hashes(part->folder)) {
      text += fmt::format("| {}{} `{}` | `{}` |\n", folder, part->repo.empty() ? "" : " " + part->repo + "@" + part->commit, file, hash);
    }
  }
  return text;
}

int merge(const Args& args, const Globals& globals) {
  const Snapshot base = open_model(args.base, globals);
  const Snapshot adapter = args.adapter.empty() ? Snapshot{} : open_model(args.adapter, globals);
  ThreadPool pool(args.threads);
  const tuning::MergeReport report = tuning::merge_adapter(base.folder, adapter.folder, args.out, {args.dtype, args.dequantize}, pool);
  write_file_durable(fs::path(args.out) / "README.md", card(base, adapter));
  if (globals.json) {
    json::object hashes;
    for (const auto& [file, hash] : report.output_sha256) hashes[file] = hash;
    print_json(json::object{{"folder", args.out}, {"modules", report.modules}, {"largest_relative_change", report.largest_relative_change}, {"untied", report.untied},
                            {"outputs_sha256", hashes}});
  } else {
    std::cout << fmt::format("{}: {} modules merged, the largest change {:.2f} % of a matrix\n", args.out, report.modules, 100 * report.largest_relative_change);
    if (report.untied) std::cout << "the adapter is on the tied head, so the head has a matrix of its own now (tie_word_embeddings: false)\n";
  }
  return 0;
}

}  // namespace

void configure_merge(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("base", args->base, "the base model: a folder or a repository, with its original float weights").required();
  options.add_option("--adapter", args->adapter, "the LoRA or DoRA adapter: a folder or a repository; without one the base alone is written in another dtype");
  options.add_option("--out", args->out, "the folder to write, which must not exist or be empty").required();
  options.add_option("--dtype", args->dtype, "f32, bf16 or f16, or nf4 or nf4-double for 4 bits as bitsandbytes stores them; without it every tensor keeps its own");
  options.add_flag("--dequantize", args->dequantize, "merge into what a base in 4 bits stands for; without it such a base is refused");
  options.add_option("--threads", args->threads, "0 = one per core; the result does not depend on it");
  options.callback([args, &globals, &run] { run = [args, &globals] { return merge(*args, globals); }; });
}

}  // namespace lyceum::cli
