#include "base/error.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {

Error repo_not_found() { return {Code::not_found, "Repository not found", "RepoNotFound"}; }

Repo read_repo(const Rows& rows) {
  Repo repo;
  repo.id = rows.integer(0);
  repo.public_id = rows.text(1);
  repo.repo_id = {static_cast<RepoType>(rows.integer(2)), rows.text(3), rows.text(4)};
  repo.is_private = rows.boolean(5);
  repo.disabled = rows.boolean(6);
  repo.gated = rows.text(7);
  repo.sdk = rows.text(8);
  repo.head = rows.text(9);
  repo.created_ms = rows.integer(10);
  repo.modified_ms = rows.integer(11);
  repo.downloads = rows.integer(12);
  repo.likes = rows.integer(13);
  repo.card = get_object(parse_json(rows.text(14), "stored card"), "stored card");
  const json::value tags = parse_json(rows.text(15), "stored tags");
  for (const json::value& tag : tags.as_array()) repo.tags.emplace_back(tag.as_string());
  repo.pipeline_tag = rows.text(16);
  repo.library_name = rows.text(17);
  return repo;
}

// By its name, or by a name it had before a move.
std::optional<Repo> HubImpl::find_repo(Database& database, const RepoId& id) {
  static const std::string by_name = "SELECT " + std::string(kRepoColumns) + " FROM repos r WHERE r.type = ?1 AND r.owner = ?2 AND r.name = ?3";
  static const std::string by_alias = "SELECT " + std::string(kRepoColumns) +
                                      " FROM repo_aliases o JOIN repos r ON r.id = o.repo_id WHERE o.type = ?1 AND o.owner = ?2 AND o.name = ?3";
  for (const std::string* sql : {&by_name, &by_alias}) {
    Rows rows = database.query(*sql, static_cast<int>(id.type), id.owner, id.name);
    if (rows.step()) return read_repo(rows);
  }
  return std::nullopt;
}

std::string HubImpl::role_in(Database& database, const User& user, const std::string& owner) {
  if (user.name == owner) return "admin";
  Rows rows = database.query("SELECT m.role FROM members m JOIN accounts a ON a.id = m.organisation_id WHERE m.user_id = ?1 AND a.name = ?2",
                             user.id, owner);
  return rows.step() ? rows.text(0) : std::string();
}

bool HubImpl::may_read(Database& database, const Caller& caller, const Repo& repo) {
  if (!repo.is_private) return true;
  if (!caller.user) return false;
  return caller.user->administrator || !role_in(database, *caller.user, repo.repo_id.owner).empty();
}

bool HubImpl::may_write(Database& database, const Caller& caller, const std::string& owner) {
  if (!caller.may_write()) return false;
  if (caller.administrator()) return true;
  const std::string role = role_in(database, *caller.user, owner);
  return role == "admin" || role == "write";
}

void HubImpl::require_owner_write(Database& database, const Caller& caller, const std::string& owner, std::string_view action) {
  if (!caller.user) throw Error(Code::unauthorized, "sign in to " + std::string(action));
  if (!caller.may_write()) throw Error(Code::forbidden, "this token may only read; use a write token to " + std::string(action));
  if (!may_write(database, caller, owner)) {
    throw Error(Code::forbidden, caller.user->name + " has no right to " + std::string(action) + " under the namespace \"" + owner + "\"");
  }
}

Repo HubImpl::get_repo(const Caller& caller, const RepoId& id) {
  const auto reader = store_->read();
  auto repo = find_repo(*reader, id);
  if (!repo || !may_read(*reader, caller, *repo)) throw repo_not_found();
  const std::lock_guard lock(counters_mutex_);
  if (const auto pending = downloads_.find(repo->id); pending != downloads_.end()) repo->downloads += pending->second;
  return *repo;
}

Repo HubImpl::get_for_write(const Caller& caller, const RepoId& id) {
  const auto reader = store_->read();
  auto repo = find_repo(*reader, id);
  if (!repo || !may_read(*reader, caller, *repo)) throw repo_not_found();
  require_owner_write(*reader, caller, repo->repo_id.owner, "change " + repo->repo_id.full_name());
  if (repo->disabled) throw Error(Code::forbidden, "Access to this resource is disabled.");
  return *repo;
}

void HubImpl::require_write(const Caller& caller, const RepoId& id) { get_for_write(caller, id); }

void HubImpl::require_content(const Caller& caller, const Repo& repo) {
  if (repo.gated.empty()) return;
  const std::string message = "Access to " + repo.repo_id.full_name() + " is restricted; ";
  if (!caller.user) throw Error(Code::unauthorized, message + "sign in and ask for access", "GatedRepo");
  if (repo.gated == "auto" || caller.user->administrator) return;
  const auto reader = store_->read();
  if (role_in(*reader, *caller.user, repo.repo_id.owner).empty()) {
    throw Error(Code::forbidden, message + "ask its owner " + repo.repo_id.owner + " for access", "GatedRepo");
  }
}

}  // namespace lyceum::hub
