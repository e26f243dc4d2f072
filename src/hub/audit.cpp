#include "hub/audit.h"

#include "base/error.h"
#include "base/hash.h"

namespace lyceum::hub {
namespace {

// Length before each field, so that no two rows have the same text.
std::string row_text(const AuditEvent& event, const std::string& details) {
  std::string out;
  const auto add = [&out](std::string_view field) { out += std::to_string(field.size()) + ":" + std::string(field); };
  for (const int64_t number : {event.sequence, event.at_ms, event.user_id, event.token_id}) add(std::to_string(number));
  for (const std::string* text : {&event.user, &event.address, &event.action, &event.target}) add(*text);
  add(details);
  return out;
}

std::string chain_hash(const std::string& previous, const AuditEvent& event, const std::string& details) { return sha256_raw(previous + row_text(event, details)); }

constexpr std::string_view kColumns = "sequence, at_ms, user_id, token_id, user_name, address, action, target, details, hash";

AuditEvent read_event(const Rows& rows) {
  AuditEvent out{rows.integer(0), rows.integer(1), rows.integer(2), rows.integer(3), rows.text(4), rows.text(5), rows.text(6), rows.text(7), {}};
  out.details = get_object(parse_json(rows.text(8), "stored details"), "stored details");
  return out;
}

}  // namespace

void Audit::record(Database& database, const Caller& actor, std::string_view action, std::string_view target, const json::object& details) const {
  AuditEvent event;
  event.at_ms = clock_.now_ms();
  if (actor.user) {
    event.user_id = actor.user->id;
    event.user = actor.user->name;
  }
  if (actor.token) event.token_id = actor.token->id;
  event.address = actor.address;
  event.action = action;
  event.target = std::string(target.substr(0, 500));
  const std::string text = json::serialize(details);
  std::string previous;
  {
    // The row of audit_head is locked by this update until the transaction ends: writers take their turns on every store.
    Rows head = database.query("UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence, hash");
    LYCEUM_CHECK(head.step(), "the schema made the row");
    event.sequence = head.integer(0);
    previous = head.text(1);
    LYCEUM_CHECK(!head.step(), "one row");
  }
  const std::string hash = chain_hash(previous, event, text);
  database.run("INSERT INTO audit (sequence, at_ms, user_id, token_id, user_name, address, action, target, details, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               event.sequence, event.at_ms, event.user_id, event.token_id, event.user, event.address, event.action, event.target, text, Blob{hash});
  database.run("UPDATE audit_head SET hash = ? WHERE id = 1", Blob{hash});
}

void Audit::record_alone(const Caller& actor, std::string_view action, std::string_view target, const json::object& details) {
  store_.write([&](Database& database) { record(database, actor, action, target, details); });
}

std::vector<AuditEvent> Audit::list(const AuditQuery& query) {
  std::string sql = "SELECT " + std::string(kColumns) + " FROM audit WHERE sequence < " +
                    (query.before > 0 ? std::to_string(query.before) : std::string("9223372036854775807"));
  std::vector<std::string> values;
  const auto add = [&](std::string_view column, const std::string& value) {
    if (value.empty()) return;
    values.push_back(value);
    sql += " AND " + std::string(column) + " = ?" + std::to_string(values.size());
  };
  add("user_name", query.user);
  add("target", query.target);
  if (query.action.ends_with(".")) {
    values.push_back(query.action);
    sql += " AND substr(action, 1, " + std::to_string(query.action.size()) + ") = ?" + std::to_string(values.size());
  } else {
    add("action", query.action);
  }
  sql += " ORDER BY sequence DESC LIMIT " + std::to_string(std::min<size_t>(query.limit, 1000));
  std::vector<AuditEvent> out;
  const auto reader = store_.read();
  Rows rows = reader->query_list(sql, values);
  while (rows.step()) out.push_back(read_event(rows));
  return out;
}

std::optional<int64_t> Audit::find_break() {
  const auto reader = store_.read();
  int64_t expected = 1;
  std::string previous;
  {
    Rows rows = reader->query("SELECT " + std::string(kColumns) + " FROM audit ORDER BY sequence");
    for (; rows.step(); ++expected) {
      const AuditEvent event = read_event(rows);
      if (event.sequence != expected || rows.text(9) != chain_hash(previous, event, rows.text(8))) return expected;
      previous = rows.text(9);
    }
  }
  Rows head = reader->query("SELECT sequence, hash FROM audit_head WHERE id = 1");
  if (!head.step() || head.integer(0) + 1 < expected || (head.integer(0) + 1 == expected && head.text(1) != previous)) return expected;
  if (head.integer(0) >= expected) {
    // Rows written between the two statements are not a break: look again at what the head counts.
    Rows rows = reader->query("SELECT count(*) FROM audit WHERE sequence >= ?", expected);
    if (!rows.step() || rows.integer(0) != head.integer(0) - expected + 1) return expected;
  }
  return std::nullopt;
}

}  // namespace lyceum::hub
