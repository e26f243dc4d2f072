#include "hub/discussions.h"

#include <charconv>

#include "base/error.h"
#include "base/random.h"
#include "git/history.h"
#include "git/merge.h"
#include "hub/hub_impl.h"
#include "hub/names.h"
#include "hub/webhooks.h"

namespace lyceum::hub {
namespace {

constexpr size_t kTitleMax = 500, kTextMax = 64u << 10, kHistoryMax = 100, kEventsPerMove = 250;
constexpr size_t kDiffMax = 1u << 20;

constexpr std::string_view kColumns = "d.num, d.title, d.status, COALESCE(a.name, ''), d.is_pull_request, d.created_ms, d.comments, d.merge_commit";
constexpr std::string_view kFrom = " FROM discussions d LEFT JOIN accounts a ON a.id = d.author_id ";

Discussion read_discussion(const Rows& rows) {
  return {rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.boolean(4), rows.integer(5), rows.integer(6), rows.text(7)};
}

DiscussionEvent read_event(const Rows& rows) {
  const json::value data = parse_json(rows.text(4), "stored event");
  return {rows.text(0), rows.text(1), rows.text(2), rows.integer(3), data.as_object()};
}

constexpr std::string_view kEventColumns = "SELECT e.id, e.type, COALESCE(a.name, ''), e.created_ms, e.data "
                                           "FROM discussion_events e LEFT JOIN accounts a ON a.id = e.author_id ";

std::string checked_text(std::string_view text, std::string_view what, size_t limit) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) throw Error(Code::invalid_argument, "the " + std::string(what) + " is empty");
  text = text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
  if (text.size() > limit) throw Error(Code::too_large, "the " + std::string(what) + " may have at most " + std::to_string(limit) + " bytes");
  if (!is_utf8(text)) throw Error(Code::invalid_argument, "the " + std::string(what) + " must be valid UTF-8");
  return std::string(text);
}

std::string checked_title(std::string_view text) {
  std::string out = checked_text(text, "title", kTitleMax);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return out;
}

bool is_settled(const Discussion& one) { return one.status == "merged" || one.status == "closed"; }

json::object comment_data(const std::string& text, int64_t now_ms) {
  return {{"raw", text}, {"edited", false}, {"hidden", false}, {"updated_ms", now_ms}, {"history", json::array{}}};
}

git::Signature signature_of(const Caller& caller, int64_t now_ms) {
  return {caller.user->name, caller.user->email.empty() ? caller.user->name + "@localhost" : caller.user->email, now_ms / 1000, 0};
}

std::string conflict_message(const std::vector<std::string>& files) {
  std::string names;
  for (size_t i = 0; i < files.size() && i < 5; ++i) names += (i == 0 ? "" : ", ") + files[i];
  if (files.size() > 5) names += " and " + std::to_string(files.size() - 5) + " more";
  return "this pull request conflicts with main in " + names + "; merge main into it, resolve the conflicts and push again";
}

}  // namespace

std::optional<int64_t> find_pull_request_number(std::string_view ref) {
  constexpr std::string_view prefix = "refs/pr/";
  if (!ref.starts_with(prefix)) return std::nullopt;
  const std::string_view text = ref.substr(prefix.size());
  int32_t num = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), num);
  if (error != std::errc() || end != text.data() + text.size() || num < 1 || text.front() == '0') return std::nullopt;
  return num;
}

Repo Discussions::get_for_discussion(const Caller& caller, const RepoId& id) {
  if (!caller.user) throw Error(Code::unauthorized, "sign in to take part in a discussion");
  const Repo repo = hub_.get_repo(caller, id);
  if (!caller.lets(kWriteDiscussion, repo.id, repo.owner_id)) {
    throw Error(Code::forbidden, "this token does not let you take part in a discussion; use a write token, or one whose grants name it");
  }
  if (repo.disabled) throw Error(Code::forbidden, "Access to this resource is disabled.");
  return repo;
}

