// catalogue.h: what there is on the hub and how to find it: the search index over the repositories' rows, facts derived from their
// files, and entries imported from a metadata dump.
//
// An entry is a row without a git repository (its head is empty): it is listed, filtered and searched like any other, and its content
// routes answer that its files are not here. It becomes nothing else; delete it to use its name.
//
// Facts (parameter counts, configuration, file list) are derived once a commit, by a worker thread after the acknowledgement, and kept with the
// commit they are of.
//
// Several hub processes over one PostgreSQL each have their index: a change is announced in the table catalogue_changes, which each reads
// every two seconds. (A process that dies between a commit and its announcement leaves the others with the older row until its next change
// or their restart.) Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "hub/search/search.h"

namespace lyceum::hub {

class Store;
class Database;
class Rows;

struct RepoFacts {
  std::string head;                // the commit they are of; for an entry what the dump said, or ""
  uint64_t parameters = 0, bytes = 0;
  int64_t downloads_all = 0;
  int64_t trending = 0;            // thousandths
  json::object details;            // safetensors, gguf, config, siblings, usedStorage, …: as the protocol shows them
  std::vector<std::string> base_tags;  // "base_model:…" that files, not the card, tell of
  std::string words;               // of the card, for search
  bool runnable = false, adapter = false;
  bool current = false;            // of the repository's head (always so for an entry)
};

struct ImportReport {
  uint64_t added = 0, updated = 0;
  struct Refused { uint64_t line = 0; std::string reason; };
  std::vector<Refused> refused;    // the first 100
  uint64_t refused_count = 0;
};

class Catalogue {
 public:
  // derive: the facts of a repository's head; called on the worker thread.
  using Derive = std::function<RepoFacts(const Repo&)>;
  Catalogue(Store& store, const Clock& clock, Derive derive);
  ~Catalogue();                    // stops the worker

  // Reads all rows into the index and starts the worker. Once, before anything else.
  void open();
  // After a committed change of the repository's row: content, visibility, name, or its end.
  void refresh(int64_t repo_id);
  // After a committed change of counters alone.
  void refresh_metrics(const std::vector<int64_t>& repo_ids);
  void settle();                   // returns when the worker has derived everything it was told of; for tests

  struct Listing {
    std::vector<Repo> repos;
    std::string next;              // cursor of the next page, "" on the last
    std::optional<search::Summary> summary;  // if the query asks for facets
  };
  // The query's viewer is set from the caller.
  Listing list(const Caller& caller, search::Query query);
  uint64_t count(const Caller& caller, search::Query query);
  std::vector<search::Facet> tags(const Caller& caller, RepoType type, size_t values_max);
  uint64_t size(RepoType type) { return index_->size(type); }
  uint64_t memory_bytes() { return index_->memory_bytes(); }

  // What is known; counters always, the rest is of the head if `current`. details are read only if asked for.
  RepoFacts facts(const Repo& repo, bool with_details = true);
  // How many visible models name this one as base, by relation (adapter, finetune, merge, quantized); zeros are left out.
  std::vector<std::pair<std::string, uint64_t>> children(const Caller& caller, const RepoId& id);

  // Lines of JSON, one repository each (docs/catalogue-import.md), in one transaction. Administrators only: the caller's route checks.
  ImportReport import(RepoType type, std::string_view lines);

 private:
  search::Viewer viewer_of(const Caller& caller);
  static search::Viewer narrow(Database& database, const TokenInfo& token, const search::Viewer& user);
  std::vector<Repo> load_repos(const std::vector<int64_t>& ids);
  void load_all();
  void reload(int64_t repo_id);    // its row into the index
  void announce(const std::vector<int64_t>& repo_ids);   // to other processes
  void follow_others();
  void enqueue(int64_t repo_id);
  void work();
  void derive_one(int64_t repo_id);

  Store& store_;
  const Clock& clock_;
  const Derive derive_;
  const std::unique_ptr<search::Index> index_;
  std::mutex refresh_mutex_;       // so that an older state of a row never follows a newer one into the index

  std::mutex queue_mutex_;
  std::condition_variable queue_changed_;
  std::deque<int64_t> queue_;
  bool stopping_ = false, busy_ = false;
  int64_t followed_ms_ = 0;        // changes of other processes up to here are in the index
  std::set<int64_t> followed_;     // ids of the changes since then minus a margin: clocks and commits are not in step
  std::thread worker_;
};

}  // namespace lyceum::hub
