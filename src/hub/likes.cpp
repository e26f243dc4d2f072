#include "hub/likes.h"

namespace lyceum::hub {

void Likes::like(const Caller& caller, const Repo& repo) { change(caller, repo, true); }
void Likes::unlike(const Caller& caller, const Repo& repo) { change(caller, repo, false); }

void Likes::change(const Caller& caller, const Repo& repo, bool like) {
  store_.write([&](Database& database) {
    if (like) {
      database.run("INSERT INTO likes (user_id, repo_id, created_ms) VALUES (?, ?, ?) ON CONFLICT (user_id, repo_id) DO NOTHING", caller.user->id, repo.id, clock_.now_ms());
    } else {
      database.run("DELETE FROM likes WHERE user_id = ? AND repo_id = ?", caller.user->id, repo.id);
    }
    database.run("UPDATE repos SET likes = (SELECT count(*) FROM likes l WHERE l.repo_id = repos.id) WHERE id = ?", repo.id);
  });
}

std::vector<Account> Likes::likers(const Repo& repo, size_t offset, size_t limit) {
  std::vector<Account> out;
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT a.id, a.name, a.full_name FROM likes l JOIN accounts a ON a.id = l.user_id WHERE l.repo_id = ? "
                            "ORDER BY l.created_ms DESC, a.id LIMIT ? OFFSET ?", repo.id, limit, offset);
  while (rows.step()) out.push_back({rows.integer(0), rows.text(1), rows.text(2), false});
  return out;
}

std::vector<Likes::Liked> Likes::liked_by(const Caller& caller, const Account& user, size_t offset, size_t limit) {
  std::vector<Liked> out;
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT r.type, r.owner, r.name, l.created_ms FROM likes l JOIN repos r ON r.id = l.repo_id WHERE l.user_id = ? AND r.disabled = 0 AND " +
                                visible_repos(caller) + " ORDER BY l.created_ms DESC, r.id LIMIT ? OFFSET ?", user.id, limit, offset);
  while (rows.step()) out.push_back({{static_cast<RepoType>(rows.integer(0)), rows.text(1), rows.text(2)}, rows.integer(3)});
  return out;
}

size_t Likes::count_liked_by(const Caller& caller, const Account& user) {
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT count(*) FROM likes l JOIN repos r ON r.id = l.repo_id WHERE l.user_id = ? AND r.disabled = 0 AND " + visible_repos(caller), user.id);
  rows.step();
  return static_cast<size_t>(rows.integer(0));
}

}  // namespace lyceum::hub
