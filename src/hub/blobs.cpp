#include <algorithm>

#include "base/error.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {

std::string digest_bytes(std::string_view hex) {
  if (!is_hex(hex, 64)) throw Error(Code::invalid_argument, "a digest is 64 lower-case hexadecimal digits");
  return *find_from_hex(hex);
}

bool HubImpl::has_blob(std::string_view sha256) { return blobs_->has(sha256); }
uint64_t HubImpl::blob_size(std::string_view sha256) { return blobs_->get_size(sha256); }
std::filesystem::path HubImpl::blob_path(std::string_view sha256) { return blobs_->get_path(sha256); }
std::string HubImpl::blob_url(std::string_view sha256, const std::string& disposition, const std::string& type) {
  return blobs_->find_url(sha256, disposition, type);
}
std::unique_ptr<BlobWriter> HubImpl::write_blob() { return blobs_->write(); }

std::optional<int64_t> HubImpl::find_blob_id(Database& database, std::string_view sha256) {
  if (!is_hex(sha256, 64)) return std::nullopt;
  Rows rows = database.query("SELECT id FROM blobs WHERE sha256 = ?1", Blob{digest_bytes(sha256)});
  return rows.step() ? std::optional(rows.integer(0)) : std::nullopt;
}

int64_t HubImpl::ensure_blob_id(Database& database, std::string_view sha256) {
  if (const auto id = find_blob_id(database, sha256)) return *id;
  const uint64_t size = blobs_->has(sha256) ? blobs_->get_size(sha256) : 0;
  return database.insert("INSERT INTO blobs (sha256, size) VALUES (?1, ?2) RETURNING id", Blob{digest_bytes(sha256)}, size);
}

bool HubImpl::is_linked(Database& database, const Repo& repo, std::string_view sha256) {
  if (!is_hex(sha256, 64)) return false;
  Rows rows = database.query("SELECT 1 FROM blobs b JOIN repo_blobs l ON l.blob_id = b.id WHERE b.sha256 = ?1 AND l.repo_id = ?2",
                             Blob{digest_bytes(sha256)}, repo.id);
  return rows.step();
}

// Knowing a digest gives no right to the bytes. The repository must have received them, or the caller must be able to read them in
// another repository anyway (then a copy on the server saves the upload).
bool HubImpl::may_use_blob(Database& database, const Caller* caller, const Repo& repo, std::string_view sha256) {
  if (is_linked(database, repo, sha256)) return true;
  const auto id = caller != nullptr ? find_blob_id(database, sha256) : std::nullopt;
  if (!id) return false;
  static const std::string sql = "SELECT " + std::string(kRepoColumns) +
                                 " FROM repo_blobs l JOIN repos r ON r.id = l.repo_id WHERE l.blob_id = ?1 AND r.gated = '' AND r.disabled = 0 "
                                 "ORDER BY r.is_private LIMIT 100";
  std::vector<Repo> holders;
  Rows rows = database.query(sql, *id);
  while (rows.step()) holders.push_back(read_repo(rows));
  return std::any_of(holders.begin(), holders.end(), [&](const Repo& holder) { return may_read(database, *caller, holder); });
}

void HubImpl::link_in(Database& database, const Repo& repo, std::string_view sha256) {
  const int64_t id = ensure_blob_id(database, sha256);
  const int64_t linked = database.run("INSERT INTO repo_blobs (repo_id, blob_id, linked_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", repo.id, id, clock_.now_ms());
  if (linked > 0) quotas_->check(database, repo, 0);
}

void HubImpl::measure_blobs() {
  std::vector<std::string> unmeasured;
  {
    const auto reader = store_->read();
    Rows rows = reader->query("SELECT sha256 FROM blobs WHERE size = 0");
    while (rows.step()) unmeasured.push_back(to_hex(as_bytes(rows.text(0))));
  }
  if (unmeasured.empty()) return;
  transact([&](Database& database) {
    for (const std::string& sha256 : unmeasured) {
      if (blobs_->has(sha256)) database.run("UPDATE blobs SET size = ?2 WHERE sha256 = ?1", Blob{digest_bytes(sha256)}, blobs_->get_size(sha256));
    }
  });
}

void HubImpl::link_blob(const Repo& repo, std::string_view sha256) {
  if (!blobs_->keep(sha256)) throw Error(Code::not_found, "no large file with SHA-256 " + std::string(sha256.substr(0, 64)) + " is stored here");
  {
    const auto reader = store_->read();
    if (is_linked(*reader, repo, sha256)) return;
  }
  transact([&](Database& database) { link_in(database, repo, sha256); });
}

bool HubImpl::repo_has_blob(const Repo& repo, std::string_view sha256) {
  const auto reader = store_->read();
  return is_linked(*reader, repo, sha256) && blobs_->has(sha256);
}

}  // namespace lyceum::hub
