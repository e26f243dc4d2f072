// Entries of a metadata dump: one JSON object a line, with the keys that the Hub's own listings have.
#include <algorithm>
#include <array>
#include <atomic>
#include <strings.h>
#include <unordered_map>

#include "base/error.h"
#include "base/random.h"
#include "hub/catalogue.h"
#include "hub/card.h"
#include "hub/names.h"
#include "hub/search/words.h"
#include "hub/store/store.h"

namespace lyceum::hub {
namespace {

constexpr size_t kLineMax = 1u << 20;
constexpr size_t kTagsMax = 500, kTagBytesMax = 300;
constexpr size_t kRefusedShown = 100;

// A line as its rows will have it. JSON is kept as text: the tree of a line lives only while the line is read.
struct Parsed {
  uint64_t line = 0;
  std::string owner, name, gated, sdk, pipeline_tag, library_name, words;
  int64_t created_ms = 0, modified_ms = 0, downloads = 0, downloads_all = 0, likes = 0, trending = 0;
  uint64_t parameters = 0, bytes = 0;
  std::vector<std::string> tags;
  std::string tags_json, card_json = "{}", details_json;
};

// "2024-05-06T07:08:09.000Z" or whole milliseconds since 1970.
int64_t parse_time(const json::object& object, std::string_view key, int64_t fallback) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return fallback;
  if (value->is_int64()) return value->as_int64();
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!value->is_string() || std::sscanf(value->as_string().c_str(), "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) < 3 || year < 1970 || year > 9999 ||
      month < 1 || month > 12) {
    throw Error(Code::invalid_argument, std::string(key) + " must be a time like 2024-05-06T07:08:09.000Z");
  }
  std::tm time{};
  time.tm_year = year - 1900;
  time.tm_mon = month - 1;
  time.tm_mday = day;
  time.tm_hour = hour;
  time.tm_min = minute;
  time.tm_sec = second;
  return static_cast<int64_t>(::timegm(&time)) * 1000;
}

int64_t count_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return 0;
  if (!value->is_number()) throw Error(Code::invalid_argument, std::string(key) + " must be a number");
  return std::max<int64_t>(0, static_cast<int64_t>(value->to_number<double>()));
}

std::string text_of(const json::object& object, std::string_view key, size_t bytes_max) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->as_string()).substr(0, bytes_max);
}

void read_id(const json::object& object, Parsed& out) {
  const std::string id = text_of(object, "id", 300);
  const size_t slash = id.find('/');
  if (slash == std::string::npos) throw Error(Code::invalid_argument, "id must be owner/name");
  out.owner = id.substr(0, slash);
  out.name = id.substr(slash + 1);
  check_repo_name(out.owner);
  check_repo_name(out.name);
}

void read_tags(const json::object& object, Parsed& out) {
  const auto add = [&](std::string_view tag) {
    if (tag.empty() || tag.size() > kTagBytesMax || out.tags.size() >= kTagsMax) return;
    if (std::find(out.tags.begin(), out.tags.end(), tag) == out.tags.end()) out.tags.emplace_back(tag);
  };
  if (const json::value* tags = object.if_contains("tags"); tags != nullptr && tags->is_array()) {
    for (const json::value& tag : tags->as_array()) {
      if (tag.is_string()) add(tag.as_string());
    }
  }
  add(out.library_name);
  add(out.pipeline_tag);
}

void read_details(const json::object& object, Parsed& out) {
  json::object details(object.storage());
  for (const char* key : {"safetensors", "gguf", "config", "transformersInfo", "usedStorage", "sha"}) {
    if (const json::value* value = object.if_contains(key); value != nullptr && !value->is_null()) details[key] = *value;
  }
  for (const char* key : {"safetensors", "gguf"}) {
    const json::value* facts = object.if_contains(key);
    if (facts != nullptr && facts->is_object() && out.parameters == 0) out.parameters = static_cast<uint64_t>(count_of(facts->as_object(), "total"));
  }
  if (out.parameters == 0) out.parameters = static_cast<uint64_t>(count_of(object, "num_parameters"));
  out.bytes = static_cast<uint64_t>(count_of(object, "usedStorage"));
  const json::value* siblings = object.if_contains("siblings");
  if (siblings != nullptr && siblings->is_array()) {
    json::array names(object.storage());
    for (const json::value& one : siblings->as_array()) {
      if (one.is_object() && names.size() < 2000) names.emplace_back(text_of(one.as_object(), "rfilename", 1000));
    }
    details["siblings"] = std::move(names);
  }
  out.details_json = json::serialize(details);
}

