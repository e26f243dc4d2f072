#include "hub/backup.h"

#include <iostream>

#include "cli/command.h"
#include "hub/hub.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string data, folder;
  bool copy = false, skip_check = false;
};

std::string data_of(const Args& args, const Globals& globals) {
  const std::string& data = args.data.empty() ? globals.data : args.data;
  if (data.empty()) throw Error(Code::invalid_argument, "name the data folder: --data FOLDER");
  return data;
}

hub::BackupOptions options_of(const Args& args, const Globals& globals) {
  hub::BackupOptions options{.copy = args.copy};
  if (!globals.json && !globals.quiet) options.progress = [](std::string_view what) { std::cerr << "  " << what << "\n"; };
  return options;
}

void print(const hub::BackupReport& report, const Globals& globals, const std::string& done) {
  if (globals.json) {
    print_json(json::object{{"repositories", report.repos}, {"git_files", report.git_files}, {"new_git_files", report.new_git_files}, {"large_files", report.blobs},
                            {"linked", report.linked_blobs}, {"copied", report.copied_blobs}});
    return;
  }
  std::cout << done << ": " << report.repos << " repositories (" << report.new_git_files << " of " << report.git_files << " git files new), " << report.blobs << " large files ("
            << report.linked_blobs << " linked, " << report.copied_blobs << " copied)\n";
}

int backup(const Args& args, const Globals& globals) {
  print(hub::back_up(data_of(args, globals), args.folder, options_of(args, globals)), globals, "Backup complete in " + args.folder);
  return 0;
}

int restore(const Args& args, const Globals& globals) {
  const std::string data = data_of(args, globals);
  const hub::BackupReport report = hub::restore(args.folder, data, options_of(args, globals));
  if (!args.skip_check) {
    const SystemClock clock;
    hub::HubOptions options;
    options.data_folder = data;
    const auto problems = hub::Hub::open(options, clock)->fsck({}).problems;
    for (const std::string& problem : problems) std::cerr << "problem: " << problem << "\n";
    if (!problems.empty()) throw Error(Code::unprocessable, "the restored copy in " + data + " has " + std::to_string(problems.size()) + " problems; use another backup");
  }
  print(report, globals, !args.skip_check ? "Restored into " + data + " and proved" : "Restored into " + data);
  return 0;
}

}  // namespace

void configure_backup(Options& options, const Globals& globals, Run& run) {
  options.footer("The hub may run meanwhile. On one disk large files are hard links: no room, but no second copy either; --copy makes one.");
  auto args = std::make_shared<Args>();
  options.add_option("folder", args->folder, "where to; a folder of an earlier backup is brought up to date").required();
  options.add_option("--data", args->data, "the data folder; default: LYCEUM_DATA");
  options.add_flag("--copy", args->copy, "copy large files, and check their digests, even on the same disk");
  options.callback([args, &globals, &run] { run = [args, &globals] { return backup(*args, globals); }; });
}

void configure_restore(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("folder", args->folder, "the backup").required();
  options.add_option("--data", args->data, "the data folder to make; must not exist, or be empty");
  options.add_flag("--copy", args->copy, "copy large files even on the same disk");
  options.add_flag("--no-verify", args->skip_check, "skip the check of every commit and every large file");
  options.callback([args, &globals, &run] { run = [args, &globals] { return restore(*args, globals); }; });
}

}  // namespace lyceum::cli
