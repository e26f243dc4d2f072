// schema.h: the tables, as a list of migrations. Never edit a released one; append.
#pragma once

#include "hub/store/database.h"

namespace lyceum::hub {

int schema_version();            // what this program writes
void migrate(Database& database);  // Error(unsupported) for a database of a newer program

}  // namespace lyceum::hub
