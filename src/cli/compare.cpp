// lyceum compare: base against adapter on the files or chats that the training run held out, through the engine that will serve them.
#include <fmt/format.h>

#include <functional>
#include <iostream>

#include "base/progress.h"
#include "cli/adapter_record.h"
#include "cli/run_folder.h"
#include "cli/study.h"
#include "tuning/data/prepare.h"
#include "tuning/evaluate/compare.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string base, adapter, data;
  size_t items = 150;
  unsigned threads = 0;
  std::string study, future, placebo, generic;
  size_t window = 512;
  std::string fim_order;
  bool fim_at_cursor = false;
};



json::object figure(const tuning::Figure& value) {
  return {{"base", value.base}, {"adapter", value.tuned}, {"difference", value.difference}, {"difference_low", value.low}, {"difference_high", value.high},
          {"items", value.items}};
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

// Draws how far the measuring is, from the first item on.
class Meter {
 public:
  explicit Meter(const Globals& globals) : quiet_(globals.json || globals.quiet) {}
  void operator()(size_t done, size_t total) {
    if (!bar_) bar_ = std::make_unique<Progress>("Measuring", total, Progress::Unit::count, quiet_);
    bar_->set(done);
  }

 private:
  bool quiet_;
  std::unique_ptr<Progress> bar_;
};

json::object compare_code(const Args& args, const AdapterRecord& record, const fs::path& data, engine::Engine& engine, const Globals& globals) {
  const tuning::CodeFiles files = tuning::collect_code_files(data, tuning::code_filter(record.recipe));
  record.check_manifest(args.adapter, files.manifest_sha256);
  tuning::CompareOptions options;
  options.line_items = args.items;
  options.block_items = args.items / 3;
  tuning::Comparison result;
  {
    Meter meter(globals);
    result = tuning::compare(engine, "adapter", files.held_out, options, std::ref(meter));
  }
  if (!globals.json) print_table(result);
  return report_of(result);
}

// Chats: the assistant's turns of those that were held out.
json::object compare_chats(const Args& args, const AdapterRecord& record, const fs::path& data, const fs::path& base, engine::Engine& engine, const Globals& globals) {
  const tuning::RawData raw = tuning::load_raw_data(record.recipe, data);
  record.check_manifest(args.adapter, raw.manifest_sha256);
  json::object counts;
  const auto samples = tuning::make_source(record.recipe, tuning::held_out_part(raw), tuning::load_text_side(base), -1, counts);
  tuning::Figure result;
  {
    Meter meter(globals);
    result = tuning::compare_samples(engine, "adapter", *samples, record.recipe.seed, std::ref(meter));
  }
  if (!globals.json) {
    std::cout << fmt::format("{} held-out chats\n  {:<28} {:>8} {:>8}   difference [95 % interval]\n", raw.chats_held_out.size(), "", "base", "adapter");
    print_row("bits per learned token (lower)", result, true);
  }
  return {{"chats", raw.chats_held_out.size()}, {"bits_per_labelled_token", figure(result)}};
}

int compare_models(const Args& args, const Globals& globals) {
  const Snapshot base = open_model(args.base, globals);
  const Snapshot adapter = open_model(args.adapter, globals);
  const AdapterRecord record = read_adapter_record(args.adapter, adapter.folder);
  record.check_held_out(args.adapter);
  if (record.format == "preference") throw Error(Code::unsupported, args.adapter + " was trained on preference pairs, which `lyceum compare` does not measure yet");
  const DataSource source = open_data(args.data, cache_folder().parent_path(), globals);
  engine::EngineOptions engine_options;
  engine_options.threads = args.threads;
  engine_options.integer_products = false;   // what is compared is the models, not the speed
  const auto engine = engine::Engine::open(base.folder, engine_options);
  engine->load_adapter("adapter", adapter.folder);
  json::object report = record.format == "chat" ? compare_chats(args, record, source.path, base.folder, *engine, globals)
                                                : compare_code(args, record, source.path, *engine, globals);
  if (globals.json) {
    report["base"] = args.base;
    report["adapter"] = args.adapter;
    print_json(report);
  }
  return 0;
}

int compare_or_study(const Args& args, const Globals& globals) {
  if (!args.study.empty()) {
    return run_study({.base = args.base, .adapter = args.adapter, .data = args.data, .folder = args.study, .future = args.future, .placebo = args.placebo, .generic = args.generic,
                      .items = args.items, .window = args.window, .threads = args.threads, .fim_order = args.fim_order, .fim_at_cursor = args.fim_at_cursor}, globals);
  }
  if (!args.future.empty() || !args.placebo.empty() || !args.generic.empty()) throw Error(Code::invalid_argument, "--future, --placebo and --generic belong to a study: name its folder with --study");
  return compare_models(args, globals);
}

}  // namespace

void configure_compare(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("base", args->base, "the base model: a folder or a repository").required();
  options.add_option("--adapter", args->adapter, "the adapter trained by lyceum tune: a folder or a repository").required();
  options.add_option("--data", args->data, "the same folder or repository it was trained on; only what was held out is used").required();
  options.add_option("--items", args->items, "fill-in-the-middle questions of one line; a third as many of several lines. Of a study: of each kind").capture_default_str();
  options.add_option("--study", args->study, "also with retrieval, a placebo and generic code: writes study.html and study.json into this folder");
  options.add_option("--future", args->future, "study: the same code base later on; what is new in it is measured (without it: the files that were held out)");
  options.add_option("--placebo", args->placebo, "study: an adapter of the same recipe and steps that was trained on another code base");
  options.add_option("--generic", args->generic, "study: a folder of ordinary code, to see what was forgotten");
  options.add_option("--window", args->window, "study: tokens of a question with its answer; at most what the model was trained on").capture_default_str();
  options.add_option("--fim-order", args->fim_order, "study: ask prefix_first or suffix_first; without it in the order that the model's config.json records");
  options.add_flag("--fim-at-cursor", args->fim_at_cursor, "study: end the prefix's last token at the cursor; without it a suffix-first question leaves that token open");
  options.add_option("--threads", args->threads, "0 = one per core");
  options.callback([args, &globals, &run] { run = [args, &globals] { return compare_or_study(*args, globals); }; });
}

}  // namespace lyceum::cli
