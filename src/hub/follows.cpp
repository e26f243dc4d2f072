#include "hub/follows.h"

#include "base/error.h"

namespace lyceum::hub {
namespace {

std::vector<Account> read_accounts(Rows& rows) {
  std::vector<Account> out;
  while (rows.step()) out.push_back({rows.integer(0), rows.text(1), rows.text(2), rows.boolean(3)});
  return out;
}

}  // namespace

void Follows::follow(const Caller& caller, const Account& whom) {
  if (whom.id == caller.user->id) throw Error(Code::invalid_argument, "nobody follows himself");
  store_.write([&](Database& database) {
    database.run("INSERT INTO follows (follower_id, followed_id, created_ms) VALUES (?, ?, ?) ON CONFLICT (follower_id, followed_id) DO NOTHING", caller.user->id,
                 whom.id, clock_.now_ms());
  });
}

void Follows::unfollow(const Caller& caller, const Account& whom) {
  store_.write([&](Database& database) { database.run("DELETE FROM follows WHERE follower_id = ? AND followed_id = ?", caller.user->id, whom.id); });
}

std::vector<Account> Follows::followers(const Account& whom, size_t offset, size_t limit) {
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT a.id, a.name, a.full_name, a.is_organisation FROM follows f JOIN accounts a ON a.id = f.follower_id WHERE f.followed_id = ? "
                            "ORDER BY f.created_ms DESC, a.id LIMIT ? OFFSET ?", whom.id, limit, offset);
  return read_accounts(rows);
}

std::vector<Account> Follows::following(const Account& who, size_t offset, size_t limit) {
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT a.id, a.name, a.full_name, a.is_organisation FROM follows f JOIN accounts a ON a.id = f.followed_id "
                            "WHERE f.follower_id = ? ORDER BY f.created_ms DESC, a.id LIMIT ? OFFSET ?", who.id, limit, offset);
  return read_accounts(rows);
}

Follows::Counts Follows::counts(const Caller& caller, const Account& account) {
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT (SELECT count(*) FROM follows WHERE followed_id = ?1), (SELECT count(*) FROM follows WHERE follower_id = ?1), "
                            "(SELECT count(*) FROM follows WHERE followed_id = ?1 AND follower_id = ?2)", account.id, caller.user ? caller.user->id : 0);
  rows.step();
  return {rows.integer(0), rows.integer(1), rows.boolean(2)};
}

std::optional<Account> Follows::find(std::string_view name) { return find_account(*store_.read(), name); }

}  // namespace lyceum::hub
