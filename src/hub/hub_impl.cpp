#include "hub/hub_impl.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"

namespace lyceum::hub {
namespace {

std::string load_or_make_key(const fs::path& path) {
  if (!fs::exists(path)) {
    write_file_durable(path, to_hex(as_bytes(secure_bytes(32))));
    if (::chmod(path.c_str(), 0600) != 0) throw_errno("protect", path);
  }
  const std::string key = read_file(path, 4096);
  if (!is_hex(key, 64)) throw Error(Code::internal, path.string() + " is damaged; restore it from a backup, or delete it to sign everybody's links anew");
  return key;
}

// What was being received is gone with its client. Complete xorbs (api/xet/staging.h) stay: their shard may come after a restart.
void clear_staging(const fs::path& folder) {
  make_folders_durable(folder);
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder)) left.push_back(entry.path());
  for (const fs::path& path : left) {
    if (path.filename() != "xorbs") fs::remove_all(path);
  }
}

HubOptions with_absolute_folder(HubOptions options) {
  options.data_folder = fs::absolute(options.data_folder);
  return options;
}

}  // namespace

std::string_view plural(RepoType type) {
  switch (type) {
    case RepoType::dataset: return "datasets";
    case RepoType::space: return "spaces";
    case RepoType::model: break;
  }
  return "models";
}

std::optional<RepoType> find_repo_type(std::string_view text) {
  if (text == "model" || text == "models") return RepoType::model;
  if (text == "dataset" || text == "datasets") return RepoType::dataset;
  if (text == "space" || text == "spaces") return RepoType::space;
  return std::nullopt;
}

std::unique_ptr<Hub> Hub::open(const HubOptions& options, const Clock& clock) { return std::make_unique<HubImpl>(options, clock); }

UniqueFd HubImpl::lock_folder(const fs::path& data) {
  make_folders_durable(data);
  UniqueFd fd = open_file(data / "lock", O_RDWR | O_CREAT, 0600);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    throw Error(Code::conflict, "another Lyceum server is using " + data.string() + "; stop it, or choose another data folder");
  }
  return fd;
}

HubImpl::HubImpl(const HubOptions& options, const Clock& clock)
    : options_(with_absolute_folder(options)), clock_(clock), lock_(lock_folder(options_.data_folder)) {
  if (sodium_init() < 0) throw Error(Code::internal, "libsodium could not start");
  const fs::path& data = options_.data_folder;
  clear_staging(data / "staging");
  for (const char* name : {"staging", "blobs", "repos", "logs", "keys"}) make_folders_durable(data / name);
  fs::permissions(data / "keys", fs::perms::owner_all);
  signing_key_ = load_or_make_key(data / "keys" / "signing.key");
  open_store();
  blobs_ = std::make_unique<DiskBlobStore>(data / "blobs", data / "staging");
  recover();
}

void HubImpl::open_store() {
  StoreOptions options = options_.store;
  if (options.target.empty()) options.target = options_.data_folder / "lyceum.db";
  store_ = std::make_unique<Store>(options);
  if (!is_postgresql(options.target)) fs::permissions(options.target, fs::perms::owner_read | fs::perms::owner_write);
}

HubImpl::~HubImpl() {
  try {
    flush_counters();
  } catch (const std::exception& error) {
    log::warn("closing the hub: {}", error.what());
  }
}

// Every transaction also clears the marks of ref files that have been written since. If this transaction fails, those marks stay
// set, which costs the next start a comparison and nothing else.
void HubImpl::transact(const std::function<void(Database&)>& change) {
  std::set<int64_t> done;
  {
    const std::lock_guard lock(refs_mutex_);
    done.swap(refs_done_);
  }
  store_->write([&](Database& database) {
    for (const int64_t id : done) database.run("UPDATE repos SET refs_pending = 0 WHERE id = ?1", id);
    change(database);
  });
}

json::value HubImpl::setting(std::string_view key) {
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT value FROM settings WHERE key = ?1", key);
  if (!rows.step()) return nullptr;
  return parse_json(rows.text(0), "stored setting");
}

void HubImpl::set_setting(std::string_view key, const json::value& value) {
  transact([&](Database& database) {
    if (value.is_null()) database.run("DELETE FROM settings WHERE key = ?1", key);
    else database.run("INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, json::serialize(value));
  });
}

}  // namespace lyceum::hub
