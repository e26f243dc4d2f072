#include <sodium.h>

#include <array>
#include <chrono>
#include <semaphore>

#include "base/error.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr size_t kPasswordMin = 8;
constexpr size_t kPasswordMax = 1024;

// The passwords of eight and more characters that guessing starts with.
constexpr std::array<std::string_view, 40> kCommonPasswords{
    "123456789", "12345678",  "1234567890", "password",  "password1", "password123", "qwerty123",  "qwertyuiop", "iloveyou",  "11111111",
    "123123123", "abcd1234",  "1q2w3e4r",   "1qaz2wsx",  "1q2w3e4r5t", "princess",    "sunshine",   "football",   "baseball",  "superman",
    "trustno1",  "letmein1",  "welcome1",   "admin123",  "administrator", "changeme", "changeme123", "secret123", "passw0rd",  "p@ssw0rd",
    "00000000",  "88888888",  "987654321",  "123456780", "qwerty12",  "asdfghjkl",   "zxcvbnm123", "starwars",   "whatever",  "computer"};

User read_user(const Rows& rows) { return {rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.boolean(4)}; }

// Each hash takes 64 MiB and a core for some 0.1 s: two at once, the others wait, so that a flood of sign-ins cannot take the machine.
class HashSlot {
 public:
  HashSlot() {
    if (!slots_.try_acquire_for(std::chrono::seconds(10))) throw Error(Code::unavailable, "too many people are signing in at this moment; try again");
  }
  ~HashSlot() { slots_.release(); }
  HashSlot(const HashSlot&) = delete;
  HashSlot& operator=(const HashSlot&) = delete;

 private:
  static inline std::counting_semaphore<2> slots_{2};
};

void check_password(const std::string& name, const std::string& password) {
  if (password.size() < kPasswordMin || password.size() > kPasswordMax) {
    throw Error(Code::invalid_argument, "a password must have 8 to 1024 characters");
  }
  if (password == name || std::find(kCommonPasswords.begin(), kCommonPasswords.end(), password) != kCommonPasswords.end()) {
    throw Error(Code::invalid_argument, "this password is among the first that anybody would guess; choose another");
  }
}

