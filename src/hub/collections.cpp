#include "hub/collections.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/random.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {
namespace {

constexpr size_t kTitleMax = 120, kDescriptionMax = 500, kNoteMax = 500, kItemsMax = 1000;
constexpr std::array<std::string_view, 6> kThemes{"orange", "blue", "green", "purple", "pink", "indigo"};

// The columns that read_collection() expects. Only a number is spliced in: the caller's id (0: nobody).
std::string select_for(const Caller& caller) {
  return "SELECT c.id, c.public_id, c.slug, c.title, c.description, c.theme, c.is_private, c.position, c.modified_ms, "
         "(SELECT count(*) FROM collection_upvotes u WHERE u.collection_id = c.id), "
         "(SELECT count(*) FROM collection_upvotes u WHERE u.collection_id = c.id AND u.user_id = " + std::to_string(caller.user ? caller.user->id : 0) + "), "
         "(SELECT count(*) FROM collection_items i WHERE i.collection_id = c.id), "
         "a.id, a.name, a.full_name, a.is_organisation FROM collections c JOIN accounts a ON a.id = c.owner_id ";
}

Collection read_collection(const Rows& rows) {
  Collection out;
  out.id = rows.integer(0);
  out.public_id = rows.text(1);
  out.slug = rows.text(2);
  out.title = rows.text(3);
  out.description = rows.text(4);
  out.theme = rows.text(5);
  out.is_private = rows.boolean(6);
  out.position = rows.integer(7);
  out.modified_ms = rows.integer(8);
  out.upvotes = rows.integer(9);
  out.upvoted = rows.boolean(10);
  out.items = rows.integer(11);
  out.owner = {rows.integer(12), rows.text(13), rows.text(14), rows.boolean(15)};
  return out;
}

// "The caller may see collection c"; only numbers are spliced in.
std::string visible_collections(const Caller& caller) {
  if (!caller.user) return "c.is_private = 0";
  if (caller.sees_all()) return "1 = 1";
  const std::string user = std::to_string(caller.user->id);
  std::string own = caller.user->administrator ? std::string("1 = 1")
                                               : "(c.owner_id = " + user + " OR c.owner_id IN (SELECT organisation_id FROM members WHERE user_id = " + user + "))";
  if (caller.fine_grained()) {
    std::string ids;
    for (const Grant& grant : caller.token->grants)
      if ((grant.permissions & kReadCollection) != 0 && grant.owner_id != 0) ids += ", " + std::to_string(grant.owner_id);
    own = "(" + own + " AND c.owner_id IN (0" + ids + "))";
  }
  return "(c.is_private = 0 OR " + own + ")";
}

std::string slug_of(std::string_view title) {
  std::string out;
  for (const char c : title) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 && static_cast<unsigned char>(c) < 0x80) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!out.empty() && out.back() != '-') out += '-';
  }
  out = out.substr(0, 60);
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "collection" : out;
}

void check_text(std::string_view what, const std::string& text, size_t size_max, bool required = false) {
  if (text.size() > size_max || (required && text.empty())) {
    throw Error(Code::invalid_argument, std::string(what) + " of a collection may have " + (required ? "1 to " : "") + std::to_string(size_max) + " characters");
  }
}

std::string like_pattern(const std::string& text) {
  std::string out = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') out += '\\';
    out += c;
  }
  return out + "%";
}

Error no_collection() { return {Code::not_found, "Collection not found"}; }
Error no_item() { return {Code::not_found, "the collection has no such item"}; }

// "models/owner/name" and the like, as the listing names items.
std::optional<RepoId> find_repo_id(std::string_view type, std::string_view id) {
  const auto repo_type = find_repo_type(type);
  const size_t slash = id.find('/');
  if (!repo_type || slash == std::string_view::npos) return std::nullopt;
  return RepoId{*repo_type, std::string(id.substr(0, slash)), std::string(id.substr(slash + 1))};
}

