#include "hub/organisations.h"

#include "base/error.h"

namespace lyceum::hub {

std::optional<Account> Organisations::find(std::string_view name) {
  const auto reader = store_.read();
  auto account = find_account(*reader, name);
  return account && account->organisation ? account : std::nullopt;
}

std::vector<Member> Organisations::members(const Account& organisation, size_t offset, size_t limit) {
  std::vector<Member> out;
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT a.id, a.name, a.full_name, m.role FROM members m JOIN accounts a ON a.id = m.user_id WHERE m.organisation_id = ? "
                            "ORDER BY a.name LIMIT ? OFFSET ?", organisation.id, limit, offset);
  while (rows.step()) out.push_back({{rows.integer(0), rows.text(1), rows.text(2), {}, false}, find_role(rows.text(3)).value_or(Role::none)});
  return out;
}

size_t Organisations::count_members(const Account& organisation) {
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT count(*) FROM members WHERE organisation_id = ?", organisation.id);
  rows.step();
  return static_cast<size_t>(rows.integer(0));
}

Role Organisations::role_of(const Caller& caller, const Account& organisation) {
  if (!caller.user || !caller.lets(kReadOrganisation, 0, organisation.id)) return Role::none;
  return role_in(*store_.read(), *caller.user, organisation.id);
}

void Organisations::remove(const Caller& caller, std::string_view name) {
  if (!caller.user) throw Error(Code::unauthorized, "sign in to remove an organisation");
  store_.write([&](Database& database) {
    const auto account = find_account(database, name);
    if (!account || !account->organisation) throw Error(Code::not_found, "no organisation \"" + std::string(name.substr(0, 96)) + "\"");
    const bool owner = caller.may_write() && (caller.administrator() || role_in(database, *caller.user, account->id) == Role::owner);
    if (!owner) throw Error(Code::forbidden, "only an owner of " + account->name + " may remove it, with a write token");
    {
      Rows rows = database.query("SELECT 1 FROM repos WHERE owner_id = ? LIMIT 1", account->id);
      if (rows.step()) throw Error(Code::conflict, account->name + " still owns repositories; delete or move them first");
    }
    database.run("DELETE FROM accounts WHERE id = ?", account->id);
    audit_.record(database, caller, "organisation.delete", account->name);
  });
}

}  // namespace lyceum::hub
