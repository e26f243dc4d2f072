// dialect.h: the portable SQL of this room in PostgreSQL's words. SQLite takes it as it is.
//
// Statements: `?` and ?N become $N; LIKE becomes ILIKE with the pattern COLLATE "C" (SQLite's LIKE ignores the case of ASCII letters, and
// PostgreSQL refuses LIKE under the collation that NOCASE columns have). Schema scripts, on top: INTEGER PRIMARY KEY becomes an identity
// column, INTEGER BIGINT, BLOB BYTEA, REAL DOUBLE PRECISION, TEXT gets the byte-wise collation "C" unless it says NOCASE, and STRICT and
// WITHOUT ROWID go. Strings, quoted names and comments are left alone.
// Rejected: two texts for every statement (they drift apart), an ORM (hides the statements that must be fast).
#pragma once

#include <string>
#include <string_view>

namespace lyceum::hub {

std::string translate_statement(std::string_view sql);
std::string translate_schema(std::string_view script);

}  // namespace lyceum::hub
