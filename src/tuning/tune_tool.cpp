// tune_tool.cpp: a recipe and a data folder to a result, without the hub: for the starter model, tests and profiling.
//   tune_tool RECIPE DATA RUN_FOLDER [--base FOLDER] [--base-repo ID] [--label TEXT] [--license ID] [--threads N] [--dry-run]
#include <cstdio>
#include <map>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "tuning/job.h"

namespace {

using namespace lyceum;

std::map<std::string, std::string> read_flags(int count, char** words) {
  std::map<std::string, std::string> flags;
  for (int i = 4; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--dry-run") {
      flags[word] = "yes";
    } else if (i + 1 < count) {
      flags[word] = words[++i];
    } else {
      throw Error(Code::invalid_argument, "flag " + word + " needs a value");
    }
  }
  return flags;
}

void run(int count, char** words) {
  if (count < 4) throw Error(Code::invalid_argument, "usage: tune_tool RECIPE DATA RUN_FOLDER [--base FOLDER] [--base-repo ID] [--label TEXT] [--license ID] [--threads N] [--dry-run]");
  auto flags = read_flags(count, words);
  tuning::JobSpec spec;
  spec.recipe = tuning::load_recipe(words[1]);
  spec.data_path = words[2];
  spec.base_folder = flags["--base"];
  spec.base_repo = flags["--base-repo"];
  spec.data_label = flags["--label"];
  spec.data_license = flags["--license"];
  spec.program_version = LYCEUM_VERSION;
  tuning::save_spec(words[3], spec);

  tuning::JobOptions options;
  if (!flags["--threads"].empty()) options.threads = static_cast<unsigned>(std::stoul(flags["--threads"]));
  options.dry_run = !flags["--dry-run"].empty();
  const tuning::JobResult result = tuning::run_job(words[3], options, [](const tuning::JobProgress& progress) {
    if (progress.phase != "train") {
      std::printf("%s: %s\n", progress.phase.c_str(), progress.message.c_str());
    } else if (progress.step % 10 == 0 || progress.step == 1 || progress.step == progress.steps) {
      std::printf("step %lu/%lu  loss %.4f  lr %.2e  norm %.3f  %.0f tok/s  %s left\n", progress.step, progress.steps, progress.loss, progress.learning_rate,
                  progress.gradient_norm, progress.tokens_per_second, human_duration(progress.seconds_left).c_str());
    }
    std::fflush(stdout);
  });
  if (options.dry_run) std::printf("%s", pretty_json(result.data_report).c_str());
  for (const auto& [file, hash] : result.output_sha256) std::printf("%s  %s\n", hash.c_str(), file.c_str());
}

}  // namespace

int main(int count, char** words) {
  init_log();
  try {
    run(count, words);
    return 0;
  } catch (const lyceum::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return lyceum::exit_code(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