Discussion Discussions::load(Database& database, const Repo& repo, int64_t num) {
  static const std::string sql = "SELECT " + std::string(kColumns) + std::string(kFrom) + "WHERE d.repo_id = ?1 AND d.num = ?2";
  Rows rows = database.query(sql, repo.id, num);
  if (!rows.step()) throw Error(Code::not_found, "there is no discussion " + std::to_string(num) + " in " + repo.repo_id.full_name(), "DiscussionNotFound");
  return read_discussion(rows);
}

Discussion Discussions::get(const Repo& repo, int64_t num) { return load(*hub_.store_->read(), repo, num); }

bool Discussions::may_moderate(Database& database, const Caller& caller, const Repo& repo, const Discussion& discussion) {
  return discussion.author == caller.user->name || hub::may_write(database, caller, repo);
}

int64_t Discussions::next_number(Database& database, const Repo& repo) {
  int64_t last = 0;
  {
    Rows rows = database.query("SELECT COALESCE(MAX(num), 0) FROM discussions WHERE repo_id = ?1", repo.id);
    if (rows.step()) last = rows.integer(0);
  }
  Rows rows = database.query("SELECT name FROM refs WHERE repo_id = ?1 AND name LIKE 'refs/pr/%'", repo.id);
  while (rows.step()) last = std::max(last, find_pull_request_number(rows.text(0)).value_or(0));
  return last + 1;
}

void Discussions::insert(Database& database, const Repo& repo, const Discussion& one, const Caller* author) {
  const std::string sql = "INSERT INTO discussions (repo_id, num, title, status, is_pull_request, author_id, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ";
  if (author != nullptr) database.run(sql + "?6, ?7)", repo.id, one.num, one.title, one.status, one.is_pull_request, author->user->id, one.created_ms);
  else database.run(sql + "NULL, ?6)", repo.id, one.num, one.title, one.status, one.is_pull_request, one.created_ms);
}

Discussion Discussions::open(const Caller& caller, const RepoId& id, const NewDiscussion& wanted, const CommitRequest* first) {
  const Repo seen = get_for_discussion(caller, id);
  if (first != nullptr && !caller.may_write()) hub_.require_write(caller, id);  // as for any commit to a pull request
  hub_.require_content(caller, seen);
  Discussion one{0, checked_title(wanted.title), wanted.pull_request ? wanted.status : "open", caller.user->name, wanted.pull_request, hub_.clock_.now_ms(), 0, ""};
  const std::string description = wanted.description.empty() ? "" : checked_text(wanted.description, "description", kTextMax);
  const auto held = hub_.locks_.lock(seen.id);
  const Repo repo = get_for_discussion(caller, id);
  const auto head = git::find_oid(hub_.resolve_revision(repo, kMain));
  one.num = next_number(*hub_.store_->read(), repo);
  const auto record = [&](Database& database) {
    insert(database, repo, one, &caller);
    announce(database, repo, one, "create", nullptr);
    if (!description.empty()) add_comment(database, repo, one, caller, description);
  };
  if (one.is_pull_request) {
    const auto git = hub_.open_git(repo);
    const auto written = first != nullptr ? hub_.write_first_commit(caller, repo, *git, *head, *first) : std::nullopt;
    hub_.move_refs(repo, *git, {{one.ref(), written ? written->oid : head}}, [&](Database& database) {
      record(database);
      for (const std::string& sha256 : written ? written->blobs_used : std::vector<std::string>()) hub_.link_in(database, repo, sha256);
    }, &caller);
  } else {
    hub_.transact(record);
  }
  return get(repo, one.num);
}

