// lyceum compare: base against adapter on the files that the training run held out, through the engine that will serve them.
#include <fmt/format.h>

#include <iostream>

#include "base/progress.h"
#include "cli/run_folder.h"
#include "tuning/data/prepare.h"
#include "tuning/evaluate/compare.h"
#include "tuning/write/lineage.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string base, adapter, data;
  size_t items = 150;
  unsigned threads = 0;
};

json::object figure(const tuning::Figure& value) {
  return {{"base", value.base}, {"adapter", value.tuned}, {"difference", value.difference}, {"difference_low", value.low}, {"difference_high", value.high},
          {"items", value.items}};
}

// The files that the adapter's training run did not see, found again with its own recipe.
tuning::CodeFiles held_out_files(const Args& args, const Snapshot& adapter, const Globals& globals) {
  const fs::path record = adapter.folder / "lineage.json";
  if (!fs::exists(record)) {
    throw Error(Code::not_found, args.adapter + " has no lineage.json, so the files held out from its training are not known; tune with `lyceum tune --set val_size=0.1`");
  }
  const json::value value = parse_json(read_file(record, 16u << 20), "lineage.json");
  const json::object& lineage = get_object(value, "lineage.json");
  const tuning::Recipe recipe = tuning::recorded_recipe(lineage);
  if (recipe.val_size <= 0) {
    throw Error(Code::invalid_argument, args.adapter + " was trained on every file (val_size 0): there is nothing fair to measure on; tune with --set val_size=0.1");
  }
  const DataSource source = open_data(args.data, cache_folder().parent_path(), globals);
  tuning::CodeFiles files = tuning::collect_code_files(source.path, tuning::code_filter(recipe));
  const std::string recorded = find_string(get_object(lineage.at("data"), "lineage data"), "manifest_sha256").value_or("");
  if (recorded != files.manifest_sha256) {
    throw Error(Code::unprocessable, "the data is not what " + args.adapter + " was trained on (its manifest hash differs), so a held-out file may have been learned; "
                                     "give the same folder, unchanged");
  }
  return files;
}

json::object report_of(const tuning::Comparison& result) {
  json::object report{{"files", result.files}, {"bytes", result.bytes}, {"bits_per_byte", figure(result.bits_per_byte)}};
  if (result.has_fim) {
    report["fim_exact_match"] = figure(result.line_exact);
    report["fim_edit_similarity"] = figure(result.line_similarity);
    report["fim_block_exact_match"] = figure(result.block_exact);
    report["fim_block_edit_similarity"] = figure(result.block_similarity);
  }
  return report;
}

void print_row(const char* name, const tuning::Figure& value, bool lower_is_better) {
  const bool sure = value.low > 0 || value.high < 0;
  const bool better = lower_is_better ? value.difference < 0 : value.difference > 0;
  const char* verdict = !sure ? "no clear difference" : better ? "better" : "worse";
  std::cout << fmt::format("  {:<28} {:>8.4f} {:>8.4f}   {:+.4f} [{:+.4f}, {:+.4f}]  {}\n", name, value.base, value.tuned, value.difference, value.low, value.high, verdict);
}

void print_table(const tuning::Comparison& result) {
  std::cout << fmt::format("{} held-out files, {} bytes\n  {:<28} {:>8} {:>8}   difference [95 % interval]\n", result.files, result.bytes, "", "base", "adapter");
  print_row("bits per byte (lower)", result.bits_per_byte, true);
  if (!result.has_fim) return;
  print_row("FIM line, exact match", result.line_exact, false);
  print_row("FIM line, edit similarity", result.line_similarity, false);
  print_row("FIM block, exact match", result.block_exact, false);
  print_row("FIM block, edit similarity", result.block_similarity, false);
}

int compare_models(const Args& args, const Globals& globals) {
  const Snapshot base = open_model(args.base, globals);
  const Snapshot adapter = open_model(args.adapter, globals);
  const tuning::CodeFiles files = held_out_files(args, adapter, globals);
  engine::EngineOptions engine_options;
  engine_options.threads = args.threads;
  const auto engine = engine::Engine::open(base.folder, engine_options);
  engine->load_adapter("adapter", adapter.folder);
  tuning::CompareOptions options;
  options.line_items = args.items;
  options.block_items = args.items / 3;
  tuning::Comparison result;
  {
    std::unique_ptr<Progress> bar;
    result = tuning::compare(*engine, "adapter", files.held_out, options, [&](size_t done, size_t total) {
      if (!bar) bar = std::make_unique<Progress>("Measuring", total, Progress::Unit::count, globals.json || globals.quiet);
      bar->set(done);
    });
  }
  if (globals.json) {
    json::object report = report_of(result);
    report["base"] = args.base;
    report["adapter"] = args.adapter;
    print_json(report);
  } else {
    print_table(result);
  }
  return 0;
}

}  // namespace

void configure_compare(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("base", args->base, "the base model: a folder or a repository").required();
  options.add_option("--adapter", args->adapter, "the adapter trained by lyceum tune: a folder or a repository").required();
  options.add_option("--data", args->data, "the same folder or repository it was trained on; only the held-out files are used").required();
  options.add_option("--items", args->items, "fill-in-the-middle questions of one line; a third as many of several lines").capture_default_str();
  options.add_option("--threads", args->threads, "0 = one per core");
  options.callback([args, &globals, &run] { run = [args, &globals] { return compare_models(*args, globals); }; });
}

}  // namespace lyceum::cli
