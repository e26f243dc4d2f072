#include "api/git/push_check.h"

#include <charconv>
#include <thread>

#include "api/git/git_program.h"
#include "api/git/process.h"
#include "base/bytes.h"
#include "base/progress.h"
#include "git/lfs_pointer.h"

namespace lyceum::api {
namespace {

constexpr size_t kListingLimit = 512u << 20;
constexpr size_t kRefusalsShown = 10;

// Calls take(line) for each line; returns at "" or the end.
template <typename Take>
void each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string_view take_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool is_zero(std::string_view oid) { return oid.find_first_not_of('0') == std::string_view::npos; }

bool is_number(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

std::string find_ref_refusal(const PushedRefs::Update& update) {
  const std::string_view ref = update.ref;
  if (ref == "refs/heads/main" && is_zero(update.after)) return "main cannot be deleted";
  if (ref.starts_with("refs/heads/") || ref.starts_with("refs/tags/")) return "";
  if (ref.starts_with("refs/pr/") && is_number(ref.substr(8))) return "";
  return std::string(ref) + ": only branches, tags and refs/pr/N can be pushed";
}

// Writes the input from a second thread, so that neither side waits for the other with a full pipe.
std::string run_git(const ProcessOptions& options, const std::string& input, size_t limit_bytes) {
  Process process(options);
  std::jthread feeder([&] {
    process.write(input);
    process.close_input();
  });
  std::string out = process.read_all(limit_bytes);
  feeder.join();
  if (process.wait() != 0) throw Error(Code::unprocessable, "git cannot read the pushed objects");
  return out;
}

struct NewBlob {
  std::string oid, path;
  uint64_t size = 0;
};

// Blobs that the push brings, with a path of each. Two plain git commands, one feeding the other.
std::vector<NewBlob> new_blobs(const std::filesystem::path& folder, const PushedRefs& pushed) {
  std::string tips;
  for (const auto& update : pushed.updates)
    if (!is_zero(update.after)) tips += update.after + "\n";
  if (tips.empty()) return {};
  const std::string objects = run_git(git_program(folder, {"rev-list", "--objects", "--stdin", "--not", "--all"}, pushed.environment), tips, kListingLimit);
  const std::string facts = run_git(
      git_program(folder, {"cat-file", "--batch-check=%(objecttype) %(objectsize) %(objectname) %(rest)"}, pushed.environment), objects, kListingLimit);
  std::vector<NewBlob> out;
  each_line(facts, [&](std::string_view line) {
    const std::string_view type = take_word(line), size = take_word(line), oid = take_word(line);
    if (type != "blob") return;
    NewBlob blob{std::string(oid), std::string(line), 0};
    std::from_chars(size.data(), size.data() + size.size(), blob.size);
    out.push_back(std::move(blob));
  });
  return out;
}

// `cat-file --batch` answers "<oid> blob <size>\n<content>\n" for each name asked.
template <typename Take>
void each_content(const std::string& answers, const std::vector<NewBlob>& blobs, Take take) {
  std::string_view rest = answers;
  for (const NewBlob& blob : blobs) {
    const size_t line = rest.find('\n');
    if (line == std::string_view::npos || rest.size() < line + 2 + blob.size) return;
    take(blob, rest.substr(line + 1, blob.size));
    rest.remove_prefix(line + 2 + blob.size);
  }
}

std::string pointer_refusal(hub::Hub& hub, const std::string& path, const git::LfsPointer& pointer) {
  if (!hub.has_blob(pointer.sha256))
    return path + ": its LFS object " + pointer.sha256 + " has not been uploaded; run `git lfs push --all origin` first";
  if (hub.blob_size(pointer.sha256) != pointer.size) return path + ": its LFS pointer states a wrong size";
  return "";
}

class Refusals {
 public:
  void add(const std::string& text) {
    if (text.empty()) return;
    if (++count_ <= kRefusalsShown) text_ += text + "\n";
  }
  std::string text() const {
    return count_ > kRefusalsShown ? text_ + "and " + std::to_string(count_ - kRefusalsShown) + " more\n" : text_;
  }

 private:
  size_t count_ = 0;
  std::string text_;
};

}  // namespace

PushedRefs parse_hook_message(std::string_view text) {
  PushedRefs out;
  bool refs = false, ended = false;
  each_line(text, [&](std::string_view line) {
    if (ended) return;
    if (line == "refs" && !refs) {
      refs = true;
    } else if (line == "end" && refs) {
      ended = true;
    } else if (!refs) {
      if (!line.starts_with("GIT_")) throw Error(Code::invalid_argument, "the push hook sent an unknown variable");
      out.environment.emplace_back(line);
    } else {
      const std::string_view before = take_word(line), after = take_word(line);
      if (!is_hex(before, 40) || !is_hex(after, 40)) throw Error(Code::invalid_argument, "the push hook sent a malformed update");
      out.updates.push_back({std::string(before), std::string(after), std::string(line)});
    }
  });
  if (!ended) throw Error(Code::invalid_argument, "the push hook's message is cut short");
  return out;
}

std::string find_push_refusal(hub::Hub& hub, const std::filesystem::path& folder, const PushedRefs& pushed) {
  Refusals refusals;
  for (const auto& update : pushed.updates) refusals.add(find_ref_refusal(update));
  std::vector<NewBlob> small;
  std::string small_names;
  for (NewBlob& blob : new_blobs(folder, pushed)) {
    if (blob.size > kInlineLimitBytes) {
      refusals.add(blob.path + ": " + human_bytes(blob.size) + " is over the limit of " + human_bytes(kInlineLimitBytes) + " for files in git; track it with git-lfs");
    } else if (blob.size <= git::kLfsPointerBytesMax) {
      small_names += blob.oid + "\n";
      small.push_back(std::move(blob));
    }
  }
  if (small.empty()) return refusals.text();
  const std::string contents = run_git(git_program(folder, {"cat-file", "--batch"}, pushed.environment), small_names, kListingLimit);
  each_content(contents, small, [&](const NewBlob& blob, std::string_view content) {
    if (const auto pointer = git::find_lfs_pointer(content)) refusals.add(pointer_refusal(hub, blob.path, *pointer));
  });
  return refusals.text();
}

}  // namespace lyceum::api