std::vector<Discussion> Discussions::list(const Repo& repo, const DiscussionQuery& query, size_t* total) {
  std::string where = "WHERE d.repo_id = ?1";
  if (query.type == "discussion") where += " AND d.is_pull_request = 0";
  if (query.type == "pull_request") where += " AND d.is_pull_request = 1";
  if (query.status == "open") where += " AND d.status IN ('open', 'draft')";
  else if (query.status == "closed") where += " AND d.status IN ('closed', 'merged')";
  else if (query.status == "draft" || query.status == "merged") where += " AND d.status = '" + query.status + "'";
  where += " AND (?2 = '' OR a.name = ?2)";
  const auto reader = hub_.store_->read();
  if (total != nullptr) {
    Rows rows = reader->query("SELECT COUNT(*)" + std::string(kFrom) + where, repo.id, query.author);
    *total = rows.step() ? static_cast<size_t>(rows.integer(0)) : 0;
  }
  std::vector<Discussion> out;
  Rows rows = reader->query("SELECT " + std::string(kColumns) + std::string(kFrom) + where + " ORDER BY d.num DESC LIMIT ?3 OFFSET ?4", repo.id, query.author,
                            static_cast<int64_t>(query.limit), static_cast<int64_t>(query.offset));
  while (rows.step()) out.push_back(read_discussion(rows));
  return out;
}

std::vector<DiscussionEvent> Discussions::events(const Repo& repo, int64_t num) {
  static const std::string sql = std::string(kEventColumns) + "WHERE e.repo_id = ?1 AND e.num = ?2 ORDER BY e.seq";
  std::vector<DiscussionEvent> out;
  const auto reader = hub_.store_->read();
  Rows rows = reader->query(sql, repo.id, num);
  while (rows.step()) out.push_back(read_event(rows));
  return out;
}

PullRequestChanges Discussions::changes(const Repo& repo, const Discussion& discussion) {
  PullRequestChanges out;
  if (!discussion.is_pull_request) return out;
  const auto head = hub_.find_ref(*hub_.store_->read(), repo, discussion.ref());
  if (!head) return out;
  const auto git = hub_.open_git(repo);
  const bool merged = !discussion.merge_commit.empty();
  const git::Oid main = merged ? git->read_commit(*git::find_oid(discussion.merge_commit)).parents.front() : *git::find_oid(hub_.resolve_revision(repo, kMain));
  const auto base = git::find_merge_base(*git, main, *head);
  const auto base_tree = base ? std::optional(git->read_commit(*base).tree) : std::nullopt;
  out.diff = git::diff_text(*git, base_tree, git->read_commit(*head).tree, git::DiffFormat::patch, kDiffMax);
  if (merged || is_settled(discussion) || base == main) return out;
  const auto held = hub_.locks_.lock(repo.id);  // a merge writes objects, even one that is only tried
  out.conflicts = git::merge_commits(*git, main, *head).conflicts;
  return out;
}

DiscussionEvent Discussions::add_event(Database& database, const Repo& repo, int64_t num, std::string_view type, const Caller* author, json::object data) {
  DiscussionEvent event{to_hex(as_bytes(secure_bytes(12))), std::string(type), author != nullptr ? author->user->name : "", hub_.clock_.now_ms(), std::move(data)};
  const std::string sql = "INSERT INTO discussion_events (id, repo_id, num, type, created_ms, data, seq, author_id) "
                          "SELECT ?1, ?2, ?3, ?4, ?5, ?6, COALESCE(MAX(seq), 0) + 1, ";
  const std::string from = " FROM discussion_events WHERE repo_id = ?2 AND num = ?3";
  const std::string text = json::serialize(event.data);
  if (author != nullptr) database.run(sql + "?7" + from, event.id, repo.id, num, event.type, event.created_ms, text, author->user->id);
  else database.run(sql + "NULL" + from, event.id, repo.id, num, event.type, event.created_ms, text);
  return event;
}

DiscussionEvent Discussions::add_comment(Database& database, const Repo& repo, const Discussion& discussion, const Caller& author, const std::string& text) {
  DiscussionEvent event = add_event(database, repo, discussion.num, "comment", &author, comment_data(text, hub_.clock_.now_ms()));
  database.run("UPDATE discussions SET comments = comments + 1 WHERE repo_id = ?1 AND num = ?2", repo.id, discussion.num);
  announce(database, repo, discussion, "create", &event);
  return event;
}

