// store_options.h: where the metadata store is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lyceum::hub {

struct StoreOptions {
  std::string target;           // path of an SQLite file, or postgresql://user:password@host/database
  size_t connections_max = 24;  // PostgreSQL: readers of this process; half as many writers on top
  // For tests: runs every change, rolls it back and runs it again, as a conflict between two writers would.
  bool rehearse = false;
};

bool is_postgresql(std::string_view target);
std::string without_password(std::string_view target);  // for messages

}  // namespace lyceum::hub
