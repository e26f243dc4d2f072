#include "hub/quotas.h"

#include "base/error.h"
#include "base/progress.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {
namespace {

std::string setting_key(const std::string& owner) { return "quota/namespace/" + owner; }

uint64_t used_by_repo(Database& database, const Repo& repo) {
  Rows rows = database.query("SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM repo_blobs l JOIN blobs b ON b.id = l.blob_id WHERE l.repo_id = ?1", repo.id);
  return rows.step() ? static_cast<uint64_t>(rows.integer(0)) : 0;
}

// A file that several repositories of the namespace share counts once: it is stored once.
uint64_t used_by_namespace(Database& database, const std::string& owner) {
  Rows rows = database.query("SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM blobs b WHERE b.id IN "
                             "(SELECT l.blob_id FROM repos r JOIN repo_blobs l ON l.repo_id = r.id WHERE r.owner = ?1)", owner);
  return rows.step() ? static_cast<uint64_t>(rows.integer(0)) : 0;
}

void refuse_over(const std::string& who, uint64_t used, uint64_t more, uint64_t limit) {
  if (limit == 0 || used + more <= limit) return;
  throw Error(Code::forbidden, "the storage quota of " + who + " is " + human_bytes(limit) + ", " + human_bytes(used) + " of it used; " + human_bytes(more) +
                                   " more do not fit: delete large files from the history, or ask an administrator for more", "QuotaExceeded");
}

}  // namespace

uint64_t Quotas::namespace_limit(Database& database, const std::string& owner) {
  Rows rows = database.query("SELECT value FROM settings WHERE key = ?1", setting_key(owner));
  if (!rows.step()) return hub_.options_.namespace_quota_bytes;
  const json::value value = parse_json(rows.text(0), "stored quota");
  return value.is_number() ? value.to_number<uint64_t>() : hub_.options_.namespace_quota_bytes;
}

QuotaState Quotas::of_repo(const Repo& repo) {
  const auto reader = hub_.store_->read();
  return {used_by_repo(*reader, repo), hub_.options_.repo_quota_bytes};
}

QuotaState Quotas::of_namespace(const std::string& owner) {
  const auto reader = hub_.store_->read();
  return {used_by_namespace(*reader, owner), namespace_limit(*reader, owner)};
}

void Quotas::set_namespace_limit(const std::string& owner, std::optional<uint64_t> limit_bytes) {
  hub_.set_setting(setting_key(owner), limit_bytes ? json::value(*limit_bytes) : json::value(nullptr));
}

void Quotas::check(Database& database, const Repo& repo, uint64_t more) {
  if (hub_.options_.repo_quota_bytes != 0) refuse_over(repo.repo_id.full_name(), used_by_repo(database, repo), more, hub_.options_.repo_quota_bytes);
  if (const uint64_t limit = namespace_limit(database, repo.repo_id.owner); limit != 0) {
    refuse_over("the namespace " + repo.repo_id.owner, used_by_namespace(database, repo.repo_id.owner), more, limit);
  }
}

void Quotas::require_room(const Repo& repo, uint64_t more) { check(*hub_.store_->read(), repo, more); }

}  // namespace lyceum::hub