DiscussionEvent Discussions::comment(const Caller& caller, const RepoId& id, int64_t num, const std::string& text) {
  const Repo repo = get_for_discussion(caller, id);
  const std::string checked = checked_text(text, "comment", kTextMax);
  DiscussionEvent out;
  hub_.transact([&](Database& database) { out = add_comment(database, repo, load(database, repo, num), caller, checked); });
  return out;
}

DiscussionEvent Discussions::rename(const Caller& caller, const RepoId& id, int64_t num, const std::string& title) {
  const Repo repo = get_for_discussion(caller, id);
  const std::string checked = checked_title(title);
  DiscussionEvent out;
  hub_.transact([&](Database& database) {
    Discussion one = load(database, repo, num);
    if (!may_moderate(database, caller, repo, one)) throw Error(Code::forbidden, "only its author and those who may write can rename this discussion");
    out = add_event(database, repo, num, "title-change", &caller, {{"from", one.title}, {"to", checked}});
    database.run("UPDATE discussions SET title = ?3 WHERE repo_id = ?1 AND num = ?2", repo.id, num, checked);
    one.title = checked;
    announce(database, repo, one, "update", nullptr);
  });
  return out;
}

DiscussionEvent Discussions::change_status(Database& database, const Repo& repo, Discussion& one, const Caller& caller, const std::string& status) {
  DiscussionEvent event = add_event(database, repo, one.num, "status-change", &caller, {{"status", status}});
  database.run("UPDATE discussions SET status = ?3 WHERE repo_id = ?1 AND num = ?2", repo.id, one.num, status);
  one.status = status;
  announce(database, repo, one, "update", nullptr);
  return event;
}

DiscussionEvent Discussions::set_status(const Caller& caller, const RepoId& id, int64_t num, const std::string& status, const std::string& comment) {
  if (status != "open" && status != "closed" && status != "draft") throw Error(Code::invalid_argument, "status is open, closed or draft");
  const Repo repo = get_for_discussion(caller, id);
  const std::string text = comment.empty() ? "" : checked_text(comment, "comment", kTextMax);
  DiscussionEvent out;
  hub_.transact([&](Database& database) {
    Discussion one = load(database, repo, num);
    if (!may_moderate(database, caller, repo, one)) throw Error(Code::forbidden, "only its author and those who may write can change the status");
    if (one.status == "merged") throw Error(Code::conflict, "this pull request is merged; its status cannot change");
    if (status == "draft" && !one.is_pull_request) throw Error(Code::invalid_argument, "only a pull request can be a draft");
    if (!text.empty()) add_comment(database, repo, one, caller, text);
    out = change_status(database, repo, one, caller, status);
  });
  return out;
}

DiscussionEvent Discussions::load_comment(Database& database, const Repo& repo, int64_t num, const std::string& event) {
  static const std::string sql = std::string(kEventColumns) + "WHERE e.id = ?1 AND e.repo_id = ?2 AND e.num = ?3 AND e.type = 'comment'";
  Rows rows = database.query(sql, event, repo.id, num);
  if (!rows.step()) throw Error(Code::not_found, "there is no such comment in discussion " + std::to_string(num));
  return read_event(rows);
}

DiscussionEvent Discussions::change_comment(const Caller& caller, const RepoId& id, int64_t num, const std::string& event_id,
                                            const std::function<void(Database&, const Repo&, const Discussion&, DiscussionEvent&)>& change) {
  const Repo repo = get_for_discussion(caller, id);
  DiscussionEvent out;
  hub_.transact([&](Database& database) {
    const Discussion one = load(database, repo, num);
    out = load_comment(database, repo, num, event_id);
    if (out.data.at("hidden").as_bool()) throw Error(Code::conflict, "this comment is hidden");
    change(database, repo, one, out);
    database.run("UPDATE discussion_events SET data = ?2 WHERE id = ?1", out.id, json::serialize(out.data));
    announce(database, repo, one, "update", &out);
  });
  return out;
}

