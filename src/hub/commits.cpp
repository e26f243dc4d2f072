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

void check_action_count(const CommitRequest& request) {
  if (request.actions.size() > kActionsMax) throw Error(Code::too_large, "a commit may have at most 100000 actions");
}

void check_parent_syntax(const std::string& parent) {
  if (parent.size() < 5 || parent.size() > 40 || !is_hex(parent, parent.size())) {
    throw Error(Code::invalid_argument, "parentCommit must be 5 to 40 hexadecimal digits");
  }
}

void check_parent(const std::string& parent, const std::string& head) {
  if (parent.empty()) return;
  check_parent_syntax(parent);
  if (!head.starts_with(parent)) {
    throw Error(Code::precondition_failed, "A commit has happened since. Please refresh and try again. (expected parent " + parent + ", head is " + head + ")");
  }
}

}  // namespace

HubImpl::Draft HubImpl::draft(const Caller& caller, const Repo& repo, git::Repository& git, const git::Oid& base, const CommitRequest& request) {
  CommitBuilder builder(*this, caller, repo, git, git.read_commit(base).tree);
  for (const CommitAction& action : request.actions) builder.apply(action);
  Draft out;
  out.tree = builder.finish();
  out.objects = std::move(builder.objects());
  out.blobs_used = builder.blobs_used();
  return out;
}

// A client that got no answer sends its commit again. With a parent, that is the commit made on this parent, wherever the branch is now;
// without, only the head can be it (an older commit may have been undone on purpose since).
std::optional<git::Oid> HubImpl::find_earlier(const Caller& caller, const Repo& repo, git::Repository& git, const git::Oid& head, const CommitRequest& request) {
  constexpr int kLookedAtMax = 64;
  const std::string message = message_of(request);
  git::Oid oid = head;
  for (int i = 0; i < (request.parent.empty() ? 1 : kLookedAtMax); ++i) {
    const git::Commit one = git.read_commit(oid);
    if (one.parents.empty()) return std::nullopt;
    const git::Oid parent = one.parents.front();
    if (one.parents.size() == 1 && one.author.name == caller.user->name && one.message == message && parent.hex().starts_with(request.parent)) {
      return draft(caller, repo, git, parent, request).tree == one.tree ? std::optional(oid) : std::nullopt;
    }
    oid = parent;
  }
  return std::nullopt;
}

// The commit that the request makes of `base`, its objects written; nullopt if it changes nothing.
std::optional<HubImpl::Written> HubImpl::write_commit(const Caller& caller, git::Repository& git, const git::Oid& base, const CommitRequest& request, Draft made) {
  git::Commit next;
  next.tree = made.tree;
  if (next.tree == git.read_commit(base).tree) return std::nullopt;
  next.parents = {base};
  const std::string email = caller.user->email.empty() ? caller.user->name + "@localhost" : caller.user->email;
  next.author = {caller.user->name, email, clock_.now_ms() / 1000, 0};
  next.committer = next.author;
  next.message = message_of(request);
  std::string text = git::format_commit(next);
  const git::Oid oid = git::object_id(git::Kind::commit, text);
  made.objects.emplace(oid, git::Repository::NewObject{git::Kind::commit, std::move(text)});
  git.write_objects(made.objects);
  return Written{oid, std::move(made.blobs_used)};
}

std::optional<HubImpl::Written> HubImpl::write_first_commit(const Caller& caller, const Repo& repo, git::Repository& git, const git::Oid& base, const CommitRequest& request) {
  check_action_count(request);
  check_parent(request.parent, base.hex());
  return write_commit(caller, git, base, request, draft(caller, repo, git, base, request));
}

CommitInfo HubImpl::commit(const Caller& caller, const RepoId& id, const CommitRequest& request) {
  check_action_count(request);
  const std::string ref = full_ref_name(request.branch);
  const Repo seen = get_for_commit(caller, id, ref);
  const auto held = locks_.lock(seen.id);
  const Repo repo = get_for_commit(caller, id, ref);  // again: it may have been deleted or moved while this call waited
  if (repo.id != seen.id) throw repo_not_found();

  const auto git = open_git(repo);
  const auto head = find_ref(*store_->read(), repo, ref);
  if (!head) throw Error(Code::not_found, "Invalid rev id: " + request.branch, "RevisionNotFound");
  const bool moved = !request.parent.empty() && !head->hex().starts_with(request.parent);
  if (moved) {
    check_parent_syntax(request.parent);
    if (const auto earlier = find_earlier(caller, repo, *git, *head, request)) return commit_info(*git, *earlier);
  }
  check_parent(request.parent, head->hex());

  Draft made;
  try {
    made = draft(caller, repo, *git, *head, request);
  } catch (const Error& error) {
    // What it deletes or copies may be gone because it was carried out already.
    const auto earlier = error.tag() == "EntryNotFound" ? find_earlier(caller, repo, *git, *head, request) : std::nullopt;
    if (!earlier) throw;
    return commit_info(*git, *earlier);
  }
  const auto written = write_commit(caller, *git, *head, request, std::move(made));
  if (!written) return commit_info(*git, *head);
  move_refs(repo, *git, {{ref, written->oid}}, [&](Database& database) {
    // The repository's lock keeps others away; should the store have lost it, this keeps their commit.
    if (find_ref(database, repo, ref) != head) throw Error(Code::conflict, "A commit has happened since. Please refresh and try again.");
    for (const std::string& sha256 : written->blobs_used) link_in(database, repo, sha256);
  }, &caller);
  return commit_info(*git, written->oid);
}

}  // namespace lyceum::hub