// As parse_json(), but all of a line's values lie in `memory`, which is let go at once: an import is mostly allocation otherwise.
json::value parse_in(json::monotonic_resource& memory, std::string_view line) {
  if (line.size() > kLineMax) throw Error(Code::too_large, "a line may have 1 MiB");
  json::parse_options options;
  options.max_depth = 64;
  json::error_code error;
  json::value value = json::parse(json::string_view(line.data(), line.size()), error, &memory, options);
  if (error) throw Error(Code::invalid_argument, "line: not valid JSON (" + error.message() + ")");
  return value;
}

Parsed parse_line(std::string_view line, int64_t now_ms) {
  std::array<unsigned char, 16384> first;
  json::monotonic_resource memory(first.data(), first.size());
  const json::value value = parse_in(memory, line);
  const json::object& object = get_object(value, "line");
  Parsed out;
  read_id(object, out);
  if (const auto hidden = find_bool(object, "private"); hidden && *hidden) throw Error(Code::invalid_argument, "a private repository has no place in a catalogue");
  out.created_ms = parse_time(object, "createdAt", now_ms);
  out.modified_ms = parse_time(object, "lastModified", out.created_ms);
  out.downloads = count_of(object, "downloads");
  out.downloads_all = std::max(out.downloads, count_of(object, "downloadsAllTime"));
  out.likes = count_of(object, "likes");
  out.trending = count_of(object, "trendingScore") * 1000;
  out.pipeline_tag = text_of(object, "pipeline_tag", 100);
  out.library_name = text_of(object, "library_name", 100);
  out.sdk = text_of(object, "sdk", 40);
  out.gated = text_of(object, "gated", 10);
  if (out.gated != "auto" && out.gated != "manual") out.gated.clear();
  out.words = search::card_words(text_of(object, "description", 4000));
  if (const json::value* card = object.if_contains("cardData"); card != nullptr && card->is_object()) out.card_json = json::serialize(*card);
  read_tags(object, out);
  out.tags_json = json::serialize(json::value_from(out.tags, &memory));
  read_details(object, out);
  return out;
}

// 24 hexadecimal digits in rising order, like the ids of the public hub: rows that come together lie together in the index.
std::string next_public_id(int64_t now_ms) {
  static const std::string process = to_hex(as_bytes(secure_bytes(5)));
  static std::atomic<uint32_t> number{0};
  char out[32];
  std::snprintf(out, sizeof out, "%08x%s%06x", static_cast<unsigned>(now_ms / 1000), process.c_str(), number++ & 0xffffffu);
  return out;
}

// Owners by name; one that has no account gets an organisation without members.
class Owners {
 public:
  Owners(Database& database, int64_t now_ms) : database_(database), now_ms_(now_ms) {}

  int64_t id_of(const std::string& name) {
    const auto known = ids_.find(name);
    if (known != ids_.end()) return known->second;
    Rows rows = database_.query("SELECT id FROM accounts WHERE name = ?1", name);
    int64_t id = 0;
    if (rows.step()) {
      id = rows.integer(0);
    } else {
      Rows added = database_.query("INSERT INTO accounts (name, is_organisation, full_name, created_ms) VALUES (?1, 1, '', ?2) RETURNING id", name, now_ms_);
      added.step();
      id = added.integer(0);
    }
    return ids_.emplace(name, id).first->second;
  }

 private:
  Database& database_;
  int64_t now_ms_;
  std::unordered_map<std::string, int64_t> ids_;
};

// nullopt: a real repository has the name.
std::optional<int64_t> write_entry(Database& database, Owners& owners, RepoType type, const Parsed& one, int64_t now_ms, bool& updated) {
  const int64_t owner = owners.id_of(one.owner);
  const std::string public_id = next_public_id(now_ms);
  Rows rows = database.query(
      "INSERT INTO repos (public_id, type, owner_id, owner, name, is_private, gated, sdk, head, created_ms, modified_ms, downloads, likes, card, tags, pipeline_tag, library_name) "
      "VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, '', ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) "
      "ON CONFLICT (type, owner, name) DO UPDATE SET gated = excluded.gated, sdk = excluded.sdk, created_ms = excluded.created_ms, modified_ms = excluded.modified_ms, "
      "downloads = excluded.downloads, likes = excluded.likes, card = excluded.card, tags = excluded.tags, pipeline_tag = excluded.pipeline_tag, "
      "library_name = excluded.library_name WHERE repos.head = '' RETURNING id, public_id",
      public_id, static_cast<int>(type), owner, one.owner, one.name, one.gated, one.sdk, one.created_ms, one.modified_ms, one.downloads, one.likes, one.card_json,
      one.tags_json, one.pipeline_tag, one.library_name);
  if (!rows.step()) return std::nullopt;
  updated = rows.text(1) != public_id;
  return rows.integer(0);
}