DiscussionEvent Discussions::edit_comment(const Caller& caller, const RepoId& id, int64_t num, const std::string& event, const std::string& text) {
  const std::string checked = checked_text(text, "comment", kTextMax);
  return change_comment(caller, id, num, event, [&](Database&, const Repo&, const Discussion&, DiscussionEvent& comment) {
    if (comment.author != caller.user->name) throw Error(Code::forbidden, "only its author can edit a comment");
    json::array& history = comment.data["history"].as_array();
    history.push_back(json::object{{"raw", comment.data.at("raw")}, {"updated_ms", comment.data.at("updated_ms")}});
    if (history.size() > kHistoryMax) history.erase(history.begin());
    comment.data["raw"] = checked;
    comment.data["edited"] = true;
    comment.data["updated_ms"] = hub_.clock_.now_ms();
  });
}

DiscussionEvent Discussions::hide_comment(const Caller& caller, const RepoId& id, int64_t num, const std::string& event) {
  return change_comment(caller, id, num, event, [&](Database& database, const Repo& repo, const Discussion& one, DiscussionEvent& comment) {
    if (comment.author != caller.user->name && !may_moderate(database, caller, repo, one)) throw Error(Code::forbidden, "only its author and those who may write can hide a comment");
    comment.data["hidden"] = true;
    comment.data["raw"] = "";  // gone for readers, and not kept
    comment.data["history"] = json::array{};
    comment.data["updated_ms"] = hub_.clock_.now_ms();
  });
}

std::string Discussions::merge(const Caller& caller, const RepoId& id, int64_t num, const std::string& comment) {
  const std::string text = comment.empty() ? "" : checked_text(comment, "comment", kTextMax);
  const Repo seen = hub_.get_for_write(caller, id);
  const auto held = hub_.locks_.lock(seen.id);
  const Repo repo = hub_.get_for_write(caller, id);
  Discussion one = get(repo, num);
  if (!one.is_pull_request) throw Error(Code::invalid_argument, "discussion " + std::to_string(num) + " is not a pull request");
  if (one.status == "merged") return one.merge_commit;  // a retry
  if (one.status == "closed") throw Error(Code::conflict, "this pull request is closed; open it again to merge it");
  const auto git = hub_.open_git(repo);
  const auto head = hub_.find_ref(*hub_.store_->read(), repo, one.ref());
  if (!head) throw Error(Code::not_found, "Invalid rev id: " + one.ref(), "RevisionNotFound");
  const git::Oid main = *git::find_oid(hub_.resolve_revision(repo, kMain));
  if (git->is_ancestor(*head, main)) throw Error(Code::invalid_argument, "this pull request has no changes to merge");
  const git::Merge merged = git::merge_commits(*git, main, *head);
  if (!merged.conflicts.empty()) throw Error(Code::conflict, conflict_message(merged.conflicts));

  git::Commit next;
  next.tree = merged.tree;
  next.parents = {main, *head};
  next.author = next.committer = signature_of(caller, hub_.clock_.now_ms());
  next.message = one.title + " (#" + std::to_string(num) + ")\n" + (text.empty() ? "" : "\n" + text + "\n");
  std::string bytes = git::format_commit(next);
  const git::Oid oid = git::object_id(git::Kind::commit, bytes);
  git->write_objects({{oid, {git::Kind::commit, std::move(bytes)}}});
  hub_.move_refs(repo, *git, {{std::string(kMain), oid}}, [&](Database& database) {
    if (!text.empty()) add_comment(database, repo, one, caller, text);
    database.run("UPDATE discussions SET merge_commit = ?3 WHERE repo_id = ?1 AND num = ?2", repo.id, num, oid.hex());
    one.merge_commit = oid.hex();
    change_status(database, repo, one, caller, "merged");
  }, &caller);
  return oid.hex();
}

