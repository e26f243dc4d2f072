// POST commit: the stream of lines becomes one hub commit.
#include <array>

#include "api/answer.h"
#include "api/hub/commit_lines.h"
#include "api/hub/handlers.h"
#include "api/hub/pull_requests.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

hub::CommitRequest read_commit(const Context& context) {
  CommitLines lines;
  std::array<std::byte, 1 << 16> buffer;
  while (context.request.body) {
    const size_t got = context.request.body->read(buffer);
    if (got == 0) break;
    lines.feed(as_text(Bytes(buffer.data(), got)));
  }
  return lines.finish();
}

// A digest alone proves nothing: the repository must have received the bytes (or have them from an earlier commit).
void check_large_files(Context& context, hub::CommitRequest& commit) {
  hub::Hub& hub = context.services.hub;
  for (hub::CommitAction& action : commit.actions) {
    auto* file = std::get_if<hub::AddLargeFile>(&action);
    if (!file) continue;
    if (!hub.has_blob(file->sha256) || !hub.repo_has_blob(*context.repo, file->sha256))
      throw Error(Code::invalid_argument, "The content of " + file->path + " (sha256 " + file->sha256 + ") has not been uploaded to this repository.");
    const uint64_t size = hub.blob_size(file->sha256);
    if (file->size != 0 && file->size != size)
      throw Error(Code::invalid_argument, file->path + " is said to have " + std::to_string(file->size) + " bytes; the uploaded content has " + std::to_string(size) + ".");
    file->size = size;
  }
}

std::string branch_of(const std::string& revision) {
  if (revision == "HEAD") return "main";
  return revision.starts_with("refs/heads/") ? revision.substr(11) : revision;
}

}  // namespace

http::Response commit_files(Context& context) {
  hub::CommitRequest commit = read_commit(context);
  commit.branch = branch_of(split_revision_path(context.request, 5).revision);
  if (commit.summary.empty()) commit.summary = "Update files";
  check_large_files(context, commit);
  json::object out{{"success", true}, {"hookOutput", ""}};
  if (is_true(context.request.find_query("create_pr"))) {
    const PullRequest pull_request = open_pull_request(context, commit.summary, commit.description, "open");
    commit.branch = pull_request.ref();
    out["pullRequestUrl"] = pull_request_url(context, pull_request.num);
  }
  const hub::CommitInfo made = context.services.hub.commit(context.caller, context.repo->repo_id, commit);
  out["commitOid"] = made.id;
  out["commitUrl"] = repo_url(context.request, context.repo->repo_id) + "/commit/" + made.id;
  return json_answer(out);
}

}  // namespace lyceum::api
