#include "hub/catalogue.h"

#include <algorithm>
#include <future>
#include <malloc.h>

#include "base/error.h"
#include "base/log.h"
#include "hub/hub_impl.h"
#include "hub/store/store.h"

namespace lyceum::hub {
namespace {

constexpr std::string_view kEntryColumns =
    "r.id, r.type, r.owner_id, r.owner, r.name, r.is_private, r.disabled, r.gated, r.created_ms, r.modified_ms, r.downloads, r.likes, r.tags, r.pipeline_tag, r.library_name, "
    "r.head, c.facts_head, c.parameters, c.bytes, c.trending, c.runnable, c.words";

uint32_t counter(int64_t value) { return static_cast<uint32_t>(std::clamp<int64_t>(value, 0, UINT32_MAX)); }

// The stored form is what json::serialize() writes for a list of strings; a scan of it is several times faster than parsing, and all rows are
// read at every start. Anything with an escape goes through the parser.
std::vector<std::string> read_tags(const std::string& text) {
  std::vector<std::string> out;
  if (text.find('\\') != std::string::npos) {
    const json::value parsed = parse_json(text, "stored tags");
    for (const json::value& tag : parsed.as_array()) out.emplace_back(tag.as_string());
    return out;
  }
  for (size_t open = text.find('"'); open != std::string::npos;) {
    const size_t close = text.find('"', open + 1);
    if (close == std::string::npos) break;
    out.emplace_back(text, open + 1, close - open - 1);
    open = text.find('"', close + 1);
  }
  return out;
}

search::Metrics read_metrics(const Rows& rows, int modified, int downloads, int likes, int trending) {
  search::Metrics out;
  out.modified_ms = rows.integer(modified);
  out.downloads = counter(rows.integer(downloads));
  out.likes = counter(rows.integer(likes));
  out.likes_30d = out.likes;
  out.trending = counter(rows.integer(trending));
  return out;
}

search::Entry read_entry(const Rows& rows) {
  search::Entry out;
  out.id = rows.integer(0);
  out.owner_id = rows.integer(2);
  out.owner = rows.text(3);
  out.name = rows.text(4);
  out.is_private = rows.boolean(5);
  out.disabled = rows.boolean(6);
  out.gated = !rows.text(7).empty();
  out.created_ms = rows.integer(8);
  out.metrics = read_metrics(rows, 9, 10, 11, 19);
  out.tags = read_tags(rows.text(12));
  out.pipeline_tag = rows.text(13);
  out.library_name = rows.text(14);
  out.parameters = static_cast<uint64_t>(rows.integer(17));
  out.bytes = static_cast<uint64_t>(rows.integer(18));
  out.runnable = rows.boolean(20);
  out.words = rows.text(21);
  return out;
}

// Real repositories whose facts are not those of their head.
bool is_stale(const Rows& rows) { return !rows.text(15).empty() && rows.text(15) != rows.text(16); }

}  // namespace

Catalogue::Catalogue(Store& store, const Clock& clock, Derive derive)
    : store_(store), clock_(clock), derive_(std::move(derive)), index_(search::make_memory_index()) {}

Catalogue::~Catalogue() {
  {
    const std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  queue_changed_.notify_all();
  if (worker_.joinable()) worker_.join();
}

void Catalogue::open() {
  followed_ms_ = clock_.now_ms();
  load_all();
  index_->finish_load();
  ::malloc_trim(0);  // a tenth of the memory that a load needed is free again, in pieces
  worker_ = std::thread([this] { work(); });
}

// In steps, because a result may be held whole in memory; one step is read while the one before goes into the index.
void Catalogue::load_all() {
  constexpr size_t kStep = 20'000;
  static const std::string sql =
      "SELECT " + std::string(kEntryColumns) + " FROM repos r LEFT JOIN catalogue c ON c.repo_id = r.id WHERE r.id > ?1 ORDER BY r.id LIMIT " + std::to_string(kStep);
  using Step = std::vector<std::pair<RepoType, search::Entry>>;
  const auto reader = store_.read();
  const auto read_step = [&](int64_t last) {
    Step out;
    Rows rows = reader->query(sql, last);
    while (rows.step()) {
      out.emplace_back(static_cast<RepoType>(rows.integer(1)), read_entry(rows));
      if (is_stale(rows)) queue_.push_back(rows.integer(0));
    }
    return out;
  };
  Step step = read_step(0);
  while (!step.empty()) {
    auto next = std::async(std::launch::async, read_step, step.back().second.id);
    for (const auto& [type, entry] : step) index_->put(type, entry);
    step = next.get();
  }
}

void Catalogue::refresh(int64_t repo_id) {
  reload(repo_id);
  announce({repo_id});
}

void Catalogue::reload(int64_t repo_id) {
  static const std::string sql = "SELECT " + std::string(kEntryColumns) + " FROM repos r LEFT JOIN catalogue c ON c.repo_id = r.id WHERE r.id = ?1";
  bool stale = false;
  {
    const std::lock_guard lock(refresh_mutex_);
    const auto reader = store_.read();
    Rows rows = reader->query(sql, repo_id);
    if (!rows.step()) return index_->remove(repo_id);
    index_->put(static_cast<RepoType>(rows.integer(1)), read_entry(rows));
    stale = is_stale(rows);
  }
  if (stale) enqueue(repo_id);
}

void Catalogue::announce(const std::vector<int64_t>& repo_ids) {
  if (store_.engine() == Engine::sqlite) return;  // one process
  try {
    store_.write([&](Database& database) {
      for (const int64_t id : repo_ids) database.run("INSERT INTO catalogue_changes (repo_id, changed_ms) VALUES (?1, ?2)", id, clock_.now_ms());
    });
  } catch (const Error& error) {
    log::warn("other hub processes will see changes of {} repositories late: {}", repo_ids.size(), error.what());
  }
}

void Catalogue::follow_others() {
  constexpr int64_t kMarginMs = 30'000, kKeptMs = 3'600'000;
  const int64_t now = clock_.now_ms();
  std::vector<int64_t> changed;
  std::set<int64_t> seen;
  {
    const auto reader = store_.read();
    Rows rows = reader->query("SELECT id, repo_id FROM catalogue_changes WHERE changed_ms > ?1", followed_ms_ - kMarginMs);
    while (rows.step()) {
      seen.insert(rows.integer(0));
      if (!followed_.contains(rows.integer(0))) changed.push_back(rows.integer(1));
    }
  }
  for (const int64_t id : changed) reload(id);
  followed_.swap(seen);
  const bool new_hour = now / kKeptMs != followed_ms_ / kKeptMs;
  followed_ms_ = now;
  if (new_hour) store_.write([&](Database& database) { database.run("DELETE FROM catalogue_changes WHERE changed_ms < ?1", now - kKeptMs); });
}

void Catalogue::refresh_metrics(const std::vector<int64_t>& repo_ids) {
  {
    const std::lock_guard lock(refresh_mutex_);
    const auto reader = store_.read();
    for (const int64_t id : repo_ids) {
      Rows rows = reader->query("SELECT r.modified_ms, r.downloads, r.likes, c.trending FROM repos r LEFT JOIN catalogue c ON c.repo_id = r.id WHERE r.id = ?1", id);
      if (rows.step()) index_->set_metrics(id, read_metrics(rows, 0, 1, 2, 3));
    }
  }
  announce(repo_ids);
}

// --- the worker ---------------------------------------------------------------------------------------------------------------

void Catalogue::enqueue(int64_t repo_id) {
  {
    const std::lock_guard lock(queue_mutex_);
    if (std::find(queue_.begin(), queue_.end(), repo_id) == queue_.end()) queue_.push_back(repo_id);
  }
  queue_changed_.notify_all();
}

void Catalogue::work() {
  const bool alone = store_.engine() == Engine::sqlite;
  std::unique_lock lock(queue_mutex_);
  while (true) {
    const auto ready = [this] { return stopping_ || !queue_.empty(); };
    if (alone) queue_changed_.wait(lock, ready);
    else queue_changed_.wait_for(lock, std::chrono::seconds(2), ready);
    if (stopping_) return;
    std::optional<int64_t> id;
    if (!queue_.empty()) {
      id = queue_.front();
      queue_.pop_front();
    }
    busy_ = true;
    lock.unlock();
    try {
      if (id) derive_one(*id);
      else follow_others();
    } catch (const std::exception& error) {
      log::warn("keeping the catalogue of repositories: {}", error.what());
    }
    lock.lock();
    busy_ = false;
    if (queue_.empty()) queue_changed_.notify_all();
  }
}

void Catalogue::settle() {
  std::unique_lock lock(queue_mutex_);
  queue_changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void Catalogue::derive_one(int64_t repo_id) {
  const auto repos = load_repos({repo_id});
  if (repos.empty() || repos[0].head.empty()) return;
  const Repo& repo = repos[0];
  const RepoFacts facts = derive_(repo);
  bool current = false;
  store_.write([&](Database& database) {
    Rows head = database.query("SELECT tags FROM repos WHERE id = ?1 AND head = ?2", repo.id, repo.head);
    current = head.step();
    if (!current) return;  // a newer commit: it is in the queue
    database.run("INSERT INTO catalogue (repo_id, facts_head, parameters, bytes, runnable, adapter, words, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
                 "ON CONFLICT (repo_id) DO UPDATE SET facts_head = excluded.facts_head, parameters = excluded.parameters, bytes = excluded.bytes, "
                 "runnable = excluded.runnable, adapter = excluded.adapter, words = excluded.words, details = excluded.details",
                 repo.id, repo.head, facts.parameters, facts.bytes, facts.runnable, facts.adapter, facts.words, json::serialize(facts.details));
    if (facts.base_tags.empty()) return;
    json::array tags = json::value_from(repo.tags).as_array();
    for (const std::string& tag : facts.base_tags) tags.emplace_back(tag);
    database.run("UPDATE repos SET tags = ?2 WHERE id = ?1", repo.id, json::serialize(tags));
  });
  if (current) refresh(repo.id);
}

// --- finding ------------------------------------------------------------------------------------------------------------------

search::Viewer Catalogue::viewer_of(const Caller& caller) {
  search::Viewer out;
  if (!caller.user) return out;
  out.everything = caller.user->administrator;
  const auto reader = store_.read();
  if (!out.everything) {
    out.owners.push_back(caller.user->id);
    Rows rows = reader->query("SELECT organisation_id FROM members WHERE user_id = ?1", caller.user->id);
    while (rows.step()) out.owners.push_back(rows.integer(0));
    std::sort(out.owners.begin(), out.owners.end());
  }
  return caller.fine_grained() ? narrow(*reader, *caller.token, out) : out;
}

// A fine-grained token sees of its user's private repositories only those that its grants name.
search::Viewer Catalogue::narrow(Database& database, const TokenInfo& token, const search::Viewer& user) {
  const auto sees = [&user](int64_t owner) { return user.everything || std::binary_search(user.owners.begin(), user.owners.end(), owner); };
  search::Viewer out;
  for (const Grant& grant : token.grants) {
    if ((grant.permissions & kReadContent) == 0) continue;
    if (grant.repo_id == 0) {
      if (sees(grant.owner_id)) out.owners.push_back(grant.owner_id);
      continue;
    }
    Rows rows = database.query("SELECT owner_id FROM repos WHERE id = ?1", grant.repo_id);
    if (rows.step() && sees(rows.integer(0))) out.repos.push_back(grant.repo_id);
  }
  std::sort(out.owners.begin(), out.owners.end());
  std::sort(out.repos.begin(), out.repos.end());
  return out;
}

std::vector<Repo> Catalogue::load_repos(const std::vector<int64_t>& ids) {
  static const std::string sql = "SELECT " + std::string(kRepoColumns) + " FROM repos r WHERE r.id = ?1";
  std::vector<Repo> out;
  const auto reader = store_.read();
  for (const int64_t id : ids) {
    Rows rows = reader->query(sql, id);
    if (rows.step()) out.push_back(read_repo(rows));  // deleted since: left out
  }
  return out;
}

Catalogue::Listing Catalogue::list(const Caller& caller, search::Query query) {
  query.viewer = viewer_of(caller);
  search::Page page = index_->find(query);
  return {load_repos(page.ids), std::move(page.next), std::move(page.summary)};
}

uint64_t Catalogue::count(const Caller& caller, search::Query query) {
  query.viewer = viewer_of(caller);
  return index_->count(query);
}

std::vector<search::Facet> Catalogue::tags(const Caller& caller, RepoType type, size_t values_max) { return index_->tags(type, viewer_of(caller), values_max); }

std::vector<std::pair<std::string, uint64_t>> Catalogue::children(const Caller& caller, const RepoId& id) {
  std::vector<std::pair<std::string, uint64_t>> out;
  for (const char* relation : {"adapter", "finetune", "merge", "quantized"}) {
    search::Query query;
    query.tags = {"base_model:" + std::string(relation) + ":" + id.full_name()};
    if (const uint64_t count = this->count(caller, query)) out.emplace_back(relation, count);
  }
  return out;
}

RepoFacts Catalogue::facts(const Repo& repo, bool with_details) {
  const auto reader = store_.read();
  Rows rows = reader->query(with_details ? "SELECT facts_head, parameters, bytes, downloads_all, trending, runnable, adapter, details FROM catalogue WHERE repo_id = ?1"
                                         : "SELECT facts_head, parameters, bytes, downloads_all, trending, runnable, adapter FROM catalogue WHERE repo_id = ?1",
                            repo.id);
  RepoFacts out;
  if (!rows.step()) return out;
  out.head = rows.text(0);
  out.current = out.head == repo.head;
  out.parameters = static_cast<uint64_t>(rows.integer(1));
  out.bytes = static_cast<uint64_t>(rows.integer(2));
  out.downloads_all = rows.integer(3);
  out.trending = rows.integer(4);
  out.runnable = rows.boolean(5);
  out.adapter = rows.boolean(6);
  if (!with_details) return out;
  const json::value details = parse_json(rows.text(7), "stored facts");
  out.details = get_object(details, "stored facts");
  return out;
}

}  // namespace lyceum::hub
