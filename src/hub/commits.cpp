#include "base/error.h"
#include "hub/commit_builder.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr size_t kActionsMax = 100'000;
constexpr size_t kMessageMax = 64u << 10;

std::string message_of(const CommitRequest& request) {
  std::string title = request.summary.substr(0, request.summary.find('\n'));
  if (title.empty()) title = "Update";
  std::string out = title + "\n";
  if (!request.description.empty()) out += "\n" + request.description + "\n";
  if (out.size() > kMessageMax) throw Error(Code::too_large, "a commit message may have at most 64 KiB");
  if (!is_utf8(out)) throw Error(Code::invalid_argument, "a commit message must be valid UTF-8");
  return out;
}

void check_parent(const std::string& parent, const std::string& head) {
  if (parent.empty()) return;
  if (parent.size() < 5 || parent.size() > 40 || !is_hex(parent, parent.size())) {
    throw Error(Code::invalid_argument, "parentCommit must be 5 to 40 hexadecimal digits");
  }
  if (!head.starts_with(parent)) {
    throw Error(Code::precondition_failed, "A commit has happened since. Please refresh and try again. (expected parent " + parent + ", head is " + head + ")");
  }
}

}  // namespace

CommitInfo HubImpl::commit(const Caller& caller, const RepoId& id, const CommitRequest& request) {
  if (request.actions.size() > kActionsMax) throw Error(Code::too_large, "a commit may have at most 100000 actions");
  const std::string ref = full_ref_name(request.branch);
  const std::string message = message_of(request);
  const Repo seen = get_for_write(caller, id);
  const auto held = locks_.lock(seen.id);
  const Repo repo = get_for_write(caller, id);  // again: it may have been deleted or moved while this call waited
  if (repo.id != seen.id) throw repo_not_found();

  const auto git = open_git(repo);
  const auto head = find_ref(*store_->read(), repo, ref);
  if (!head) throw Error(Code::not_found, "Invalid rev id: " + request.branch, "RevisionNotFound");
  check_parent(request.parent, head->hex());

  const git::Commit previous = git->read_commit(*head);
  CommitBuilder builder(*this, caller, repo, *git, previous.tree);
  for (const CommitAction& action : request.actions) builder.apply(action);
  git::Commit next;
  next.tree = builder.finish();
  if (next.tree == previous.tree) return commit_info(*git, *head);

  next.parents = {*head};
  const std::string email = caller.user->email.empty() ? caller.user->name + "@localhost" : caller.user->email;
  next.author = {caller.user->name, email, clock_.now_ms() / 1000, 0};
  next.committer = next.author;
  next.message = message;
  std::string text = git::format_commit(next);
  const git::Oid oid = git::object_id(git::Kind::commit, text);
  builder.objects().emplace(oid, git::Repository::NewObject{git::Kind::commit, std::move(text)});
  git->write_objects(builder.objects());
  move_refs(repo, *git, {{ref, oid}}, [&](Database& database) {
    for (const std::string& sha256 : builder.blobs_used()) link_in(database, repo, sha256);
  });
  return commit_info(*git, oid);
}

}  // namespace lyceum::hub
