// lyceum tune and lyceum pretrain: resolve and pin the inputs, run the job beside the data, publish the result.
#include <iostream>

#include <unistd.h>

#include "cli/plan_view.h"
#include "cli/run_folder.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string base, data, to, recipe, resume, format, license;
  std::vector<std::string> set;
  unsigned threads = 0;
  bool dry_run = false, is_private = false, allow_secrets = false;
};

void check_target(const Args& args, const Globals& globals) {
  if (args.to.empty() || args.dry_run) return;
  parse_repo_name(args.to);
  HubClient(globals).whoami();  // A missing token must show before hours of training, not after.
}

fs::path prepare_run(const Args& args, const Globals& globals, const std::string& method) {
  const fs::path run_folder = make_run_folder(args.to.empty() ? method : args.to);
  json::object recipe = load_recipe_object(args.recipe);
  if (method == "pretrain") recipe["method"] = "pretrain";
  if (!args.format.empty()) recipe["data_format"] = args.format;
  if (args.allow_secrets) recipe["allow_secrets"] = true;
  apply_settings(recipe, args.set);
  tuning::JobSpec spec;
  spec.recipe = tuning::recipe_from_json(recipe);
  spec.program_version = LYCEUM_VERSION;
  spec.data_license = args.license;
  const std::string base = args.base.empty() ? spec.recipe.base_model : args.base;
  if (method != "pretrain") {
    if (base.empty()) throw Error(Code::invalid_argument, "name the base model: lyceum tune BASE --data FOLDER");
    const Snapshot snapshot = open_model(base, globals);
    spec.base_folder = snapshot.folder;
    spec.base_repo = snapshot.repo;
    spec.base_commit = snapshot.commit;
    spec.recipe.base_model = snapshot.repo;
  }
  const std::string data = args.data.empty() ? spec.recipe.dataset : args.data;
  if (data.empty()) throw Error(Code::invalid_argument, "name the data: --data FOLDER, a .jsonl file, a git address or datasets/owner/name");
  const DataSource source = open_data(data, run_folder, globals);
  spec.data_path = source.path;
  spec.data_repo = source.repo;
  spec.data_commit = source.commit;
  spec.data_label = source.label;
  spec.recipe.dataset = source.repo;  // Never a path of this machine.
  tuning::save_spec(run_folder, spec);
  return run_folder;
}

json::object summary(const json::object& result, const fs::path& run_folder) {
  json::object out{{"run_folder", run_folder.string()}};
  if (const json::object* lineage = find_object(result, "lineage")) {
    out["steps"] = lineage->at("steps");
    if (const json::object* loss = find_object(*lineage, "loss"); loss != nullptr && !loss->empty()) {
      out["first_loss"] = loss->at("first");
      out["last_loss"] = loss->at("last");
    }
    out["outputs_sha256"] = lineage->at("outputs_sha256");
    const json::object& outputs = lineage->at("outputs_sha256").as_object();
    if (!outputs.empty()) out["sha256"] = outputs.begin()->value();
    out["seconds"] = lineage->at("seconds");
    out["tokens_seen"] = lineage->at("tokens_seen");
  }
  return out;
}

int train(const Args& args, const Globals& globals, const std::string& method) {
  check_target(args, globals);
  const fs::path run_folder = args.resume.empty() ? prepare_run(args, globals, method) : fs::path(args.resume);
  const json::object result = run_job_process(run_folder, {args.threads, args.dry_run}, globals);
  if (args.dry_run) {
    const json::value plan = parse_json(read_file(run_folder / "data_report.json"), "data_report.json");
    if (globals.json) {
      print_json(plan);
    } else {
      std::cout << plan_text(get_object(plan, "data_report.json"), {.sample = true, .colour = ::isatty(STDOUT_FILENO) != 0});
    }
    return 0;
  }
  json::object report = summary(result, run_folder);
  if (!args.to.empty()) {
    HubClient hub(globals);
    const CommitResult commit = publish_output(hub, parse_repo_name(args.to), run_folder, args.is_private, "Train with lyceum " + method, globals);
    report["repo"] = args.to;
    report["commit"] = commit.commit;
    report["url"] = commit.url;
  }
  if (globals.json) {
    print_json(report);
  } else {
    std::cout << (args.to.empty() ? (run_folder / "output").string() : get_string(report, "url")) << "\n";
  }
  return 0;
}

void add_common(Options& options, Args& args) {
  options.add_option("--data", args.data, "code folder or git work tree, git address, chats (.jsonl), or datasets/owner/name on the hub");
  options.add_option("--to", args.to, "repository to publish to: owner/name; without it the result stays in the run folder");
  options.add_option("--recipe", args.recipe, "recipe file, YAML or JSON (TRL, LLaMA-Factory and Axolotl key names are understood)");
  options.add_option("--set", args.set, "one recipe key: --set max_steps=200; repeat for more");
  options.add_option("--format", args.format, "code, chat or text, where it cannot be told from the data");
  options.add_option("--license", args.license, "licence to state on the card");
  options.add_option("--threads", args.threads, "0 = one per core; the result does not depend on it");
  options.add_option("--resume", args.resume, "go on in this run folder from its last checkpoint");
  options.add_flag("--plan,--dry-run", args.dry_run, "only the data report: files, what is left out and why, tokens, what is learned, how long it would take");
  options.add_flag("--allow-secrets", args.allow_secrets, "learn files that hold a key, token or password, too; they are left out otherwise");
  options.add_flag("--private", args.is_private, "make a new repository private");
  std::string keys = "Recipe keys:\n";
  for (const tuning::RecipeKey& key : tuning::recipe_keys()) keys += "  " + std::string(key.name) + ": " + std::string(key.help) + "\n";
  options.footer(keys);
}

}  // namespace

void configure_tune(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("base", args->base, "the model to tune: a folder, or a repository owner/name[@revision]");
  add_common(options, *args);
  options.callback([args, &globals, &run] { run = [args, &globals] { return train(*args, globals, "tune"); }; });
}

void configure_pretrain(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  add_common(options, *args);
  options.callback([args, &globals, &run] { run = [args, &globals] { return train(*args, globals, "pretrain"); }; });
}

}  // namespace lyceum::cli
