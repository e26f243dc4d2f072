#include "base/error.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {
namespace {

// A query put together from fixed pieces; every value is bound, never spliced.
struct Condition {
  std::string sql;
  std::vector<std::string> values;

  std::string bind(std::string value) {
    values.push_back(std::move(value));
    return "?" + std::to_string(values.size());
  }
};

std::string like_pattern(const std::string& text) {
  std::string out = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "%";
}

std::string order_by(const std::string& sort) {
  for (const std::string_view column : {"modified_ms", "created_ms", "downloads", "likes"}) {
    if (sort == column) return "r." + sort + " DESC, r.id DESC";
  }
  if (sort == "id") return "r.owner ASC, r.name ASC, r.id ASC";
  throw Error(Code::invalid_argument, "cannot sort by \"" + sort.substr(0, 60) + "\"");
}

Condition make_condition(const Caller& caller, const RepoQuery& query) {
  constexpr size_t kTermsMax = 32;
  if (query.search.size() > kTermsMax || query.filter.size() > kTermsMax) throw Error(Code::invalid_argument, "a search may have 32 terms");
  Condition where;
  where.sql = "r.type = " + std::to_string(static_cast<int>(query.type)) + " AND r.disabled = 0";
  if (!caller.user) {
    where.sql += " AND r.is_private = 0";
  } else if (!caller.user->administrator) {
    const std::string user = std::to_string(caller.user->id);
    where.sql += " AND (r.is_private = 0 OR r.owner_id = " + user +
                 " OR r.owner_id IN (SELECT organisation_id FROM members WHERE user_id = " + user + "))";
  }
  for (const std::string& term : query.search) where.sql += " AND (r.owner || '/' || r.name) LIKE " + where.bind(like_pattern(term)) + " ESCAPE '\\'";
  for (const std::string& tag : query.filter) {
    std::string either = where.bind(tag);
    if (tag.starts_with("language:")) either += ", " + where.bind(tag.substr(9));  // models carry the bare code
    where.sql += " AND EXISTS (SELECT 1 FROM repo_tags t WHERE t.repo_id = r.id AND t.tag IN (" + either + "))";
  }
  if (!query.author.empty()) where.sql += " AND r.owner = " + where.bind(query.author);
  if (!query.pipeline_tag.empty()) where.sql += " AND r.pipeline_tag = " + where.bind(query.pipeline_tag);
  return where;
}

}  // namespace

std::vector<Repo> HubImpl::list_repos(const Caller& caller, const RepoQuery& query) {
  const Condition where = make_condition(caller, query);
  const std::string sql = "SELECT " + std::string(kRepoColumns) + " FROM repos r WHERE " + where.sql + " ORDER BY " + order_by(query.sort) +
                          " LIMIT " + std::to_string(std::min<size_t>(query.limit, 10'000)) + " OFFSET " +
                          std::to_string(std::min<size_t>(query.offset, 1'000'000'000));
  std::vector<Repo> out;
  const auto reader = store_->read();
  Rows rows = reader->query_list(sql, where.values);
  while (rows.step()) out.push_back(read_repo(rows));
  return out;
}

size_t HubImpl::count_repos(const Caller& caller, const RepoQuery& query) {
  const Condition where = make_condition(caller, query);
  const auto reader = store_->read();
  Rows rows = reader->query_list("SELECT count(*) FROM repos r WHERE " + where.sql, where.values);
  rows.step();
  return static_cast<size_t>(rows.integer(0));
}

}  // namespace lyceum::hub
