// POST commit: the stream of lines becomes one hub commit.
#include <array>

#include "api/answer.h"
#include "api/hub/commit_lines.h"
#include "api/hub/handlers.h"
#include "api/services.h"
#include "hub/discussions.h"

namespace lyceum::api {
namespace {

hub::CommitRequest read_commit(const Context& context) {
  CommitLines lines({}, context.services.hub.data_folder() / "staging");
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

std::string title_of(const hub::CommitRequest& commit) { return commit.summary.substr(0, std::min<size_t>(commit.summary.find('\n'), 500)); }

std::string branch_of(const std::string& revision) {
  if (revision == "HEAD") return "main";
  return revision.starts_with("refs/heads/") ? revision.substr(11) : revision;
}

// A client that got no answer sends its commit again; the pull request that it opened then is the one it means. Nullopt: there is none.
std::optional<std::pair<int64_t, hub::CommitInfo>> find_repeated(Context& context, hub::CommitRequest commit) {
  constexpr int64_t kRetriedWithin_ms = 10 * 60 * 1000;
  const hub::Repo repo = context.services.hub.get_repo(context.caller, context.repo->repo_id);
  commit.parent = repo.head;
  const hub::DiscussionQuery recent{.type = "pull_request", .status = "open", .author = context.caller.user->name, .limit = 10};
  for (const hub::Discussion& one : context.services.hub.discussions().list(repo, recent, nullptr)) {
    if (one.title != title_of(commit) || context.services.clock.now_ms() - one.created_ms > kRetriedWithin_ms) continue;
    commit.branch = one.ref();
    try {
      return std::pair(one.num, context.services.hub.commit(context.caller, repo.repo_id, commit));
    } catch (const Error& error) {
      if (error.code() != Code::precondition_failed) throw;  // another change of the same title
    }
  }
  return std::nullopt;
}

std::pair<int64_t, hub::CommitInfo> open_with_commit(Context& context, hub::CommitRequest& commit) {
  if (const auto repeated = find_repeated(context, commit)) return *repeated;
  hub::Hub& hub = context.services.hub;
  const hub::Discussion one = hub.discussions().open(context.caller, context.repo->repo_id, {title_of(commit), commit.description, true, "open"}, &commit);
  const hub::Repo repo = hub.get_repo(context.caller, context.repo->repo_id);
  return {one.num, hub.commits(repo, one.ref(), 1, 0, nullptr).at(0)};
}

}  // namespace

http::Response commit_files(Context& context) {
  hub::Hub& hub = context.services.hub;
  const hub::RepoId& id = context.repo->repo_id;
  const std::string branch = branch_of(split_revision_path(context.request, 5).revision);
  const bool create_pr = is_true(context.request.find_query("create_pr"));
  if (!create_pr) hub.require_commit(context.caller, id, branch);  // before the body is read
  hub::CommitRequest commit = read_commit(context);
  commit.branch = branch;
  if (commit.summary.empty()) commit.summary = "Update files";
  check_large_files(context, commit);
  json::object out{{"success", true}, {"hookOutput", ""}};
  hub::CommitInfo made;
  if (create_pr) {
    if (branch != "main") throw Error(Code::invalid_argument, "A pull request is opened against main, not " + branch + ".");
    const auto [num, info] = open_with_commit(context, commit);
    made = info;
    out["pullRequestUrl"] = repo_url(context.request, id) + "/discussions/" + std::to_string(num);
  } else {
    made = hub.commit(context.caller, id, commit);
  }
  out["commitOid"] = made.id;
  out["commitUrl"] = repo_url(context.request, id) + "/commit/" + made.id;
  return json_answer(out);
}

}  // namespace lyceum::api