void Discussions::note_moved(Database& database, const Repo& repo, const git::Repository& git, int64_t num, std::optional<git::Oid> before, const git::Oid& after,
                             const Caller* mover) {
  const auto commit_of = [&](const git::Oid& oid) { return git.read_commit(oid).message; };
  Rows known = database.query("SELECT 1 FROM discussions WHERE repo_id = ?1 AND num = ?2", repo.id, num);
  if (!known.step()) {
    const std::string message = commit_of(after);
    Discussion one{num, "", "open", mover != nullptr ? mover->user->name : "", true, hub_.clock_.now_ms(), 0, ""};
    const std::string subject = message.substr(0, message.find('\n'));
    one.title = is_utf8(subject) && subject.find_first_not_of(" \t") != std::string::npos ? checked_title(subject.substr(0, 200)) : "Pull request " + std::to_string(num);
    insert(database, repo, one, mover);
    announce(database, repo, one, "create", nullptr);
  }
  std::vector<git::Oid> hidden;
  if (before && git.find_object(*before)) hidden.push_back(*before);
  if (const auto main = hub_.find_ref(database, repo, kMain)) hidden.push_back(*main);
  std::vector<git::Oid> fresh;
  git::walk_commits(git, {after}, hidden, [&](const git::Oid& oid) {
    fresh.push_back(oid);
    return fresh.size() < kEventsPerMove;
  });
  for (auto oid = fresh.rbegin(); oid != fresh.rend(); ++oid) {
    const std::string message = commit_of(*oid);
    const std::string subject = message.substr(0, message.find('\n'));
    add_event(database, repo, num, "commit", mover, {{"subject", is_utf8(subject) ? subject : ""}, {"oid", oid->hex()}});
  }
}

void Discussions::check_push(Database& database, const Repo& repo, std::string_view ref, bool removes) {
  const auto num = find_pull_request_number(ref);
  if (!num) throw Error(Code::unprocessable, std::string(ref.substr(0, 200)) + " is not a pull request; they are named refs/pr/1, refs/pr/2, …");
  if (removes) throw Error(Code::unprocessable, std::string(ref) + " belongs to a pull request and stays; close the pull request instead");
  Rows rows = database.query("SELECT is_pull_request, status FROM discussions WHERE repo_id = ?1 AND num = ?2", repo.id, *num);
  if (!rows.step()) return;
  if (!rows.boolean(0)) throw Error(Code::unprocessable, "number " + std::to_string(*num) + " is a discussion, not a pull request");
  if (rows.text(1) == "merged") throw Error(Code::unprocessable, std::string(ref) + " is merged; open another pull request");
}

bool Discussions::is_open_of(Database& database, const Repo& repo, std::string_view ref, const Caller& caller) {
  const auto num = find_pull_request_number(ref);
  if ((!num && !ref.empty()) || !caller.user) return false;
  Rows rows = database.query("SELECT 1 FROM discussions WHERE repo_id = ?1 AND (num = ?2 OR ?2 = 0) AND author_id = ?3 AND is_pull_request = 1 AND status <> 'merged'",
                             repo.id, num.value_or(0), caller.user->id);
  return rows.step();
}

void Discussions::announce(Database& database, const Repo& repo, const Discussion& one, std::string_view action, const DiscussionEvent* comment) {
  json::object discussion{{"id", repo.public_id + "-" + std::to_string(one.num)}, {"num", one.num}, {"title", one.title}, {"status", one.status},
                          {"isPullRequest", one.is_pull_request}, {"author", json::object{{"id", one.author}}}, {"pinned", false}};
  if (one.is_pull_request) {
    json::object changes{{"base", kMain}};
    if (!one.merge_commit.empty()) changes["mergeCommitId"] = one.merge_commit;
    discussion["changes"] = std::move(changes);
  }
  WebhookEvent event{action, "discussion", {{"discussion", std::move(discussion)}}};
  if (comment != nullptr) {
    event.scope = "discussion.comment";
    json::object value{{"id", comment->id}, {"author", json::object{{"id", comment->author}}}, {"hidden", comment->data.at("hidden")}};
    if (!comment->data.at("hidden").as_bool()) value["content"] = comment->data.at("raw");
    event.details["comment"] = std::move(value);
  }
  hub_.webhooks_->note(database, repo, event);
}

}  // namespace lyceum::hub
