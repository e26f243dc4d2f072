// lyceum catalogue import: entries of a metadata dump into a running hub, in batches that each are one request and one transaction.
#include <fstream>
#include <iostream>

#include "base/files.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/hub_client.h"

namespace lyceum::cli {
namespace {

constexpr size_t kBatchLines = 10'000;
constexpr size_t kBatchBytes = 16u << 20;

struct Args {
  std::string action, file, type = "models";
};

struct Totals {
  uint64_t lines = 0, bytes = 0, added = 0, updated = 0, refused = 0;
  json::array reasons;   // the first 100, with line numbers of the file
};

// Whole lines, up to a batch; "" at the end of the file.
std::string read_batch(std::istream& input, uint64_t& lines) {
  std::string batch, line;
  lines = 0;
  while (lines < kBatchLines && batch.size() < kBatchBytes && std::getline(input, line)) {
    batch += line;
    batch += '\n';
    ++lines;
  }
  return batch;
}

void send_batch(HubClient& client, const std::string& type, std::string batch, uint64_t lines, Totals& totals) {
  http::ClientRequest request;
  request.method = "POST";
  request.target = "/api/lyceum/catalogue/" + type;
  request.headers.set("Content-Type", "application/x-ndjson");
  totals.bytes += batch.size();
  request.body = std::move(batch);
  const json::value parsed = parse_json(client.request(std::move(request)).body, "answer of the hub");
  const json::object& answer = get_object(parsed, "answer of the hub");
  totals.added += static_cast<uint64_t>(get_int(answer, "added"));
  totals.updated += static_cast<uint64_t>(get_int(answer, "updated"));
  totals.refused += static_cast<uint64_t>(get_int(answer, "refusedCount"));
  if (const json::array* refused = find_array(answer, "refused")) {
    for (const json::value& one : *refused) {
      if (totals.reasons.size() >= 100) break;
      const json::object& reason = get_object(one, "refused line");
      totals.reasons.push_back(json::object{{"line", static_cast<int64_t>(totals.lines) + get_int(reason, "line")}, {"reason", get_string(reason, "reason")}});
    }
  }
  totals.lines += lines;
}

int import(const Args& args, const Globals& globals) {
  if (args.action != "import") throw Error(Code::invalid_argument, "catalogue can import: lyceum catalogue import FILE");
  if (args.type != "models" && args.type != "datasets" && args.type != "spaces") throw Error(Code::invalid_argument, "--type is models, datasets or spaces");
  std::ifstream input(args.file, std::ios::binary);
  if (!input) throw Error(Code::not_found, "cannot read " + args.file);
  HubClient client(globals);
  Totals totals;
  {
    Progress progress("Importing " + args.file, fs::file_size(args.file), Progress::Unit::bytes, globals.json || globals.quiet);
    uint64_t lines = 0;
    for (std::string batch = read_batch(input, lines); !batch.empty(); batch = read_batch(input, lines)) {
      send_batch(client, args.type, std::move(batch), lines, totals);
      progress.set(totals.bytes, std::to_string(totals.added + totals.updated) + " " + args.type);
    }
  }
  if (globals.json) {
    print_json(json::object{{"lines", totals.lines}, {"added", totals.added}, {"updated", totals.updated}, {"refused", totals.refused}, {"reasons", totals.reasons}});
    return 0;
  }
  for (const json::value& one : totals.reasons) std::cout << "line " << one.at("line").as_int64() << ": " << one.at("reason").as_string().c_str() << "\n";
  std::cout << totals.added << " added, " << totals.updated << " updated, " << totals.refused << " refused of " << totals.lines << " lines\n";
  return 0;
}

}  // namespace

void configure_catalogue(Options& options, const Globals& globals, Run& run) {
  options.footer("The token must be an administrator's. Format of the lines: docs/catalogue-import.md.");
  auto args = std::make_shared<Args>();
  options.add_option("action", args->action, "import").required();
  options.add_option("file", args->file, "one JSON object a line, as the Hub's own listings have them").required();
  options.add_option("--type", args->type, "models, datasets or spaces");
  options.callback([args, &globals, &run] { run = [args, &globals] { return import(*args, globals); }; });
}

}  // namespace lyceum::cli
