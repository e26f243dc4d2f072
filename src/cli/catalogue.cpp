// lyceum catalogue import: entries of a metadata dump into a running hub, in batches that each are one request and one transaction.
#include <strings.h>

#include <algorithm>
#include <future>
#include <iostream>
#include <mutex>
#include <span>

#include "base/files.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/hub_client.h"

namespace lyceum::cli {
namespace {

constexpr size_t kBatchLines = 10'000;
constexpr size_t kBatchBytes = 16u << 20, kBatchBytesMax = 48u << 20;
constexpr size_t kReasonsMax = 100;

struct Args {
  std::string action, file, type = "models";
};

struct Totals {
  uint64_t lines = 0, bytes = 0, added = 0, updated = 0, refused = 0;
  std::vector<json::value> reasons;   // at most 100, with line numbers of the file
};

struct Line {
  std::string_view id, text;
  uint64_t number = 0;
};

// The value of the first "id": good enough to sort by, whatever the line is.
std::string_view find_id(std::string_view line) {
  constexpr std::string_view key = "\"id\":";
  const size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  const size_t open = line.find_first_not_of(' ', at + key.size());
  if (open == std::string_view::npos || line[open] != '"') return {};
  return line.substr(open + 1, line.find('"', open + 1) - open - 1);
}

int compare_ids(std::string_view a, std::string_view b) {
  const int order = ::strncasecmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return order != 0 ? order : a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

// In the order of names: what a batch touches of the hub's indexes then lies together. Of one name, the later line comes later.
std::vector<Line> sorted_lines(std::string_view file) {
  std::vector<Line> out;
  uint64_t number = 0;
  for (size_t begin = 0; begin < file.size();) {
    const size_t end = std::min(file.find('\n', begin), file.size());
    const std::string_view text = file.substr(begin, end - begin);
    out.push_back({find_id(text), text, ++number});
    begin = end + 1;
  }
  std::stable_sort(out.begin(), out.end(), [](const Line& a, const Line& b) { return compare_ids(a.id, b.id) < 0; });
  return out;
}

// Two at a time: the hub reads one batch while it writes the other. Lines of one name are in one batch, so that their order holds.
class Sender {
 public:
  Sender(std::vector<Line> lines, std::string type, Progress& progress) : lines_(std::move(lines)), type_(std::move(type)), progress_(progress) {}

  Totals run(const Globals& globals) {
    auto other = std::async(std::launch::async, [&] { send_all(globals); });
    send_all(globals);
    other.get();
    std::sort(totals_.reasons.begin(), totals_.reasons.end(), [](const json::value& a, const json::value& b) { return a.at("line").as_int64() < b.at("line").as_int64(); });
    return std::move(totals_);
  }

 private:
  std::span<const Line> next_batch() {
    const std::lock_guard lock(mutex_);
    const size_t begin = next_;
    for (size_t bytes = 0; next_ < lines_.size() && bytes < kBatchBytesMax; ++next_) {
      const bool full = next_ - begin >= kBatchLines || bytes >= kBatchBytes;
      if (full && compare_ids(lines_[next_ - 1].id, lines_[next_].id) != 0) break;
      bytes += lines_[next_].text.size();
    }
    return std::span(lines_).subspan(begin, next_ - begin);
  }

  void send_all(const Globals& globals) {
    try {
      HubClient client(globals);
      for (auto batch = next_batch(); !batch.empty(); batch = next_batch()) send(client, batch);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      next_ = lines_.size();   // the other one stops, too
      throw;
    }
  }

  void send(HubClient& client, std::span<const Line> batch) {
    http::ClientRequest request;
    request.method = "POST";
    request.target = "/api/lyceum/catalogue/" + type_;
    request.headers.set("Content-Type", "application/x-ndjson");
    for (const Line& line : batch) (request.body += line.text) += '\n';
    const size_t bytes = request.body.size();
    const json::value parsed = parse_json(client.request(std::move(request)).body, "answer of the hub");
    const json::object& answer = get_object(parsed, "answer of the hub");
    const std::lock_guard lock(mutex_);
    totals_.lines += batch.size();
    totals_.bytes += bytes;
    totals_.added += static_cast<uint64_t>(get_int(answer, "added"));
    totals_.updated += static_cast<uint64_t>(get_int(answer, "updated"));
    totals_.refused += static_cast<uint64_t>(get_int(answer, "refusedCount"));
    if (const json::array* refused = find_array(answer, "refused")) note_refused(*refused, batch);
    progress_.set(totals_.bytes, std::to_string(totals_.added + totals_.updated) + " " + type_);
  }

  void note_refused(const json::array& refused, std::span<const Line> batch) {
    for (const json::value& one : refused) {
      const json::object& reason = get_object(one, "refused line");
      const auto line = static_cast<size_t>(get_int(reason, "line"));
      if (totals_.reasons.size() >= kReasonsMax || line == 0 || line > batch.size()) return;
      totals_.reasons.push_back(json::object{{"line", static_cast<int64_t>(batch[line - 1].number)}, {"reason", get_string(reason, "reason")}});
    }
  }

  const std::vector<Line> lines_;
  const std::string type_;
  Progress& progress_;
  std::mutex mutex_;
  size_t next_ = 0;
  Totals totals_;
};

int import(const Args& args, const Globals& globals) {
  if (args.action != "import") throw Error(Code::invalid_argument, "catalogue can import: lyceum catalogue import FILE");
  if (args.type != "models" && args.type != "datasets" && args.type != "spaces") throw Error(Code::invalid_argument, "--type is models, datasets or spaces");
  const MappedFile file(args.file);
  Progress progress("Importing " + args.file, file.bytes().size(), Progress::Unit::bytes, globals.json || globals.quiet);
  const Totals totals = Sender(sorted_lines(as_text(file.bytes())), args.type, progress).run(globals);
  progress.finish();
  if (globals.json) {
    print_json(json::object{{"lines", totals.lines}, {"added", totals.added}, {"updated", totals.updated}, {"refused", totals.refused}, {"reasons", json::array(totals.reasons.begin(), totals.reasons.end())}});
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
