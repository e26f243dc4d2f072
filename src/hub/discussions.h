// discussions.h: discussions and pull requests of a repository: an event list (comments, status and title changes, commits) each.
//
// A pull request is a discussion with a ref refs/pr/N, which starts at main's head and stays after the end. Its number and its ref
// appear in one transaction. Commits that reach the ref, by the API or by git, become events in the transaction that moves it
// (note_moved(), called by HubImpl::move_refs); a push to an unused refs/pr/N opens number N. Merging makes a merge commit on main.
//
// Rights: whoever may see the repository may open and comment, with a write token; the opener and those who may write change title
// and status and hide comments; only its author edits a comment; merging needs the right to write. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "git/oid.h"
#include "hub/hub.h"

namespace lyceum::git {
class Repository;
}

namespace lyceum::hub {

class Database;
class HubImpl;

struct Discussion {
  int64_t num = 0;
  std::string title, status;         // draft, open, closed, merged
  std::string author;                // "" once the account is gone
  bool is_pull_request = false;
  int64_t created_ms = 0, comments = 0;
  std::string merge_commit;
  std::string ref() const { return "refs/pr/" + std::to_string(num); }
};

struct DiscussionEvent {
  std::string id, type, author;      // type: comment, status-change, title-change, commit
  int64_t created_ms = 0;
  // comment: {raw, edited, hidden, updated_ms, history: [{raw, updated_ms}]}; status-change: {status}; title-change: {from, to};
  // commit: {subject, oid}
  json::object data;
};

struct NewDiscussion {
  std::string title, description;
  bool pull_request = false;
  std::string status = "open";       // or "draft", for a pull request
};

struct DiscussionQuery {
  std::string type = "all";          // discussion, pull_request
  std::string status = "all";        // open (drafts too), closed (merged too), or one status
  std::string author = {};
  size_t limit = 50, offset = 0;
};

// What merging would do, or did.
struct PullRequestChanges {
  std::string diff;
  std::vector<std::string> conflicts;
};

class Discussions {
 public:
  explicit Discussions(HubImpl& hub) : hub_(hub) {}

  // A pull request may come with its first commit (on main; `first.branch` says nothing): then both are there, or neither.
  Discussion open(const Caller& caller, const RepoId& id, const NewDiscussion& wanted, const CommitRequest* first = nullptr);
  std::vector<Discussion> list(const Repo& repo, const DiscussionQuery& query, size_t* total);  // newest first
  Discussion get(const Repo& repo, int64_t num);                                                // Error(not_found)
  std::vector<DiscussionEvent> events(const Repo& repo, int64_t num);                           // oldest first
  PullRequestChanges changes(const Repo& repo, const Discussion& discussion);                   // the diff is cut at 1 MiB

  DiscussionEvent comment(const Caller& caller, const RepoId& id, int64_t num, const std::string& text);
  DiscussionEvent rename(const Caller& caller, const RepoId& id, int64_t num, const std::string& title);
  // open or closed; a merged one stays merged (Error(conflict)).
  DiscussionEvent set_status(const Caller& caller, const RepoId& id, int64_t num, const std::string& status, const std::string& comment);
  DiscussionEvent edit_comment(const Caller& caller, const RepoId& id, int64_t num, const std::string& event, const std::string& text);
  DiscussionEvent hide_comment(const Caller& caller, const RepoId& id, int64_t num, const std::string& event);
  // Error(conflict) naming the files when both sides changed them. Returns the merge commit.
  std::string merge(const Caller& caller, const RepoId& id, int64_t num, const std::string& comment);

  // For HubImpl, inside its transaction, with the repository locked.
  void note_moved(Database& database, const Repo& repo, const git::Repository& git, int64_t num, std::optional<git::Oid> before, const git::Oid& after,
                  const Caller* mover);
  // Error(unprocessable) when a push may not touch this pull request: it is merged, or the number is a discussion's.
  void check_push(Database& database, const Repo& repo, std::string_view ref, bool removes);
  bool is_open_of(Database& database, const Repo& repo, std::string_view ref, const Caller& caller);  // an unmerged pull request that this caller opened

 private:
  struct Stored;
  Repo get_for_discussion(const Caller& caller, const RepoId& id);
  Discussion load(Database& database, const Repo& repo, int64_t num);
  bool may_moderate(Database& database, const Caller& caller, const Repo& repo, const Discussion& discussion);
  DiscussionEvent add_event(Database& database, const Repo& repo, int64_t num, std::string_view type, const Caller* author, json::object data);
  DiscussionEvent add_comment(Database& database, const Repo& repo, const Discussion& discussion, const Caller& author, const std::string& text);
  DiscussionEvent load_comment(Database& database, const Repo& repo, int64_t num, const std::string& event);
  DiscussionEvent change_comment(const Caller& caller, const RepoId& id, int64_t num, const std::string& event, const std::function<void(Database&, const Repo&, const Discussion&, DiscussionEvent&)>& change);
  DiscussionEvent change_status(Database& database, const Repo& repo, Discussion& discussion, const Caller& caller, const std::string& status);
  void insert(Database& database, const Repo& repo, const Discussion& discussion, const Caller* author);
  int64_t next_number(Database& database, const Repo& repo);
  void announce(Database& database, const Repo& repo, const Discussion& discussion, std::string_view action, const DiscussionEvent* comment);

  HubImpl& hub_;
};

// The number in "refs/pr/7"; nullopt for any other ref.
std::optional<int64_t> find_pull_request_number(std::string_view ref);

}  // namespace lyceum::hub
