#include <sodium.h>

#include "base/error.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr size_t kPasswordMin = 8;
constexpr size_t kPasswordMax = 1024;

User read_user(const Rows& rows) { return {rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.boolean(4)}; }

std::string hash_password(const std::string& password) {
  if (password.size() < kPasswordMin || password.size() > kPasswordMax) {
    throw Error(Code::invalid_argument, "a password must have 8 to 1024 characters");
  }
  char out[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str(out, password.data(), password.size(), crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
    throw Error(Code::unavailable, "not enough memory to hash a password; try again");
  }
  return out;
}

int64_t insert_account(Database& database, const std::string& name, bool organisation, const std::string& full_name, int64_t now_ms) {
  Rows rows = database.query("SELECT 1 FROM accounts WHERE name = ?1", name);
  if (rows.step()) throw Error(Code::conflict, "the name \"" + name + "\" is taken");
  return database.insert("INSERT INTO accounts (name, is_organisation, full_name, created_ms) VALUES (?1, ?2, ?3, ?4) RETURNING id", name, organisation,
                         full_name.empty() ? name : full_name, now_ms);
}

int64_t get_account(Database& database, std::string_view name, bool organisation) {
  Rows rows = database.query("SELECT id FROM accounts WHERE name = ?1 AND is_organisation = ?2", name, organisation);
  if (!rows.step()) throw Error(Code::not_found, (organisation ? "no organisation \"" : "no user \"") + std::string(name.substr(0, 96)) + "\"");
  return rows.integer(0);
}

}  // namespace

std::optional<std::string> HubImpl::bootstrap_administrator(const std::string& name) {
  {
    const auto reader = store_->read();
    Rows rows = reader->query("SELECT 1 FROM accounts WHERE administrator = 1 LIMIT 1");
    if (rows.step()) return std::nullopt;
  }
  const User user = create_user(name, name, "", "", true);
  return create_token(user, "first start", Scope::write);
}

User HubImpl::create_user(const std::string& name, const std::string& full_name, const std::string& email, const std::string& password, bool administrator) {
  check_account_name(name);
  const std::string hash = password.empty() ? std::string() : hash_password(password);  // empty: tokens only, no password
  transact([&](Database& database) {
    const int64_t id = insert_account(database, name, false, full_name, clock_.now_ms());
    database.run("UPDATE accounts SET email = ?2, password_hash = ?3, administrator = ?4 WHERE id = ?1", id, email, hash, administrator);
  });
  return *find_user(name);
}

std::optional<User> HubImpl::find_user(std::string_view name) {
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT id, name, full_name, email, administrator FROM accounts WHERE name = ?1 AND is_organisation = 0", name);
  if (!rows.step()) return std::nullopt;
  return read_user(rows);
}

std::optional<User> HubImpl::try_password(std::string_view name, std::string_view password) {
  if (password.size() > kPasswordMax) return std::nullopt;
  std::string hash;
  {
    const auto reader = store_->read();
    Rows rows = reader->query("SELECT password_hash FROM accounts WHERE name = ?1 AND is_organisation = 0", name);
    if (rows.step()) hash = rows.text(0);
  }
  if (hash.empty()) {
    // As slow as a wrong password, so that the time does not tell which names exist.
    static const std::string decoy = hash_password("not anybody's password");
    [[maybe_unused]] const int ignored = crypto_pwhash_str_verify(decoy.c_str(), password.data(), password.size());
    return std::nullopt;
  }
  if (crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) != 0) return std::nullopt;
  return find_user(name);
}

void HubImpl::set_password(const User& user, const std::string& password) {
  const std::string hash = hash_password(password);
  transact([&](Database& database) {
    database.run("UPDATE accounts SET password_hash = ?2 WHERE id = ?1", user.id, hash);
    database.run("DELETE FROM sessions WHERE user_id = ?1", user.id);
  });
}

void HubImpl::create_organisation(const Caller& caller, const std::string& name, const std::string& full_name) {
  if (!caller.user) throw Error(Code::unauthorized, "sign in to create an organisation");
  if (!caller.may_write()) throw Error(Code::forbidden, "this token may only read; use a write token");
  check_account_name(name);
  transact([&](Database& database) {
    const int64_t id = insert_account(database, name, true, full_name, clock_.now_ms());
    database.run("INSERT INTO members (organisation_id, user_id, role) VALUES (?1, ?2, 'admin')", id, caller.user->id);
  });
}

void HubImpl::set_member(const Caller& caller, const std::string& organisation, const std::string& user, const std::string& role) {
  if (!role.empty() && role != "admin" && role != "write" && role != "read") {
    throw Error(Code::invalid_argument, "a role is \"admin\", \"write\" or \"read\"");
  }
  if (!caller.user) throw Error(Code::unauthorized, "sign in to manage an organisation");
  transact([&](Database& database) {
    const int64_t organisation_id = get_account(database, organisation, true);
    if (!caller.administrator() && !(caller.may_write() && role_in(database, *caller.user, organisation) == "admin")) {
      throw Error(Code::forbidden, "only an admin of " + organisation + " may change its members");
    }
    const int64_t user_id = get_account(database, user, false);
    if (role.empty()) {
      database.run("DELETE FROM members WHERE organisation_id = ?1 AND user_id = ?2", organisation_id, user_id);
    } else {
      database.run("INSERT INTO members (organisation_id, user_id, role) VALUES (?1, ?2, ?3) "
                   "ON CONFLICT (user_id, organisation_id) DO UPDATE SET role = excluded.role",
                   organisation_id, user_id, role);
    }
    Rows rows = database.query("SELECT count(*) FROM members WHERE organisation_id = ?1 AND role = 'admin'", organisation_id);
    rows.step();
    if (rows.integer(0) == 0) throw Error(Code::conflict, organisation + " needs at least one admin");
  });
}

std::vector<Membership> HubImpl::memberships(const User& user) {
  std::vector<Membership> out;
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT a.name, a.full_name, m.role FROM members m JOIN accounts a ON a.id = m.organisation_id "
                            "WHERE m.user_id = ?1 ORDER BY a.name", user.id);
  while (rows.step()) out.push_back({rows.text(0), rows.text(1), rows.text(2)});
  return out;
}

bool HubImpl::is_organisation(std::string_view name) {
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT 1 FROM accounts WHERE name = ?1 AND is_organisation = 1", name);
  return rows.step();
}

}  // namespace lyceum::hub
