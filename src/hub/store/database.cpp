#include "hub/store/database.h"

#include "base/error.h"

namespace lyceum::hub {

Rows Database::query_list(std::string_view sql, const std::vector<std::string>& values) {
  std::vector<Value> bound;
  bound.reserve(values.size());
  for (const std::string& value : values) bound.emplace_back(value);
  return Rows(start(sql, bound, false));
}

int64_t Database::finish_insert(Rows& rows) {
  if (!rows.step()) throw Error(Code::internal, "an INSERT … RETURNING returned nothing");
  const int64_t id = rows.integer(0);
  while (rows.step()) {
  }
  return id;
}

}  // namespace lyceum::hub
