#include "hub/access_requests.h"

#include "base/error.h"
#include "base/random.h"

namespace lyceum::hub {
namespace {

constexpr size_t kFieldsMax = 16 << 10;

std::string target_of(const Repo& repo) { return std::string(plural(repo.repo_id.type)) + "/" + repo.repo_id.full_name(); }

void require_gated(const Repo& repo) {
  if (repo.gated.empty()) throw Error(Code::invalid_argument, repo.repo_id.full_name() + " is not gated: there is nothing to ask for");
}

}  // namespace

std::string AccessRequests::ask(const Caller& caller, const Repo& repo, const json::object& fields) {
  require_gated(repo);
  const std::string text = json::serialize(fields);
  if (text.size() > kFieldsMax) throw Error(Code::too_large, "the answers to the form may have 16 KiB");
  std::string status;
  store_.write([&](Database& database) {
    {
      Rows rows = database.query("SELECT status FROM access_requests WHERE repo_id = ? AND user_id = ?", repo.id, caller.user->id);
      if (rows.step()) {
        status = rows.text(0);
        return;
      }
    }
    status = repo.gated == "auto" ? "accepted" : "pending";
    database.run("INSERT INTO access_requests (public_id, repo_id, user_id, status, fields, created_ms) VALUES (?, ?, ?, ?, ?, ?)",
                 to_hex(as_bytes(secure_bytes(12))), repo.id, caller.user->id, status, text, clock_.now_ms());
    audit_.record(database, caller, "access_request.ask", target_of(repo), {{"status", status}});
  });
  return status;
}

void AccessRequests::cancel(const Caller& caller, const Repo& repo) {
  store_.write([&](Database& database) {
    // A rejection is not the asker's to take back.
    if (database.run("DELETE FROM access_requests WHERE repo_id = ? AND user_id = ? AND status <> 'rejected'", repo.id, caller.user->id) == 0) {
      throw Error(Code::not_found, "you have no request for access to " + repo.repo_id.full_name());
    }
    audit_.record(database, caller, "access_request.cancel", target_of(repo));
  });
}

std::vector<AccessRequest> AccessRequests::list(const Repo& repo, std::string_view status, size_t offset, size_t limit) {
  std::vector<AccessRequest> out;
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT q.public_id, q.status, q.fields, q.granted, q.created_ms, a.id, a.name, a.full_name, a.email FROM access_requests q "
                            "JOIN accounts a ON a.id = q.user_id WHERE q.repo_id = ? AND (? = '' OR q.status = ?) ORDER BY q.id LIMIT ? OFFSET ?",
                            repo.id, status, status, limit, offset);
  while (rows.step()) {
    out.push_back({rows.text(0), {rows.integer(5), rows.text(6), rows.text(7), rows.text(8), false}, rows.text(1),
                   get_object(parse_json(rows.text(2), "stored fields"), "stored fields"), rows.boolean(3), rows.integer(4)});
  }
  return out;
}

void AccessRequests::decide(const Caller& caller, const Repo& repo, const Decision& decision) {
  require_gated(repo);
  if (decision.status != "pending" && decision.status != "accepted" && decision.status != "rejected") {
    throw Error(Code::invalid_argument, "status is \"pending\", \"accepted\" or \"rejected\"");
  }
  const int named = !decision.user.empty() + !decision.user_id.empty() + !decision.request_id.empty();
  if (named != 1) throw Error(Code::invalid_argument, "name the request by \"user\", \"userId\" or \"requestId\", one of them");
  store_.write([&](Database& database) {
    int64_t id = 0;
    std::string before, user;
    {
      Rows rows = database.query("SELECT q.id, q.status, a.name FROM access_requests q JOIN accounts a ON a.id = q.user_id WHERE q.repo_id = ? AND "
                                 "(a.name = ? OR CAST(a.id AS TEXT) = ? OR q.public_id = ?)", repo.id, decision.user, decision.user_id, decision.request_id);
      if (!rows.step()) throw Error(Code::not_found, "there is no such access request");
      id = rows.integer(0);
      before = rows.text(1);
      user = rows.text(2);
    }
    if (before == decision.status) throw Error(Code::not_found, "the access request of " + user + " is " + before + " already");
    database.run("UPDATE access_requests SET status = ?, reason = ? WHERE id = ?", decision.status, decision.reason.substr(0, 500), id);
    audit_.record(database, caller, "access_request." + decision.status, target_of(repo), {{"user", user}});
  });
}

void AccessRequests::grant(const Caller& caller, const Repo& repo, const std::string& user) {
  require_gated(repo);
  store_.write([&](Database& database) {
    const auto account = find_account(database, user);
    if (!account || account->organisation) throw Error(Code::not_found, "no user \"" + user.substr(0, 96) + "\"");
    const int64_t changed = database.run("INSERT INTO access_requests (public_id, repo_id, user_id, status, fields, granted, created_ms) VALUES (?, ?, ?, 'accepted', '{}', 1, ?) "
                                         "ON CONFLICT (repo_id, user_id) DO UPDATE SET status = 'accepted', granted = 1 WHERE access_requests.status <> 'accepted'",
                                         to_hex(as_bytes(secure_bytes(12))), repo.id, account->id, clock_.now_ms());
    if (changed == 0) throw Error(Code::invalid_argument, account->name + " has access to " + repo.repo_id.full_name() + " already");
    audit_.record(database, caller, "access_request.grant", target_of(repo), {{"user", account->name}});
  });
}

}  // namespace lyceum::hub
