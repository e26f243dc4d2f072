#include "hub/access.h"

#include "base/error.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {
namespace {

std::string type_name(RepoType type) {
  const std::string_view many = plural(type);
  return std::string(many.substr(0, many.size() - 1));
}

// "(3, 7)" of the grants that let `permission` through; "(0)" if there are none, which no row has.
std::string granted_ids(const Caller& caller, Permission permission, int64_t Grant::* id) {
  std::string out;
  for (const Grant& grant : caller.token->grants)
    if ((grant.permissions & permission) != 0 && grant.*id != 0) out += (out.empty() ? "(" : ", ") + std::to_string(grant.*id);
  return out.empty() ? "(0)" : out + ")";
}

// The words that @huggingface/hub, huggingface_hub and transformers show to people.
Error gated_refusal(Database& database, const Caller& caller, const Repo& repo) {
  const std::string what = type_name(repo.repo_id.type) + " " + repo.repo_id.full_name();
  if (!caller.user) {
    return {Code::unauthorized, "Access to " + what + " is restricted. You must have access to it and be authenticated to access it. Please log in.", "GatedRepo"};
  }
  Rows rows = database.query("SELECT status FROM access_requests WHERE repo_id = ? AND user_id = ?", repo.id, caller.user->id);
  const std::string status = rows.step() ? rows.text(0) : std::string();
  if (status == "pending") return {Code::forbidden, "Your request to access " + what + " is awaiting a review from the repo authors.", "GatedRepo"};
  if (status == "rejected") return {Code::forbidden, "Your request to access " + what + " has been rejected by the repo's authors.", "GatedRepo"};
  return {Code::forbidden, "Access to " + what + " is restricted and you are not in the authorized list. Ask for access on its page.", "GatedRepo"};
}

}  // namespace

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
  repo.owner_id = rows.integer(18);
  return repo;
}

std::optional<Account> find_account(Database& database, std::string_view name) {
  Rows rows = database.query("SELECT id, name, full_name, is_organisation FROM accounts WHERE name = ?", name);
  if (!rows.step()) return std::nullopt;
  return Account{rows.integer(0), rows.text(1), rows.text(2), rows.boolean(3)};
}

Account get_account(Database& database, std::string_view name) {
  auto account = find_account(database, name);
  if (!account) throw Error(Code::not_found, "no user or organisation \"" + std::string(name.substr(0, 96)) + "\"");
  return *account;
}

std::optional<Repo> find_repo(Database& database, const RepoId& id) {
  static const std::string by_name = "SELECT " + std::string(kRepoColumns) + " FROM repos r WHERE r.type = ?1 AND r.owner = ?2 AND r.name = ?3";
  static const std::string by_alias = "SELECT " + std::string(kRepoColumns) +
                                      " FROM repo_aliases o JOIN repos r ON r.id = o.repo_id WHERE o.type = ?1 AND o.owner = ?2 AND o.name = ?3";
  for (const std::string* sql : {&by_name, &by_alias}) {
    Rows rows = database.query(*sql, static_cast<int>(id.type), id.owner, id.name);
    if (rows.step()) return read_repo(rows);
  }
  return std::nullopt;
}

Role role_in(Database& database, const User& user, int64_t owner_id) {
  if (user.id == owner_id) return Role::owner;
  Rows rows = database.query("SELECT role FROM members WHERE user_id = ? AND organisation_id = ?", user.id, owner_id);
  return rows.step() ? find_role(rows.text(0)).value_or(Role::none) : Role::none;
}

Role role_in(Database& database, const User& user, std::string_view owner) {
  const auto account = find_account(database, owner);
  return account ? role_in(database, user, account->id) : Role::none;
}

bool may_read(Database& database, const Caller& caller, const Repo& repo) {
  if (!repo.is_private) return true;
  if (!caller.user || !caller.lets(kReadContent, repo.id, repo.owner_id)) return false;
  return caller.user->administrator || role_in(database, *caller.user, repo.owner_id) >= Role::read;
}

bool may_write(Database& database, const Caller& caller, const Repo& repo) {
  if (!caller.user || !caller.lets(kWriteRepo, repo.id, repo.owner_id)) return false;
  return caller.user->administrator || role_in(database, *caller.user, repo.owner_id) >= Role::write;
}

bool may_write_namespace(Database& database, const Caller& caller, const Account& owner, Permission permission) {
  if (!caller.user || !caller.lets(permission, 0, owner.id)) return false;
  return caller.user->administrator || role_in(database, *caller.user, owner.id) >= Role::write;
}

