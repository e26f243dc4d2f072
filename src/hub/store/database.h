// database.h: one connection to the metadata store, whichever engine holds it: bound values, rows, errors translated.
//
// Thin on purpose (no SOCI, no ORM): every query is visible SQL beside its use. There is one SQL text for SQLite and PostgreSQL, in the
// portable subset that the room's README names; dialect.h translates what the engines spell differently.
// Errors: a full disk is Error(storage_full), a broken constraint Error(conflict), an unreachable or busy server Error(unavailable),
// text that is no valid UTF-8 may be Error(invalid_argument), anything else Error(internal).
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::hub {

struct Blob {  // bind this for a BLOB instead of TEXT
  std::string_view bytes;
};

// One bound value. Views must live until the statement has run: bind variables, not temporaries kept across statements.
struct Value {
  enum class Kind { null, integer, real, text, blob };
  Kind kind = Kind::null;
  int64_t integer = 0;  // times are in ms, truth values 0 or 1
  double real = 0;
  std::string_view text;  // text and blob

  Value() = default;
  Value(std::nullptr_t) {}
  template <std::integral Integer>
  Value(Integer value) : kind(Kind::integer), integer(static_cast<int64_t>(value)) {}
  Value(double value) : kind(Kind::real), real(value) {}
  Value(std::string_view value) : kind(Kind::text), text(value) {}
  Value(const std::string& value) : kind(Kind::text), text(value) {}
  Value(const char* value) : kind(Kind::text), text(value) {}
  Value(Blob value) : kind(Kind::blob), text(value.bytes) {}
  template <typename T>
  Value(const std::optional<T>& value) : Value(value ? Value(*value) : Value()) {}
};

// An engine's running statement.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool step() = 0;
  virtual int64_t get_integer(int column) const = 0;
  virtual double get_real(int column) const = 0;
  virtual std::string get_text(int column) const = 0;
  virtual bool is_null(int column) const = 0;
  virtual int64_t changes() const = 0;  // rows that the statement inserted, updated or deleted, once step() returned false
};

// `while (rows.step()) rows.text(0)`. Other statements may run on the same connection meanwhile. Ends before its connection does.
class Rows {
 public:
  explicit Rows(std::unique_ptr<Cursor> cursor) : cursor_(std::move(cursor)) {}
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  bool step() { return cursor_->step(); }
  int64_t integer(int column) const { return cursor_->get_integer(column); }
  bool boolean(int column) const { return integer(column) != 0; }
  double real(int column) const { return cursor_->get_real(column); }
  std::string text(int column) const { return cursor_->get_text(column); }  // TEXT or BLOB; "" for NULL
  bool is_null(int column) const { return cursor_->is_null(column); }

 private:
  friend class Database;
  std::unique_ptr<Cursor> cursor_;
};

enum class Engine { sqlite, postgresql };

// One thread at a time.
class Database {
 public:
  enum class Access { read_write, read_only };
  virtual ~Database() = default;

  virtual Engine engine() const noexcept = 0;  // for the few topics that need an engine's own index or function
  // Runs a script without parameters, in the engine's own words (not translated).
  virtual void execute(const std::string& script) = 0;
  // One statement; parameters are `?` in order, or ?1, ?2, … The first step() runs it on SQLite, query() itself on PostgreSQL.
  template <typename... Values>
  Rows query(std::string_view sql, const Values&... values) {
    const std::array<Value, sizeof...(Values)> bound{Value(values)...};
    return Rows(start(sql, bound, true));
  }
  template <typename... Values>
  int64_t run(std::string_view sql, const Values&... values) {  // returns the number of rows changed
    Rows rows = query(sql, values...);
    while (rows.step()) {
    }
    return rows.cursor_->changes();
  }
  // INSERT … RETURNING id: the id. Error(internal) if nothing came back.
  template <typename... Values>
  int64_t insert(std::string_view sql, const Values&... values) {
    Rows rows = query(sql, values...);
    return finish_insert(rows);
  }
  // Inserts rows, many with each statement: `head` up to VALUES, `columns` values for each row, row after row, `tail` after the last row.
  // A round trip and a plan for each row of a large table would cost more than the row.
  void insert_rows(std::string_view head, size_t columns, std::span<const Value> values, std::string_view tail);
  // For statements whose text is put together at run time (not cached): binds a list of strings.
  Rows query_list(std::string_view sql, const std::vector<std::string>& values);

  // Transactions are Store's business.
  virtual void begin() = 0;
  virtual void commit() = 0;
  virtual void rollback() noexcept = 0;
  virtual bool usable() const noexcept = 0;  // false: the connection broke, throw it away
  // What an integrity check of the engine finds; empty if it is sound.
  virtual std::vector<std::string> find_damage() = 0;

 protected:
  virtual std::unique_ptr<Cursor> start(std::string_view sql, std::span<const Value> values, bool cached) = 0;

 private:
  static int64_t finish_insert(Rows& rows);
};

// Tags of Error(unavailable) that Store acts on: the transaction may be run again; the connection broke before the commit was sent.
inline constexpr std::string_view kRetryTag = "TransactionConflict";
inline constexpr std::string_view kLostTag = "ConnectionLost";

}  // namespace lyceum::hub
