// search.h: finding repositories: lists, filters, facets, words. One object, any thread; it holds no database.
//
// The index is derived data: built from the catalogue at start, told of every change after it is committed. It answers with the ids of
// repositories, in order; their rows are read by id. It keeps one shelf per repository type (docs/decisions, the search index).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub.h"

namespace lyceum::hub::search {

// What the index knows of a repository. Metrics change often and alone; anything else is a new entry for the same id.
struct Metrics {
  int64_t modified_ms = 0;
  uint32_t downloads = 0, likes = 0, likes_30d = 0;
  uint32_t trending = 0;           // thousandths
};
struct Entry {
  int64_t id = 0, owner_id = 0;
  std::string owner, name;
  bool is_private = false, disabled = false, gated = false;
  bool runnable = false;           // this hub's engine has files to run
  int64_t created_ms = 0;
  Metrics metrics;
  uint64_t parameters = 0, bytes = 0;  // 0: unknown
  std::vector<std::string> tags;
  std::string pipeline_tag, library_name;
  std::string words;               // of the card, separated by spaces
};

// Whose private repositories may be seen.
struct Viewer {
  bool everything = false;
  std::vector<int64_t> owners;     // ids, sorted
  std::vector<int64_t> repos;      // single ones besides, sorted
};

enum class Sort { modified, created, downloads, likes, likes_30d, trending, parameters, bytes, id, relevance };

struct Query {
  RepoType type = RepoType::model;
  Viewer viewer;
  std::string text;                       // words, the last perhaps unfinished, typing errors allowed
  std::vector<std::string> substrings;    // each somewhere in "owner/name"
  std::vector<std::string> tags;          // all of them; "language:en" also finds the bare "en"
  std::vector<std::vector<std::string>> tags_any;  // one of each list; an empty list matches nothing
  std::string author, pipeline_tag, library;
  std::optional<bool> gated, runnable;
  bool linked = false;                    // only what names a model or a dataset that it uses ("model:…", "dataset:…")
  uint64_t parameters_min = 0, parameters_max = UINT64_MAX;  // a bound leaves out those of unknown size
  Sort sort = Sort::trending;
  bool ascending = false;                 // id: Z to A
  size_t limit = 100, skip = 0;
  std::string cursor;                     // Page::next of the page before; Error(invalid_argument) if it is none
  size_t facet_values = 0;                // not 0: a summary of all that matches, with so many values of each facet at most
};

struct Facet {
  struct Value { std::string value; uint64_t count = 0; };
  std::string name;                       // task, library, license, language, format, size, base_model, …
  std::vector<Value> values;              // most frequent first
};
struct Summary {
  uint64_t total = 0;
  bool approximate = false;               // the facets' counts are scaled up from every n-th hit
  std::vector<Facet> facets;
};

struct Page {
  std::vector<int64_t> ids;
  std::string next;                       // empty: the last page
  std::optional<Summary> summary;         // if the query asks for facets
};

class Index {
 public:
  virtual ~Index() = default;
  virtual void put(RepoType type, const Entry& entry) = 0;             // new, or in place of what it knew
  virtual void set_metrics(int64_t id, const Metrics& metrics) = 0;    // ignored when unknown
  virtual void remove(int64_t id) = 0;
  // While many entries are put: sorting waits until the end.
  virtual void finish_load() = 0;

  virtual Page find(const Query& query) const = 0;
  virtual uint64_t count(const Query& query) const = 0;
  // Every tag in use that the viewer can see something of, with its count; at most values_max of each kind.
  virtual std::vector<Facet> tags(RepoType type, const Viewer& viewer, size_t values_max) const = 0;
  virtual uint64_t size(RepoType type) const = 0;
  virtual uint64_t memory_bytes() const = 0;
};

std::unique_ptr<Index> make_memory_index();

}  // namespace lyceum::hub::search
