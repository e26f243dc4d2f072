#include "cli/study.h"

#include <fmt/format.h>

#include <functional>
#include <iostream>

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/progress.h"
#include "cli/adapter_record.h"
#include "tuning/data/git_files.h"
#include "tuning/data/prepare.h"
#include "tuning/evaluate/study.h"
#include "tuning/evaluate/study_card.h"
#include "tuning/evaluate/study_page.h"
#include "tuning/evaluate/study_text.h"
#include "tuning/write/lineage.h"

namespace lyceum::cli {
namespace {

// Recipe keys that say what is learned, not how: a placebo may differ in them.
constexpr std::string_view kDataKeys[] = {"dataset", "base_model", "data_format", "extensions", "exclude", "val_size", "holdout", "num_epochs", "max_steps", "save_steps", "allow_secrets",
                                          "near_duplicate_threshold", "file_bytes_max", "line_length_max"};

// A placebo that learned longer or otherwise would prove nothing.
void check_placebo(const AdapterRecord& adapter, const AdapterRecord& placebo) {
  json::object ours = tuning::recipe_to_json(adapter.recipe), theirs = tuning::recipe_to_json(placebo.recipe);
  std::string other;
  for (const auto& item : ours) {
    const std::string_view key(item.key());
    if (std::find(std::begin(kDataKeys), std::end(kDataKeys), key) == std::end(kDataKeys) && theirs.at(item.key()) != item.value()) other += (other.empty() ? "" : ", ") + std::string(key);
  }
  const int64_t steps = get_int(adapter.lineage, "steps"), theirs_steps = get_int(placebo.lineage, "steps");
  if (steps != theirs_steps) other += fmt::format("{}steps ({} and {}: set max_steps)", other.empty() ? "" : ", ", steps, theirs_steps);
  if (!other.empty()) throw Error(Code::unprocessable, "the placebo was not trained as the adapter was, so it would not be a fair control; they differ in " + other);
  if (adapter.manifest == placebo.manifest) throw Error(Code::unprocessable, "the placebo was trained on the adapter's own data: train it on another code base of about the same size");
}

json::object adapter_facts(const std::string& name, const AdapterRecord& record) {
  json::object out{{"name", name}, {"steps", record.lineage.at("steps")}, {"tokens_seen", record.lineage.at("tokens_seen")}, {"trainable_parameters", record.lineage.at("trainable_parameters")},
                   {"data_manifest_sha256", record.manifest}, {"data_bytes", record.lineage.at("data").as_object().at("bytes")}, {"outputs_sha256", record.lineage.at("outputs_sha256")}};
  json::object recipe;
  for (const char* key : {"method", "lora_r", "lora_alpha", "use_dora", "use_rslora", "learning_rate", "lr_scheduler", "seq_len", "fim_rate", "seed"}) {
    if (const json::value* value = record.lineage.at("recipe").as_object().if_contains(key)) recipe[key] = *value;
  }
  out["recipe"] = recipe;
  return out;
}

json::object place_facts(const DataSource& source, const tuning::CodeFiles& files) {
  json::object out{{"label", fs::path(source.path).filename().string()}, {"manifest_sha256", files.manifest_sha256}};
  if (const auto head = tuning::find_head(source.path)) {
    out["commit"] = head->commit;
    out["commit_time"] = head->time;
    if (head->changed) out["note"] = "the work tree differs from the commit";
  }
  return out;
}

// What is measured with: what was learned, and what came after it.
struct Sources {
  tuning::StudyInputs inputs;
  json::object learned, measured_on, generic;
};

tuning::CodeFiles collect(const fs::path& path, const AdapterRecord& record, bool all) {
  tuning::CodeFilter filter = tuning::code_filter(record.recipe);
  if (all) {
    filter.holdout = tuning::Holdout::none;
    filter.near_duplicate_threshold = 0;   // lines that are known are left out one by one
  }
  return tuning::collect_code_files(path, filter);
}

Sources open_sources(const StudyArgs& args, const AdapterRecord& record, const Globals& globals) {
  Sources out;
  const DataSource data = open_data(args.data, cache_folder().parent_path(), globals);
  tuning::CodeFiles learned = collect(data.path, record, false);
  record.check_manifest(args.adapter, learned.manifest_sha256);
  out.learned = place_facts(data, learned);
  if (args.future.empty()) {
    record.check_held_out(args.adapter);
    out.measured_on = out.learned;
    out.inputs.future = std::move(learned.held_out);
  } else {
    const DataSource future = open_data(args.future, cache_folder().parent_path(), globals);
    tuning::CodeFiles files = collect(future.path, record, true);
    out.measured_on = place_facts(future, files);
    out.inputs.future = std::move(files.train);
  }
  out.inputs.learned = std::move(learned.train);
  if (!args.generic.empty()) {
    const DataSource generic = open_data(args.generic, cache_folder().parent_path(), globals);
    tuning::CodeFiles files = collect(generic.path, record, true);
    out.generic = place_facts(generic, files);
    out.inputs.generic = std::move(files.train);
  }
  return out;
}

tuning::Study measure(engine::Engine& engine, const tuning::StudyInputs& inputs, const tuning::StudyOptions& options, const Globals& globals) {
  std::unique_ptr<Progress> bar;
  return tuning::run_study(engine, inputs, options, [&](size_t done, size_t total) {
    if (!bar) bar = std::make_unique<Progress>("Measuring", total, Progress::Unit::count, globals.json || globals.quiet);
    bar->set(done);
  });
}

void print_study(const json::object& report, const fs::path& folder) {
  std::cout << tuning::study_lead(report) << "\n";
  for (const tuning::Finding& finding : tuning::study_findings(report)) std::cout << fmt::format("  {:<20} {}\n", finding.verdict, finding.text);
  std::cout << "written: " << (folder / "study.html").string() << ", " << (folder / "study.json").string() << ", " << (folder / "README.md").string() << " (the adapter's card with these results)\n";
}

engine::FimOptions fim_options(const StudyArgs& args, const engine::Engine& engine) {
  if (args.fim_order.empty()) return {.order = engine.fim_order(), .whole_tokens = !args.fim_at_cursor};
  const auto order = engine::find_fim_order(args.fim_order);
  if (!order) throw Error(Code::invalid_argument, "--fim-order must be prefix_first or suffix_first, not '" + args.fim_order + "'");
  return {.order = *order, .whole_tokens = !args.fim_at_cursor};
}

}  // namespace

int run_study(const StudyArgs& args, const Globals& globals) {
  const int64_t begun = SystemClock().now_ms();
  const Snapshot base = open_model(args.base, globals), adapter = open_model(args.adapter, globals);
  const AdapterRecord record = read_adapter_record(args.adapter, adapter.folder);
  if (record.format != "code") throw Error(Code::unsupported, "a study needs an adapter that was trained on code; " + args.adapter + " was trained on " + record.format + " data");
  Sources sources = open_sources(args, record, globals);
  engine::EngineOptions engine_options;
  engine_options.threads = args.threads;
  engine_options.integer_products = false;   // as `lyceum compare`
  const auto engine = engine::Engine::open(base.folder, engine_options);
  engine->load_adapter("adapter", adapter.folder);
  sources.inputs.adapter = "adapter";
  json::object placebo_facts;
  if (!args.placebo.empty()) {
    const Snapshot placebo = open_model(args.placebo, globals);
    const AdapterRecord placebo_record = read_adapter_record(args.placebo, placebo.folder);
    check_placebo(record, placebo_record);
    engine->load_adapter("placebo", placebo.folder);
    sources.inputs.placebo = "placebo";
    placebo_facts = adapter_facts(fs::path(args.placebo).filename().string(), placebo_record);
  }
  const tuning::StudyOptions options{.window = args.window, .items = args.items, .pieces = args.items * 3 / 2, .fim = fim_options(args, *engine)};
  const tuning::Study study = measure(*engine, sources.inputs, options, globals);
  json::object report = tuning::study_json(study);
  for (const auto& item : sources.measured_on) report.at("measured_on").as_object()[item.key()] = item.value();
  report["learned"] = sources.learned;
  report["base"] = json::object{{"name", base.repo.empty() ? fs::path(args.base).filename().string() : base.repo}, {"weights_sha256", hashes_of(base.folder)}};
  report["adapter"] = adapter_facts(adapter.repo.empty() ? fs::path(args.adapter).filename().string() : adapter.repo, record);
  if (!placebo_facts.empty()) report["placebo"] = placebo_facts;
  if (!sources.generic.empty()) report["generic"] = sources.generic;
  report["options"] = json::object{{"window_tokens", options.window}, {"items_of_each_kind", options.items}, {"scored_pieces", options.pieces}, {"fim_order", engine::fim_order_name(options.fim.order)}, {"fim_whole_tokens", options.fim.whole_tokens}, {"seed", options.seed}, {"bootstrap_rounds", 2000}};
  report["environment"] = json::object{{"program_version", LYCEUM_VERSION}, {"numeric_profile", tuning::numeric_profile()}, {"made_at", iso8601(SystemClock().now_ms())},
                                       {"seconds", static_cast<double>(SystemClock().now_ms() - begun) / 1000}};
  fs::create_directories(args.folder);
  const std::string text = pretty_json(report);
  write_file_durable(fs::path(args.folder) / "study.json", text);
  const fs::path card = adapter.folder / "README.md";
  write_file_durable(fs::path(args.folder) / "README.md", tuning::card_with_results(fs::exists(card) ? read_file(card) : "", report, sha256_hex(text)));
  std::string answers;
  for (const json::value& answer : study.answers) answers += json::serialize(answer) + "\n";
  write_file_durable(fs::path(args.folder) / "answers.jsonl", answers);
  write_file_durable(fs::path(args.folder) / "study.html", tuning::study_page(report));
  globals.json ? print_json(report) : print_study(report, args.folder);
  return 0;
}

}  // namespace lyceum::cli
