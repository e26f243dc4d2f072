#include "hub/downloads.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "base/log.h"
#include "base/random.h"
#include "hub/download_rules.h"
#include "hub/store/store.h"

namespace lyceum::hub {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kDatasetWindowMs = 5 * 60'000;
constexpr size_t kDatasetSeenMax = 100'000;
constexpr auto kFlushEvery = std::chrono::seconds(60);

constexpr std::string_view kWeightEndings[] = {".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".keras", ".msgpack", ".npz"};
constexpr std::string_view kAutomaticMarks[] = {"is_ci/true", "github-actions", "gitlab-ci", "jenkins", "buildkite", "circleci"};

uint64_t mix(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

uint64_t hash(uint64_t seed, std::string_view text) {
  uint64_t value = seed ^ 0xcbf29ce484222325ULL;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mix(value);
}

bool is_weight(std::string_view path) {
  return std::any_of(std::begin(kWeightEndings), std::end(kWeightEndings), [&](std::string_view ending) { return path.ends_with(ending); });
}

bool is_automatic(std::string_view user_agent) {
  return std::any_of(std::begin(kAutomaticMarks), std::end(kAutomaticMarks), [&](std::string_view mark) { return user_agent.find(mark) != std::string_view::npos; });
}

uint64_t random_salt() {
  const std::string bytes = secure_bytes(8);
  uint64_t out = 0;
  std::memcpy(&out, bytes.data(), 8);
  return out;
}

}  // namespace

void ClientEstimate::add(uint64_t value) {
  uint8_t& one = registers_[value & 0xff];
  one = std::max(one, static_cast<uint8_t>(std::countl_zero(value | 0xff) + 1));
}

void ClientEstimate::merge(std::string_view other) {
  if (other.size() != registers_.size()) return;
  for (size_t i = 0; i < registers_.size(); ++i) registers_[i] = std::max(registers_[i], static_cast<uint8_t>(other[i]));
}

uint64_t ClientEstimate::count() const {
  double sum = 0, empty = 0;
  for (const uint8_t one : registers_) {
    sum += std::ldexp(1.0, -one);
    empty += one == 0 ? 1 : 0;
  }
  constexpr double m = 256;
  const double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
  // Few things: counting empty registers is more exact (the paper's correction for small ranges).
  if (estimate <= 2.5 * m && empty > 0) return static_cast<uint64_t>(std::llround(m * std::log(m / empty)));
  return static_cast<uint64_t>(std::llround(estimate));
}

Downloads::Downloads(Store& store, const Clock& clock, Changed changed) : store_(store), clock_(clock), changed_(std::move(changed)), salt_(random_salt()) {}

Downloads::~Downloads() {
  {
    const std::lock_guard lock(stop_mutex_);
    stopping_ = true;
  }
  stop_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  try {
    flush();
  } catch (const std::exception& error) {
    log::warn("the last download counts were not written: {}", error.what());
  }
}

void Downloads::start() {
  thread_ = std::thread([this] {
    std::unique_lock lock(stop_mutex_);
    while (!stop_changed_.wait_for(lock, kFlushEvery, [this] { return stopping_; })) {
      lock.unlock();
      try {
        flush();
      } catch (const std::exception& error) {
        log::warn("download counts are written later: {}", error.what());
      }
      lock.lock();
    }
  });
}

// Under mutex_.
bool Downloads::counts(const Repo& repo, std::string_view path, uint64_t client, int64_t now_ms) {
  if (repo.repo_id.type == RepoType::model) return counts_as_download(repo.library_name, path);
  if (repo.repo_id.type != RepoType::dataset) return false;
  if (dataset_seen_.size() >= kDatasetSeenMax) {
    std::erase_if(dataset_seen_, [&](const auto& one) { return one.second <= now_ms; });
    if (dataset_seen_.size() >= kDatasetSeenMax) dataset_seen_.clear();
  }
  int64_t& until = dataset_seen_[mix(client ^ static_cast<uint64_t>(repo.id))];
  if (now_ms < until) return false;
  until = now_ms + kDatasetWindowMs;
  return true;
}

void Downloads::record(const Repo& repo, const Served& served) {
  const int64_t now = clock_.now_ms();
  const uint64_t address = hash(salt_, served.remote);
  const std::lock_guard lock(mutex_);
  Bucket& bucket = buckets_[{repo.id, now / kDayMs}];
  ++bucket.requests;
  if (counts(repo, served.path, address, now)) ++bucket.counted;
  if (is_automatic(served.user_agent)) ++bucket.automatic;
  if (is_weight(served.path)) bucket.weight_bytes += served.bytes;
  bucket.clients.add(hash(address, served.user_agent));
}

uint64_t Downloads::pending(int64_t repo_id) const {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (auto it = buckets_.lower_bound({repo_id, 0}); it != buckets_.end() && it->first.first == repo_id; ++it) total += it->second.counted;
  return total;
}

void Downloads::flush() {
  const std::lock_guard flushing(flush_mutex_);
  std::map<Key, Bucket> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(buckets_);
  }
  const int64_t today = clock_.now_ms() / kDayMs;
  std::set<int64_t> touched;
  for (const auto& [key, bucket] : taken) touched.insert(key.first);
  if (taken.empty() && today == rolled_day_) return;
  try {
    store_.write([&](Database& database) {
      write(database, taken);
      // A new day: windows move on for everything that had requests in them.
      if (today != rolled_day_) {
        Rows rows = database.query("SELECT DISTINCT repo_id FROM downloads_daily WHERE day >= ?1", today - 31);
        while (rows.step()) touched.insert(rows.integer(0));
      }
      for (const int64_t id : touched) roll_up(database, id, today);
    });
  } catch (...) {
    // Nothing was written: what was taken counts again at the next flush.
    const std::lock_guard lock(mutex_);
    for (auto& [key, bucket] : taken) {
      Bucket& mine = buckets_[key];
      mine.counted += bucket.counted;
      mine.requests += bucket.requests;
      mine.automatic += bucket.automatic;
      mine.weight_bytes += bucket.weight_bytes;
      mine.clients.merge(bucket.clients.bytes());
    }
    throw;
  }
  rolled_day_ = today;
  if (changed_) changed_({touched.begin(), touched.end()});
}

void Downloads::write(Database& database, const std::map<Key, Bucket>& buckets) {
  for (const auto& [key, bucket] : buckets) {
    Rows alive = database.query("SELECT 1 FROM repos WHERE id = ?1", key.first);
    if (!alive.step()) continue;
    ClientEstimate clients = bucket.clients;
    Rows known = database.query("SELECT clients FROM downloads_daily WHERE repo_id = ?1 AND day = ?2", key.first, key.second);
    if (known.step()) clients.merge(known.text(0));
    database.run("INSERT INTO downloads_daily (repo_id, day, counted, requests, automatic, weight_bytes, clients) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                 "ON CONFLICT (repo_id, day) DO UPDATE SET counted = downloads_daily.counted + excluded.counted, requests = downloads_daily.requests + excluded.requests, "
                 "automatic = downloads_daily.automatic + excluded.automatic, weight_bytes = downloads_daily.weight_bytes + excluded.weight_bytes, clients = excluded.clients",
                 key.first, key.second, bucket.counted, bucket.requests, bucket.automatic, bucket.weight_bytes, Blob{clients.bytes()});
    database.run("INSERT INTO catalogue (repo_id, downloads_all) VALUES (?1, ?2) ON CONFLICT (repo_id) DO UPDATE SET downloads_all = catalogue.downloads_all + excluded.downloads_all",
                 key.first, bucket.counted);
  }
}

// downloads: 30 days. trending: docs/trending.md.
void Downloads::roll_up(Database& database, int64_t repo_id, int64_t today) {
  constexpr int kWindowDays = 30, kTrendDays = 7;
  constexpr double kDecay = 0.75;
  int64_t downloads = 0;
  double trending = 0;
  Rows rows = database.query("SELECT day, counted, clients FROM downloads_daily WHERE repo_id = ?1 AND day > ?2", repo_id, today - kWindowDays);
  while (rows.step()) {
    downloads += rows.integer(1);
    const int64_t age = today - rows.integer(0);
    if (age < 0 || age >= kTrendDays) continue;
    ClientEstimate clients;
    clients.merge(rows.text(2));
    trending += std::pow(kDecay, static_cast<double>(age)) * std::sqrt(static_cast<double>(clients.count()));
  }
  database.run("UPDATE repos SET downloads = ?2 WHERE id = ?1", repo_id, downloads);
  database.run("UPDATE catalogue SET trending = ?2 WHERE repo_id = ?1", repo_id, static_cast<int64_t>(trending * 1000));
}

std::vector<DownloadDay> Downloads::series(const Repo& repo, int days) const {
  std::vector<DownloadDay> out;
  const auto reader = store_.read();
  Rows rows = reader->query("SELECT day, counted, requests, automatic, weight_bytes, clients FROM downloads_daily WHERE repo_id = ?1 AND day > ?2 ORDER BY day", repo.id,
                            clock_.now_ms() / kDayMs - days);
  while (rows.step()) {
    ClientEstimate clients;
    clients.merge(rows.text(5));
    out.push_back({rows.integer(0), static_cast<uint64_t>(rows.integer(1)), static_cast<uint64_t>(rows.integer(2)), static_cast<uint64_t>(rows.integer(3)),
                   static_cast<uint64_t>(rows.integer(4)), clients.count()});
  }
  return out;
}

}  // namespace lyceum::hub
