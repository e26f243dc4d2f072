#include "hub/store/database.h"

#include <algorithm>

#include "base/error.h"

namespace lyceum::hub {

Rows Database::query_list(std::string_view sql, const std::vector<std::string>& values) {
  std::vector<Value> bound;
  bound.reserve(values.size());
  for (const std::string& value : values) bound.emplace_back(value);
  return Rows(start(sql, bound, false));
}

void Database::insert_rows(std::string_view head, size_t columns, std::span<const Value> values, std::string_view tail) {
  constexpr size_t kRowsMax = 256;
  while (!values.empty()) {
    const size_t rows = std::min(kRowsMax, values.size() / columns);
    std::string sql(head);
    for (size_t i = 0; i < rows * columns; ++i) sql += i % columns > 0 ? ", ?" : i > 0 ? "), (?" : " (?";
    sql += ") ";
    sql += tail;
    const auto cursor = start(sql, values.first(rows * columns), rows == kRowsMax);
    while (cursor->step()) {
    }
    values = values.subspan(rows * columns);
  }
}

int64_t Database::finish_insert(Rows& rows) {
  if (!rows.step()) throw Error(Code::internal, "an INSERT … RETURNING returned nothing");
  const int64_t id = rows.integer(0);
  while (rows.step()) {
  }
  return id;
}

}  // namespace lyceum::hub