void write_facts(Database& database, int64_t id, const Parsed& one) {
  database.run("INSERT INTO catalogue (repo_id, parameters, bytes, downloads_all, trending, words, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
               "ON CONFLICT (repo_id) DO UPDATE SET parameters = excluded.parameters, bytes = excluded.bytes, downloads_all = excluded.downloads_all, trending = excluded.trending, "
               "words = excluded.words, details = excluded.details",
               id, one.parameters, one.bytes, one.downloads_all, one.trending, one.words, one.details_json);
}

void refuse(ImportReport& report, uint64_t line, std::string reason) {
  if (report.refused.size() < kRefusedShown) report.refused.push_back({line, std::move(reason)});
  ++report.refused_count;
}

search::Entry take_entry(int64_t id, int64_t owner_id, Parsed& one) {
  search::Entry out;
  out.id = id;
  out.owner_id = owner_id;
  out.owner = std::move(one.owner);
  out.name = std::move(one.name);
  out.gated = !one.gated.empty();
  out.created_ms = one.created_ms;
  const auto small = [](int64_t value) { return static_cast<uint32_t>(std::min<int64_t>(value, UINT32_MAX)); };
  out.metrics = {one.modified_ms, small(one.downloads), small(one.likes), small(one.likes), small(one.trending)};
  out.parameters = one.parameters;
  out.bytes = one.bytes;
  out.tags = std::move(one.tags);
  out.pipeline_tag = std::move(one.pipeline_tag);
  out.library_name = std::move(one.library_name);
  out.words = std::move(one.words);
  return out;
}

std::vector<Parsed> parse_lines(std::string_view lines, int64_t now_ms, ImportReport& report) {
  std::vector<Parsed> out;
  uint64_t number = 0;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    const std::string_view line = lines.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    try {
      out.push_back(parse_line(line, now_ms));
      out.back().line = number;
    } catch (const Error& error) {
      refuse(report, number, error.what());
    }
  }
  return out;
}

// In the order of the index over names, so that a batch touches each of its pages once; of one name the later line stays the later.
void sort_by_name(std::vector<Parsed>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Parsed& a, const Parsed& b) {
    const int owner = ::strcasecmp(a.owner.c_str(), b.owner.c_str());
    return owner != 0 ? owner < 0 : ::strcasecmp(a.name.c_str(), b.name.c_str()) < 0;
  });
}

}  // namespace

ImportReport Catalogue::import(RepoType type, std::string_view lines) {
  ImportReport report;
  const int64_t now = clock_.now_ms();
  std::vector<Parsed> parsed = parse_lines(lines, now, report);  // before the write lock is taken
  sort_by_name(parsed);
  struct Row {
    size_t at;
    int64_t id, owner_id;
  };
  std::vector<Row> rows;
  const std::lock_guard lock(refresh_mutex_);
  ImportReport written;
  store_.write([&](Database& database) {
    rows.clear();   // a transaction may run again
    written = report;
    Owners owners(database, now);
    for (size_t at = 0; at < parsed.size(); ++at) {
      const Parsed& one = parsed[at];
      bool updated = false;
      const auto id = write_entry(database, owners, type, one, now, updated);
      if (!id) {
        refuse(written, one.line, one.owner + "/" + one.name + " is a repository of this hub");
        continue;
      }
      write_facts(database, *id, one);
      ++(updated ? written.updated : written.added);
      rows.push_back({at, *id, owners.id_of(one.owner)});
    }
  });
  std::sort(written.refused.begin(), written.refused.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  std::vector<int64_t> ids;
  for (const Row& row : rows) {
    index_->put(type, take_entry(row.id, row.owner_id, parsed[row.at]));
    ids.push_back(row.id);
  }
  announce(ids);
  return written;
}

}  // namespace lyceum::hub
