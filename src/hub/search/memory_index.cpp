#include <array>
#include <shared_mutex>

#include "hub/search/match.h"

namespace lyceum::hub::search {
namespace {

constexpr RepoType kTypes[] = {RepoType::model, RepoType::dataset, RepoType::space};

class MemoryIndex final : public Index {
  // The first reader after a change puts words and orders right, alone; then everybody reads together.
  template <typename Work>
  auto read(Work work) const {
    while (true) {
      {
        const std::shared_lock lock(mutex_);
        if (prepared_) return work();
      }
      const std::unique_lock lock(mutex_);
      for (const auto& shelf : shelves_) {
        if (shelf->needs_compaction()) shelf->compact();
        shelf->prepare();
      }
      prepared_ = true;
    }
  }

 public:
  void put(RepoType type, const Entry& entry) override {
    const std::unique_lock lock(mutex_);
    for (const auto& shelf : shelves_) {
      if (const auto row = shelf->find_row(entry.id)) shelf->kill(*row);
    }
    at(type).add(entry);
    prepared_ = false;
  }
  void set_metrics(int64_t id, const Metrics& metrics) override {
    const std::unique_lock lock(mutex_);
    for (const auto& shelf : shelves_) {
      if (const auto row = shelf->find_row(id)) shelf->set_metrics(*row, metrics);
    }
    prepared_ = false;
  }
  void remove(int64_t id) override {
    const std::unique_lock lock(mutex_);
    for (const auto& shelf : shelves_) {
      if (const auto row = shelf->find_row(id)) shelf->kill(*row);
    }
    prepared_ = false;
  }
  void finish_load() override {
    const std::unique_lock lock(mutex_);
    for (const auto& shelf : shelves_) shelf->prepare();
    prepared_ = true;
  }

  Page find(const Query& query) const override {
    return read([&] { return find_page(at(query.type), query); });
  }
  uint64_t count(const Query& query) const override {
    return read([&] { return count_rows(at(query.type), query); });
  }
  std::vector<Facet> tags(RepoType type, const Viewer& viewer, size_t values_max) const override {
    return read([&] { return list_tags(at(type), viewer, values_max); });
  }
  uint64_t size(RepoType type) const override {
    const std::shared_lock lock(mutex_);
    return at(type).alive();
  }
  uint64_t memory_bytes() const override {
    const std::shared_lock lock(mutex_);
    uint64_t total = 0;
    for (const auto& shelf : shelves_) total += shelf->memory_bytes();
    return total;
  }

 private:
  Shelf& at(RepoType type) const { return *shelves_[static_cast<size_t>(type)]; }

  mutable std::shared_mutex mutex_;
  mutable bool prepared_ = true;
  std::array<std::unique_ptr<Shelf>, 3> shelves_{std::make_unique<Shelf>(kTypes[0]), std::make_unique<Shelf>(kTypes[1]), std::make_unique<Shelf>(kTypes[2])};
};

}  // namespace

std::unique_ptr<Index> make_memory_index() { return std::make_unique<MemoryIndex>(); }

}  // namespace lyceum::hub::search
