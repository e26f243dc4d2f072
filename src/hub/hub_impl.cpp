#include "hub/hub_impl.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "hub/blobs/disk_blob_store.h"
#include "hub/blobs/s3_blob_store.h"
#include "hub/model_facts.h"

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

// What was being received is gone with its client. Complete xorbs (api/xet/staging.h) stay, as their shard may come after a restart; so do the
// parts of LFS uploads (api/hub/lfs_parts.cpp), as long as their links are good: by the same age as garbage.h removes them at run time.
void drop_old_parts(const fs::path& folder) {
  std::error_code error;
  const auto oldest = fs::file_time_type::clock::now() - std::chrono::milliseconds(kStagingGraceMs);
  std::vector<fs::path> old;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->last_write_time(error) < oldest) old.push_back(it->path());
  }
  for (const fs::path& path : old) fs::remove_all(path, error);
}

void clear_staging(const fs::path& folder) {
  make_folders_durable(folder);
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder)) left.push_back(entry.path());
  for (const fs::path& path : left) {
    if (path.filename() != "xorbs" && path.filename() != "multipart") fs::remove_all(path);
  }
  drop_old_parts(folder / "multipart");
}

HubOptions completed(HubOptions options) {
  options.data_folder = fs::absolute(options.data_folder);
  options.shared_folder = options.shared_folder.empty() ? options.data_folder : fs::absolute(options.shared_folder);
  if (options.store.target.empty()) options.store.target = options.data_folder / "lyceum.db";
  if (options.shared_folder != options.data_folder && !is_postgresql(options.store.target)) {
    throw Error(Code::invalid_argument, "--shared, for several servers over one store, needs --database postgresql://…");
  }
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
    : options_(completed(options)),
      clock_(clock),
      lock_(lock_folder(options_.data_folder)),
      names_(options_.store),
      locks_(names_, is_shared() ? [this](int64_t repo_id) { take_over(repo_id); } : std::function<void(int64_t)>()) {
  if (sodium_init() < 0) throw Error(Code::internal, "libsodium could not start");
  const fs::path& data = options_.data_folder;
  clear_staging(data / "staging");
  const fs::path& shared = options_.shared_folder;
  make_folders_durable(data / "logs");
  for (const fs::path& folder : {git_staging(), shared / "repos", shared / "keys"}) make_folders_durable(folder);
  fs::permissions(shared / "keys", fs::perms::owner_all);
  {
    const auto starting = take_lock("open");  // several hubs may start together
    signing_key_ = load_or_make_key(shared / "keys" / "signing.key");
    open_store();
  }
  audit_ = std::make_unique<Audit>(*store_, clock_);
  tokens_ = std::make_unique<Tokens>(*store_, clock_, *audit_);
  sessions_ = std::make_unique<Sessions>(*store_, clock_, *audit_);
  organisations_ = std::make_unique<Organisations>(*store_, *audit_);
  follows_ = std::make_unique<Follows>(*store_, clock_);
  likes_ = std::make_unique<Likes>(*store_, clock_);
  collections_ = std::make_unique<Collections>(*store_, clock_);
  access_requests_ = std::make_unique<AccessRequests>(*store_, clock_, *audit_);
  device_logins_ = std::make_unique<DeviceLogins>(*store_, clock_, *audit_, *tokens_);
  oauth_apps_ = std::make_unique<OauthApps>(*store_, clock_, *audit_, *tokens_);
  open_blobs();
  discussions_ = std::make_unique<Discussions>(*this);
  history_ = std::make_unique<History>(*this);
  lfs_locks_ = std::make_unique<LfsLocks>(*this);
  quotas_ = std::make_unique<Quotas>(*this);
  webhooks_ = std::make_unique<Webhooks>(*this);
  jobs_ = std::make_unique<Jobs>(*this);
  measure_blobs();
  catalogue_ = std::make_unique<Catalogue>(*store_, clock_, [this](const Repo& repo) { return derive_facts(*this, repo); });
  downloads_ = std::make_unique<Downloads>(*store_, clock_, [this](const std::vector<int64_t>& ids) {
    catalogue_->refresh_metrics(ids);
    flush_counters();
  });
  recover();
  catalogue_->open();
  downloads_->start();
  if (is_shared()) mender_ = std::jthread([this](const std::stop_token& stop) { recover_now_and_then(stop); });
}

void HubImpl::open_blobs() {
  const fs::path& data = options_.data_folder;
  BlobGuard guard;
  if (is_shared() || !options_.s3.endpoint.empty()) guard = [this](std::string_view sha256) { return take_lock("blob " + std::string(sha256)); };
  if (!options_.s3.endpoint.empty()) {
    blobs_ = std::make_unique<S3BlobStore>(options_.s3, data / "blob-cache", data / "staging", std::move(guard));
  } else {
    blobs_ = std::make_unique<DiskBlobStore>(options_.shared_folder / "blobs", git_staging(), std::move(guard));
  }
}

fs::path HubImpl::git_staging() const { return options_.shared_folder / "staging" / (is_shared() ? "git" : ""); }

std::shared_ptr<void> HubImpl::take_lock(const std::string& name) {
  auto held = names_.try_lock(name, std::chrono::seconds(60));
  if (!held) throw Error(Code::unavailable, "another server is busy with the same (" + name + "); try again");
  return std::make_shared<NamedLocks::Held>(std::move(*held));
}

void HubImpl::open_store() {
  store_ = std::make_unique<Store>(options_.store);
  const std::string& target = options_.store.target;
  if (!is_postgresql(target)) fs::permissions(target, fs::perms::owner_read | fs::perms::owner_write);
}

HubImpl::~HubImpl() {
  mender_ = {};  // stops it
  downloads_.reset();
  catalogue_.reset();
  try {
    flush_counters();
  } catch (const std::exception& error) {
    log::warn("closing the hub: {}", error.what());
  }
}

// Kept in memory and written now and then: using a token must not cost an fsync.
void HubImpl::flush_counters() {
  const std::map<int64_t, int64_t> uses = tokens_->take_uses();
  if (!uses.empty()) transact([&](Database& database) { Tokens::write_uses(database, uses); });
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

// For whoever holds the hub itself: the first start, tests. Callers go through tokens().create(), which asks who they are.
std::string HubImpl::create_token(const User& user, const std::string& name, Scope scope) {
  std::string text;
  transact([&](Database& database) { text = tokens_->create_in(database, {}, user, {.name = name, .scope = scope}); });
  return text;
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