// Writes positions 0, 1, 2, … after moving one item.
void reorder(Database& database, int64_t collection, int64_t item, int64_t position) {
  std::vector<int64_t> ids;
  {
    Rows rows = database.query("SELECT id FROM collection_items WHERE collection_id = ? AND id <> ? ORDER BY position, id", collection, item);
    while (rows.step()) ids.push_back(rows.integer(0));
  }
  ids.insert(ids.begin() + std::clamp<int64_t>(position, 0, static_cast<int64_t>(ids.size())), item);
  for (size_t i = 0; i < ids.size(); ++i) database.run("UPDATE collection_items SET position = ? WHERE id = ?", i, ids[i]);
}

int64_t get_item(Database& database, int64_t collection, std::string_view item) {
  Rows rows = database.query("SELECT id FROM collection_items WHERE collection_id = ? AND public_id = ?", collection, item);
  if (!rows.step()) throw no_item();
  return rows.integer(0);
}

}  // namespace

Collection Collections::create(const Caller& caller, const std::string& owner, const std::string& title, const std::string& description, bool is_private) {
  check_text("the title", title, kTitleMax, true);
  check_text("the description", description, kDescriptionMax);
  const std::string public_id = to_hex(as_bytes(secure_bytes(12)));
  std::string name;
  store_.write([&](Database& database) {
    const Account account = get_account(database, owner);
    require_namespace(database, caller, account, kWriteCollection, "create a collection");
    const int64_t now = clock_.now_ms();
    int64_t position = 0;
    {
      Rows rows = database.query("SELECT count(*) FROM collections WHERE owner_id = ?", account.id);
      if (rows.step()) position = rows.integer(0);
    }
    database.run("INSERT INTO collections (public_id, owner_id, slug, title, description, theme, is_private, position, created_ms, modified_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 public_id, account.id, slug_of(title), title, description, kThemes[static_cast<size_t>(now / 1000) % kThemes.size()], is_private, position, now, now);
    name = account.name;
  });
  return get(caller, name, slug_of(title) + "-" + public_id);
}

std::optional<Collection> Collections::find_titled(const Caller& caller, const std::string& owner, const std::string& title) {
  const std::string sql = select_for(caller) + "WHERE a.name = ? AND c.title = ? AND " + visible_collections(caller);
  const auto reader = store_.read();
  Rows rows = reader->query(sql, owner, title);
  if (!rows.step()) return std::nullopt;
  return read_collection(rows);
}

std::optional<Collection> Collections::find(Database& database, const Caller& caller, std::string_view owner, std::string_view slug) {
  const size_t dash = slug.rfind('-');
  const std::string_view id = dash == std::string_view::npos ? slug : slug.substr(dash + 1);
  const bool by_id = is_hex(id, 24);
  const std::string sql = select_for(caller) + (by_id ? "WHERE a.name = ? AND c.public_id = ? AND " : "WHERE a.name = ? AND c.slug = ? AND ") + visible_collections(caller);
  Rows rows = database.query(sql, owner, by_id ? id : slug);
  if (!rows.step()) return std::nullopt;
  return read_collection(rows);
}

Collection Collections::get(const Caller& caller, std::string_view owner, std::string_view slug) {
  const auto reader = store_.read();
  auto out = find(*reader, caller, owner, slug);
  if (!out) throw no_collection();
  return *out;
}

std::vector<Collection> Collections::list(const Caller& caller, const CollectionQuery& query) {
  if (query.owners.size() > 100 || query.items.size() > 100) throw Error(Code::invalid_argument, "a search for collections may name 100 owners and 100 items");
  const auto reader = store_.read();
  std::string sql = select_for(caller) + "WHERE " + visible_collections(caller);
  std::vector<std::string> values;
  const auto bind = [&values](const std::string& value) {
    values.push_back(value);
    return "?" + std::to_string(values.size());
  };
  std::string owners, items;
  for (const std::string& owner : query.owners) owners += (owners.empty() ? "" : ", ") + bind(owner);
  if (!owners.empty()) sql += " AND a.name IN (" + owners + ")";
  for (const std::string& item : query.items) {
    const size_t slash = item.find('/');
    const std::string type = item.substr(0, slash), id = slash == std::string::npos ? "" : item.substr(slash + 1);
    std::optional<std::string> wanted;
    if (const auto repo_id = find_repo_id(type, id)) {
      const auto repo = find_repo(*reader, *repo_id);
      if (repo && may_read(*reader, caller, *repo)) wanted = "i.repo_id = " + std::to_string(repo->id);
    } else if (type == "collections" && id.find('/') != std::string::npos) {
      if (const auto target = find(*reader, caller, id.substr(0, id.find('/')), id.substr(id.find('/') + 1))) wanted = "i.target_id = " + std::to_string(target->id);
    }
    items += (items.empty() ? "" : " OR ") + wanted.value_or("1 = 0");
  }
  if (!items.empty()) sql += " AND EXISTS (SELECT 1 FROM collection_items i WHERE i.collection_id = c.id AND (" + items + "))";
  if (!query.text.empty()) {
    const std::string pattern = bind(like_pattern(query.text));
    sql += " AND (c.title LIKE " + pattern + " ESCAPE '\\' OR c.description LIKE " + pattern + " ESCAPE '\\')";
  }
  // There is no separate measure of trends here: upvotes, then the newest.
  sql += query.sort == "lastModified" ? " ORDER BY c.modified_ms DESC, c.id DESC" : " ORDER BY 10 DESC, c.modified_ms DESC, c.id DESC";
  sql += " LIMIT " + std::to_string(query.limit) + " OFFSET " + std::to_string(query.offset);
  std::vector<Collection> out;
  Rows rows = reader->query_list(sql, values);
  while (rows.step()) out.push_back(read_collection(rows));
  return out;
}

std::vector<CollectionItem> Collections::items(const Caller& caller, const Collection& collection, size_t limit) {
  std::vector<CollectionItem> out;
  const auto reader = store_.read();
  {
    const std::string sql = "SELECT " + std::string(kRepoColumns) + ", i.public_id, i.note, i.position FROM collection_items i JOIN repos r ON r.id = i.repo_id "
                            "WHERE i.collection_id = ? AND r.disabled = 0 AND " + visible_repos(caller) + " ORDER BY i.position LIMIT ?";
    constexpr int first = kRepoColumnCount;
    Rows rows = reader->query(sql, collection.id, limit);
    while (rows.step()) out.push_back({rows.text(first), rows.text(first + 1), rows.integer(first + 2), read_repo(rows), std::nullopt});
  }
  std::vector<std::tuple<std::string, std::string, int64_t, int64_t>> targets;
  {
    Rows rows = reader->query("SELECT public_id, note, position, target_id FROM collection_items WHERE collection_id = ? AND target_id IS NOT NULL ORDER BY position LIMIT ?",
                              collection.id, limit);
    while (rows.step()) targets.emplace_back(rows.text(0), rows.text(1), rows.integer(2), rows.integer(3));
  }
  const std::string sql = select_for(caller) + "WHERE c.id = ? AND " + visible_collections(caller);
  for (const auto& [public_id, note, position, target] : targets) {
    Rows rows = reader->query(sql, target);
    if (rows.step()) out.push_back({public_id, note, position, std::nullopt, read_collection(rows)});
  }
  std::sort(out.begin(), out.end(), [](const CollectionItem& a, const CollectionItem& b) { return a.position < b.position; });
  if (out.size() > limit) out.resize(limit);
  return out;
}

void Collections::change(const Caller& caller, const Collection& collection, const std::function<void(Database&)>& work) {
  store_.write([&](Database& database) {
    require_namespace(database, caller, collection.owner, kWriteCollection, "change a collection");
    work(database);
    if (database.run("UPDATE collections SET modified_ms = ? WHERE id = ?", clock_.now_ms(), collection.id) == 0) throw no_collection();
  });
}

void Collections::update(const Caller& caller, const Collection& collection, const CollectionChange& wanted) {
  if (wanted.title) check_text("the title", *wanted.title, kTitleMax, true);
  if (wanted.description) check_text("the description", *wanted.description, kDescriptionMax);
  if (wanted.theme && std::find(kThemes.begin(), kThemes.end(), *wanted.theme) == kThemes.end()) {
    throw Error(Code::invalid_argument, "a theme is orange, blue, green, purple, pink or indigo");
  }
  change(caller, collection, [&](Database& database) {
    if (wanted.title) database.run("UPDATE collections SET title = ?, slug = ? WHERE id = ?", *wanted.title, slug_of(*wanted.title), collection.id);
    if (wanted.description) database.run("UPDATE collections SET description = ? WHERE id = ?", *wanted.description, collection.id);
    if (wanted.theme) database.run("UPDATE collections SET theme = ? WHERE id = ?", *wanted.theme, collection.id);
    if (wanted.is_private) database.run("UPDATE collections SET is_private = ? WHERE id = ?", *wanted.is_private, collection.id);
    if (wanted.position) database.run("UPDATE collections SET position = ? WHERE id = ?", *wanted.position, collection.id);
  });
}

void Collections::remove(const Caller& caller, const Collection& collection) {
  store_.write([&](Database& database) {
    require_namespace(database, caller, collection.owner, kWriteCollection, "delete a collection");
    if (database.run("DELETE FROM collections WHERE id = ?", collection.id) == 0) throw no_collection();
  });
}

void Collections::add_item(const Caller& caller, const Collection& collection, const std::string& type, const std::string& id, const std::string& note) {
  check_text("a note", note, kNoteMax);
  change(caller, collection, [&](Database& database) {
    int64_t repo_id = 0, target_id = 0;
    if (type == "collection") {
      const size_t slash = id.find('/');
      const auto target = slash == std::string::npos ? std::nullopt : find(database, caller, id.substr(0, slash), id.substr(slash + 1));
      if (!target) throw no_collection();
      if (target->id == collection.id) throw Error(Code::invalid_argument, "a collection cannot hold itself");
      target_id = target->id;
    } else {
      const auto wanted = find_repo_id(type, id);
      if (!wanted) throw Error(Code::invalid_argument, "an item is a model, dataset, space or collection, named owner/name");
      const auto repo = find_repo(database, *wanted);
      if (!repo || !may_read(database, caller, *repo)) throw repo_not_found();
      repo_id = repo->id;
    }
    int64_t position = 0;
    {
      Rows rows = database.query("SELECT count(*) FROM collection_items WHERE collection_id = ?", collection.id);
      rows.step();
      position = rows.integer(0);
    }
    if (position >= static_cast<int64_t>(kItemsMax)) throw Error(Code::invalid_argument, "a collection may have 1000 items");
    const std::string column = repo_id != 0 ? "repo_id" : "target_id";
    const int64_t added = database.run("INSERT INTO collection_items (public_id, collection_id, " + column + ", note, position) VALUES (?, ?, ?, ?, ?) ON CONFLICT (collection_id, " +
                                           column + ") DO NOTHING", to_hex(as_bytes(secure_bytes(12))), collection.id, repo_id != 0 ? repo_id : target_id, note, position);
    if (added == 0) throw Error(Code::conflict, id + " is in the collection already");
  });
}

void Collections::update_item(const Caller& caller, const Collection& collection, std::string_view item, std::optional<std::string> note, std::optional<int64_t> position) {
  if (note) check_text("a note", *note, kNoteMax);
  change(caller, collection, [&](Database& database) {
    const int64_t id = get_item(database, collection.id, item);
    if (note) database.run("UPDATE collection_items SET note = ? WHERE id = ?", *note, id);
    if (position) reorder(database, collection.id, id, *position);
  });
}

void Collections::remove_item(const Caller& caller, const Collection& collection, std::string_view item) {
  change(caller, collection, [&](Database& database) {
    if (database.run("DELETE FROM collection_items WHERE collection_id = ? AND public_id = ?", collection.id, item) == 0) throw no_item();
  });
}

void Collections::upvote(const Caller& caller, const Collection& collection, bool up) {
  store_.write([&](Database& database) {
    if (up) database.run("INSERT INTO collection_upvotes (collection_id, user_id) VALUES (?, ?) ON CONFLICT (collection_id, user_id) DO NOTHING", collection.id, caller.user->id);
    else database.run("DELETE FROM collection_upvotes WHERE collection_id = ? AND user_id = ?", collection.id, caller.user->id);
  });
}

}  // namespace lyceum::hub
