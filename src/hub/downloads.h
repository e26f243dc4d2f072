// downloads.h: counting downloads: in memory on the request's path, written together once a minute by a thread of its own.
//
// Counted by the public hub's rule (download_rules.h; a dataset counts once per address and five minutes), and beside it what that rule
// cannot say: bytes of weights served, clients (estimated), the share of requests from automatic builds.
//
// A graceful stop loses nothing. A kill -9 or a power cut loses at most the last minute of counts; a day's number of clients is an estimate of
// about 6 %. Addresses are never stored: they enter a hash with a salt that lives in this process only.
//
// downloads = counted in the last 30 days, today included; downloads_all = ever. Days are UTC.
#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "hub/hub.h"

namespace lyceum::hub {

class Store;
class Database;

// How many different things were seen, in 256 bytes (HyperLogLog: Flajolet, Fusy, Gandouet, Meunier 2007). Two estimates of the same
// kind merge without counting anything twice.
class ClientEstimate {
 public:
  void add(uint64_t hash);
  void merge(std::string_view bytes);           // of another one; ignored unless 256 bytes
  uint64_t count() const;
  std::string_view bytes() const { return {reinterpret_cast<const char*>(registers_.data()), registers_.size()}; }

 private:
  std::array<uint8_t, 256> registers_{};
};

struct Served {
  std::string_view path, remote, user_agent;
  uint64_t bytes = 0;              // of content sent; 0 for HEAD
};

struct DownloadDay {
  int64_t day = 0;                 // since 1970-01-01, UTC
  uint64_t counted = 0, requests = 0, automatic = 0, weight_bytes = 0, clients = 0;
};

class Downloads {
 public:
  // changed: called after a flush with the repositories whose figures changed.
  using Changed = std::function<void(const std::vector<int64_t>&)>;
  Downloads(Store& store, const Clock& clock, Changed changed);
  ~Downloads();                    // flushes
  void start();                    // the thread that flushes

  void record(const Repo& repo, const Served& served);   // no disk; a lock and a few steps
  uint64_t pending(int64_t repo_id) const;                // counted and not flushed yet
  void flush();
  // Days with requests, oldest first, of the last `days`.
  std::vector<DownloadDay> series(const Repo& repo, int days) const;

 private:
  struct Bucket {
    uint64_t counted = 0, requests = 0, automatic = 0, weight_bytes = 0;
    ClientEstimate clients;
  };
  using Key = std::pair<int64_t, int64_t>;      // repository, day
  bool counts(const Repo& repo, std::string_view path, uint64_t client, int64_t now_ms);
  void write(Database& database, const std::map<Key, Bucket>& buckets);
  void roll_up(Database& database, int64_t repo_id, int64_t today);

  Store& store_;
  const Clock& clock_;
  const Changed changed_;
  const uint64_t salt_;

  mutable std::mutex mutex_;
  std::map<Key, Bucket> buckets_;
  std::unordered_map<uint64_t, int64_t> dataset_seen_;   // (address, dataset) -> when its five minutes end
  std::mutex flush_mutex_;
  int64_t rolled_day_ = 0;                               // the day for which windows were moved on

  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lyceum::hub