void require_namespace(Database& database, const Caller& caller, const Account& owner, Permission permission, std::string_view action) {
  if (!caller.user) throw Error(Code::unauthorized, "sign in to " + std::string(action));
  if (!caller.lets(permission, 0, owner.id)) {
    throw Error(Code::forbidden, "this token does not let you " + std::string(action) + " under the namespace \"" + owner.name +
                                     "\"; use a write token, or one whose grants name it");
  }
  if (!may_write_namespace(database, caller, owner, permission)) {
    throw Error(Code::forbidden, caller.user->name + " has no right to " + std::string(action) + " under the namespace \"" + owner.name + "\"");
  }
}

void require_repo_write(Database& database, const Caller& caller, const Repo& repo) {
  const std::string action = "change " + repo.repo_id.full_name();
  if (!caller.user) throw Error(Code::unauthorized, "sign in to " + action);
  if (!caller.lets(kWriteRepo, repo.id, repo.owner_id)) {
    throw Error(Code::forbidden, "this token does not let you " + action + "; use a write token, or one whose grants name it");
  }
  if (!may_write(database, caller, repo)) throw Error(Code::forbidden, caller.user->name + " has no right to " + action);
}

void require_content(Database& database, const Caller& caller, const Repo& repo) {
  if (repo.gated.empty()) return;
  if (caller.user) {
    const bool let = caller.lets(kReadContent, repo.id, repo.owner_id);
    if (let && (caller.user->administrator || role_in(database, *caller.user, repo.owner_id) >= Role::read)) return;
    if (let || caller.token->reads_gated) {
      Rows rows = database.query("SELECT 1 FROM access_requests WHERE repo_id = ? AND user_id = ? AND status = 'accepted'", repo.id, caller.user->id);
      if (rows.step()) return;
    }
  }
  throw gated_refusal(database, caller, repo);
}

std::string visible_repos(const Caller& caller) {
  if (!caller.user) return "r.is_private = 0";
  const std::string user = std::to_string(caller.user->id);
  std::string own = caller.user->administrator
                        ? std::string("1 = 1")
                        : "(r.owner_id = " + user + " OR r.owner_id IN (SELECT organisation_id FROM members WHERE user_id = " + user + "))";
  if (caller.sees_all()) return own;
  if (caller.fine_grained()) {
    own = "(" + own + " AND (r.id IN " + granted_ids(caller, kReadContent, &Grant::repo_id) + " OR r.owner_id IN " + granted_ids(caller, kReadContent, &Grant::owner_id) + "))";
  }
  return "(r.is_private = 0 OR " + own + ")";
}

Repo HubImpl::get_repo(const Caller& caller, const RepoId& id) {
  const auto reader = store_->read();
  auto repo = find_repo(*reader, id);
  if (!repo || !may_read(*reader, caller, *repo)) throw repo_not_found();
  repo->downloads += static_cast<int64_t>(downloads_->pending(repo->id));
  return *repo;
}

Repo HubImpl::get_for_write(const Caller& caller, const RepoId& id) {
  const auto reader = store_->read();
  auto repo = find_repo(*reader, id);
  if (!repo || !may_read(*reader, caller, *repo)) throw repo_not_found();
  require_repo_write(*reader, caller, *repo);
  if (repo->disabled) throw Error(Code::forbidden, "Access to this resource is disabled.");
  return *repo;
}

// Whoever opened a pull request may commit to it without any right on the repository; that is what it is for.
Repo HubImpl::get_for_commit(const Caller& caller, const RepoId& id, std::string_view ref) {
  if (!ref.starts_with("refs/pr/") || !caller.may_write()) return get_for_write(caller, id);
  const Repo repo = get_repo(caller, id);
  if (repo.disabled || !discussions_->is_open_of(*store_->read(), repo, ref, caller)) return get_for_write(caller, id);
  return repo;
}

void HubImpl::require_commit(const Caller& caller, const RepoId& id, std::string_view branch) { get_for_commit(caller, id, full_ref_name(branch)); }

void HubImpl::require_write(const Caller& caller, const RepoId& id) { get_for_write(caller, id); }

void HubImpl::require_content(const Caller& caller, const Repo& repo) {
  if (!repo.gated.empty()) hub::require_content(*store_->read(), caller, repo);
}

}  // namespace lyceum::hub