// Argon2id with 64 MiB and two passes: above OWASP's floor of 19 MiB and two passes (ASVS 5.0, 11.4.2).
std::string hash_password(const std::string& password) {
  const HashSlot slot;
  char out[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str(out, password.data(), password.size(), crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
    throw Error(Code::unavailable, "not enough memory to hash a password; try again");
  }
  return out;
}

bool is_password(const std::string& hash, std::string_view password) {
  const HashSlot slot;
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

int64_t insert_account(Database& database, const std::string& name, bool organisation, const std::string& full_name, int64_t now_ms) {
  Rows rows = database.query("SELECT 1 FROM accounts WHERE name = ?1", name);
  if (rows.step()) throw Error(Code::conflict, "the name \"" + name + "\" is taken");
  return database.insert("INSERT INTO accounts (name, is_organisation, full_name, created_ms) VALUES (?1, ?2, ?3, ?4) RETURNING id", name, organisation,
                         full_name.empty() ? name : full_name, now_ms);
}

Account get_account_of_kind(Database& database, std::string_view name, bool organisation) {
  const auto account = find_account(database, name);
  if (!account || account->organisation != organisation) {
    throw Error(Code::not_found, (organisation ? "no organisation \"" : "no user \"") + std::string(name.substr(0, 96)) + "\"");
  }
  return *account;
}

// Admins manage members up to writers; owners, and the hub's administrator, everybody. Anyone may leave.
void check_member_change(Database& database, const Caller& caller, const Account& organisation, const Account& user, Role before, Role after) {
  if (!caller.lets(kWriteOrganisation, 0, organisation.id)) throw Error(Code::forbidden, "this token does not let you manage " + organisation.name + "; use a write token");
  if (caller.user->administrator || (after == Role::none && user.id == caller.user->id)) return;
  const Role own = role_in(database, *caller.user, organisation.id);
  if (own < Role::admin) throw Error(Code::forbidden, "only an admin or owner of " + organisation.name + " may change its members");
  if (own < Role::owner && (before >= Role::admin || after >= Role::admin)) {
    throw Error(Code::forbidden, "only an owner of " + organisation.name + " may make or unmake admins and owners");
  }
}

}  // namespace

std::optional<std::string> HubImpl::bootstrap_administrator(const std::string& name) {
  {
    const auto reader = store_->read();
    Rows rows = reader->query("SELECT 1 FROM accounts WHERE administrator = 1 LIMIT 1");
    if (rows.step()) return std::nullopt;
  }
  const User user = create_user(name, name, "", "", true, {});
  return create_token(user, "first start", Scope::write);
}

User HubImpl::create_user(const std::string& name, const std::string& full_name, const std::string& email, const std::string& password, bool administrator, const Caller& actor) {
  check_account_name(name);
  if (!password.empty()) check_password(name, password);
  const std::string hash = password.empty() ? std::string() : hash_password(password);  // empty: tokens only, no password
  transact([&](Database& database) {
    const int64_t id = insert_account(database, name, false, full_name, clock_.now_ms());
    database.run("UPDATE accounts SET email = ?2, password_hash = ?3, administrator = ?4 WHERE id = ?1", id, email, hash, administrator);
    audit_->record(database, actor, "user.create", name, {{"administrator", administrator}});
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
    [[maybe_unused]] const bool ignored = is_password(decoy, password);
    return std::nullopt;
  }
  if (!is_password(hash, password)) return std::nullopt;
  return find_user(name);
}

void HubImpl::set_password(const User& user, const std::string& password, const Caller& actor) {
  check_password(user.name, password);
  const std::string hash = hash_password(password);
  transact([&](Database& database) {
    database.run("UPDATE accounts SET password_hash = ?2 WHERE id = ?1", user.id, hash);
    database.run("DELETE FROM sessions WHERE user_id = ?1", user.id);
    audit_->record(database, actor, "user.password", user.name);
  });
}

void HubImpl::create_organisation(const Caller& caller, const std::string& name, const std::string& full_name) {
  if (!caller.user) throw Error(Code::unauthorized, "sign in to create an organisation");
  if (!caller.may_write()) throw Error(Code::forbidden, "this token may only read; use a write token");
  check_account_name(name);
  transact([&](Database& database) {
    const int64_t id = insert_account(database, name, true, full_name, clock_.now_ms());
    database.run("INSERT INTO members (organisation_id, user_id, role) VALUES (?1, ?2, 'owner')", id, caller.user->id);
    audit_->record(database, caller, "organisation.create", name);
  });
}

void HubImpl::set_member(const Caller& caller, const std::string& organisation, const std::string& user, const std::string& role) {
  const Role after = find_role(role).value_or(Role::none);
  if (!role.empty() && after == Role::none) throw Error(Code::invalid_argument, "a role is \"owner\", \"admin\", \"write\" or \"read\"");
  if (!caller.user) throw Error(Code::unauthorized, "sign in to manage an organisation");
  transact([&](Database& database) {
    const Account place = get_account_of_kind(database, organisation, true), member = get_account_of_kind(database, user, false);
    const Role before = role_in(database, User{.id = member.id, .name = {}, .full_name = {}, .email = {}}, place.id);
    check_member_change(database, caller, place, member, before, after);
    if (after == Role::none) {
      if (before == Role::none) throw Error(Code::not_found, member.name + " is no member of " + place.name);
      database.run("DELETE FROM members WHERE organisation_id = ?1 AND user_id = ?2", place.id, member.id);
    } else {
      database.run("INSERT INTO members (organisation_id, user_id, role) VALUES (?1, ?2, ?3) "
                   "ON CONFLICT (user_id, organisation_id) DO UPDATE SET role = excluded.role",
                   place.id, member.id, role);
    }
    Rows rows = database.query("SELECT count(*) FROM members WHERE organisation_id = ?1 AND role = 'owner'", place.id);
    rows.step();
    if (rows.integer(0) == 0) throw Error(Code::conflict, place.name + " needs at least one owner");
    audit_->record(database, caller, "organisation.member", place.name, {{"user", member.name}, {"before", name(before)}, {"after", name(after)}});
  });
}

std::vector<Membership> HubImpl::memberships(const User& user) {
  std::vector<Membership> out;
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT a.name, a.full_name, m.role, a.id FROM members m JOIN accounts a ON a.id = m.organisation_id "
                            "WHERE m.user_id = ?1 ORDER BY a.name", user.id);
  while (rows.step()) out.push_back({rows.text(0), rows.text(1), rows.text(2), rows.integer(3)});
  return out;
}

bool HubImpl::is_organisation(std::string_view name) {
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT 1 FROM accounts WHERE name = ?1 AND is_organisation = 1", name);
  return rows.step();
}

}  // namespace lyceum::hub
