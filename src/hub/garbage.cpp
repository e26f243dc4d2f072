// Mark and sweep over the blob store, beside a running hub. No lock is held while marking. What makes that safe:
//
//   - whoever is about to refer to a blob (receives it, links it, commits a pointer to it) first calls BlobStore::keep(), which makes it young;
//   - the sweep looks at a blob's age and links again inside the transaction that removes its rows, and BlobStore::remove_if_older() looks once
//     more, atomically against keep(), before the file goes. Rows go before the file: a crash in between leaves a file for the next collection.
//     With several hubs, or S3, both the sweep of a blob and a keep() of one that is not young hold a lock of its name (blob_guard.h);
//   - a link that was not there while marking saves its blob.
#include "hub/garbage.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/log.h"
#include "git/lfs_pointer.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {
namespace {

// The digests that pointers name in everything a repository's refs reach. Contents are read only where a pointer could be.
class PointerWalk {
 public:
  PointerWalk(const git::Repository& git, std::unordered_set<std::string>& named) : git_(git), named_(named) {}

  void visit(const git::Oid& target) {
    std::vector<git::Oid> open{*git_.find_commit(target)};
    while (!open.empty()) {
      const git::Oid oid = open.back();
      open.pop_back();
      if (!seen_.insert(oid).second) continue;
      const git::Commit commit = git_.read_commit(oid);
      visit_tree(commit.tree);
      open.insert(open.end(), commit.parents.begin(), commit.parents.end());
    }
  }

 private:
  void visit_tree(const git::Oid& oid) {
    if (!seen_.insert(oid).second) return;
    for (const git::TreeEntry& entry : git_.read_tree(oid)) {
      if (entry.is_folder()) visit_tree(entry.oid);
      else if (entry.is_blob() && seen_.insert(entry.oid).second) visit_blob(entry.oid);
    }
  }

  void visit_blob(const git::Oid& oid) {
    const auto info = git_.find_object(oid);
    if (!info) throw Error(Code::internal, "object " + oid.hex() + " is missing");
    if (info->size > git::kLfsPointerBytesMax) return;
    if (const auto pointer = git::find_lfs_pointer(git_.read_object(oid, git::Kind::blob))) named_.insert(pointer->sha256);
  }

  const git::Repository& git_;
  std::unordered_set<std::string>& named_;
  std::unordered_set<git::Oid> seen_;
};

int64_t age_ms(const fs::path& path) {
  std::error_code error;
  auto newest = fs::last_write_time(path, error);
  if (error) return 0;
  if (fs::is_directory(path, error)) {
    for (const auto& entry : fs::directory_iterator(path, error)) newest = std::max(newest, fs::last_write_time(entry.path(), error));
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(fs::file_time_type::clock::now() - newest).count();
}

}  // namespace

class GarbageCollector {
 public:
  GarbageCollector(HubImpl& hub, const GarbageOptions& options) : hub_(hub), options_(options) {}

  GarbageReport run() {
    sweep_staging();
    if (options_.staging_only) return std::move(report_);
    sweep_folders();
    mark();
    choose();
    if (!options_.dry_run && !dead_.empty()) {
      plan_rescue();
      for (const std::string& sha256 : dead_) sweep_blob(sha256);
      if (files_left_ < files_planned_) sweep_xorbs();
    }
    return std::move(report_);
  }

 private:
  struct Place {
    std::string sha256;
    uint64_t offset = 0;
    uint32_t length = 0;
  };

  // --- mark -----------------------------------------------------------------------------------------------------------------
  void mark() {
    struct Listed { Repo repo; std::vector<std::string> targets; };
    std::vector<Listed> all;
    {
      static const std::string sql = "SELECT " + std::string(kRepoColumns) + " FROM repos r WHERE r.head <> '' ORDER BY r.id";
      const auto reader = hub_.store_->read();
      {
        Rows rows = reader->query(sql);
        while (rows.step()) all.push_back({read_repo(rows), {}});
      }
      for (Listed& one : all) {
        Rows refs = reader->query("SELECT target FROM refs WHERE repo_id = ?1", one.repo.id);
        while (refs.step()) one.targets.push_back(refs.text(0));
        repos_.insert(one.repo.id);
      }
    }
    for (const Listed& one : all) mark_repo(one.repo, one.targets);
  }

  // A repository that cannot be read keeps everything it is linked to.
  void mark_repo(const Repo& repo, const std::vector<std::string>& targets) {
    try {
      const auto git = hub_.open_git(repo);
      PointerWalk walk(*git, named_);
      for (const std::string& target : targets) walk.visit(*git::find_oid(target));
    } catch (const std::exception& error) {
      unreadable_.insert(repo.id);
      report_.notes.push_back(repo.repo_id.full_name() + ": nothing it is linked to is collected, because it could not be read: " + error.what());
    }
  }

  void choose() {
    hub_.blobs_->for_each([&](const std::string& sha256, uint64_t size) {
      if (!is_hex(sha256, 64)) return;
      if (named_.contains(sha256)) {
        ++report_.live_blobs;
      } else if (hub_.blobs_->find_age_ms(sha256).value_or(0) < options_.grace_ms) {
        ++report_.young_blobs;
      } else {
        dead_.push_back(sha256);
        sizes_[sha256] = size;
        if (options_.dry_run) count(sha256);
      }
    });
  }

  void count(const std::string& sha256) {
    ++report_.blobs;
    report_.blob_bytes += sizes_[sha256];
  }

  // --- sweep ------------------------------------------------------------------------------------------------------------------
  void sweep_blob(const std::string& sha256) {
    bool free = false;
    try {
      // Several hubs: between the look at its age and its removal nobody may be told that it is kept.
      const auto guarded = hub_.is_shared() || !hub_.options_.s3.endpoint.empty() ? hub_.take_lock("blob " + sha256) : nullptr;
      hub_.transact([&](Database& database) { free = forget(database, sha256); });
      if (free && hub_.blobs_->remove_if_older(sha256, options_.grace_ms)) count(sha256);
      if (free) files_left_ = files_now_;
    } catch (const Error& error) {
      report_.notes.push_back("the large file " + sha256 + " was left alone: " + error.what());
    }
  }

  // Removes every row about the blob. False: it is in use after all.
  bool forget(Database& database, const std::string& sha256) {
    if (hub_.blobs_->find_age_ms(sha256).value_or(0) < options_.grace_ms) return false;
    files_now_ = files_left_;
    const auto id = hub_.find_blob_id(database, sha256);
    if (!id) return true;
    {
      Rows links = database.query("SELECT repo_id FROM repo_blobs WHERE blob_id = ?1", *id);
      while (links.step()) {
        if (!repos_.contains(links.integer(0)) || unreadable_.contains(links.integer(0))) return false;
      }
    }
    if (count_of(database, "SELECT COUNT(*) FROM xet_files") != files_left_) {
      report_.notes.push_back("the large file " + sha256 + " was left alone, because uploads came meanwhile; run the collection again");
      return false;
    }
    rescue(database, sha256);
    database.run("DELETE FROM xet_chunks WHERE blob_id = ?1", *id);
    files_now_ = files_left_ - database.run("DELETE FROM xet_files WHERE blob_id = ?1", *id);
    database.run("DELETE FROM repo_blobs WHERE blob_id = ?1", *id);
    database.run("DELETE FROM blobs WHERE id = ?1", *id);
    return true;
  }

  static int64_t count_of(Database& database, std::string_view sql) {
    Rows rows = database.query(sql);
    rows.step();
    return rows.integer(0);
  }

  // --- Xet: a chunk has one recorded place, so chunks that a file to go shares with one that stays get a place there ------------------------
  void plan_rescue() {
    const std::unordered_set<std::string> dead(dead_.begin(), dead_.end());
    std::vector<std::string> staying;
    std::unordered_map<std::string, std::string> placed;  // chunk -> file to go
    {
      const auto reader = hub_.store_->read();
      Rows files = reader->query("SELECT b.sha256 FROM xet_files f JOIN blobs b ON b.id = f.blob_id");
      while (files.step()) {
        ++files_left_;
        std::string sha256 = to_hex(as_bytes(files.text(0)));
        if (!dead.contains(sha256)) staying.push_back(std::move(sha256));
      }
    }
    files_planned_ = files_left_;
    for (const std::string& sha256 : dead_) {
      const auto reader = hub_.store_->read();
      Rows chunks = reader->query("SELECT c.hash FROM xet_chunks c JOIN blobs b ON b.id = c.blob_id WHERE b.sha256 = ?1", Blob{digest_bytes(sha256)});
      while (chunks.step()) placed[to_hex(as_bytes(chunks.text(0)))] = sha256;
    }
    if (files_left_ == static_cast<int64_t>(staying.size())) return;
    for (const std::string& sha256 : staying) plan_rescue_into(sha256, placed);
  }

  void plan_rescue_into(const std::string& sha256, std::unordered_map<std::string, std::string>& placed) {
    const auto file = hub_.find_xet_file_by_sha256(sha256);
    if (!file) return;
    uint64_t offset = 0;
    for (const Hub::XetTerm& term : file->terms) {
      live_xorbs_.insert(term.xorb);
      const auto chunks = hub_.find_xorb(term.xorb);
      if (!chunks || term.chunk_end > chunks->size()) throw Error(Code::internal, "the Xet index of " + sha256 + " lacks the xorb " + term.xorb);
      for (uint32_t at = term.chunk_begin; at < term.chunk_end; ++at) {
        const Hub::XorbChunk& chunk = (*chunks)[at];
        if (const auto going = placed.find(chunk.hash); going != placed.end()) {
          rescues_[going->second].emplace_back(chunk.hash, Place{sha256, offset, chunk.length});
          placed.erase(going);
        }
        offset += chunk.length;
      }
    }
  }

  // Chunk lists of xorbs that no file is made of any more.
  void sweep_xorbs() {
    hub_.transact([&](Database& database) {
      if (count_of(database, "SELECT COUNT(*) FROM xet_files") != files_left_) return;  // the next collection finds them
      std::vector<std::string> dead;
      {
        Rows rows = database.query("SELECT hash FROM xet_xorbs");
        while (rows.step()) {
          if (!live_xorbs_.contains(to_hex(as_bytes(rows.text(0))))) dead.push_back(rows.text(0));
        }
      }
      for (const std::string& hash : dead) database.run("DELETE FROM xet_xorbs WHERE hash = ?1", Blob{hash});
    });
  }

  void rescue(Database& database, const std::string& sha256) {
    for (const auto& [hash, place] : rescues_[sha256]) {
      const auto id = hub_.find_blob_id(database, place.sha256);
      if (!id) throw Error(Code::unavailable, "the file that shares its chunks has gone meanwhile; run the collection again");
      database.run("UPDATE xet_chunks SET blob_id = ?1, \"offset\" = ?2, length = ?3 WHERE hash = ?4", *id, place.offset, static_cast<int64_t>(place.length), Blob{digest_bytes(hash)});
    }
  }

  // --- folders ----------------------------------------------------------------------------------------------------------------
  // Receiving processes touch what they write, so what is old here has no owner. Complete xorbs have a lifetime of their own.
  void sweep_staging() {
    const fs::path staging = hub_.options_.data_folder / "staging";
    std::set<fs::path> old;
    for (const fs::path& folder : {staging, staging / "multipart", hub_.git_staging()}) {  // parts of LFS uploads have one folder an upload
      if (!fs::exists(folder)) continue;
      for (const auto& entry : fs::directory_iterator(folder)) {
        const fs::path name = entry.path().filename();
        if (name != "xorbs" && name != "multipart" && age_ms(entry.path()) >= options_.staging_grace_ms) old.insert(entry.path());
      }
    }
    report_.staging_files = remove({old.begin(), old.end()});
  }

  void sweep_folders() {
    std::set<std::string> known;
    {
      const auto reader = hub_.store_->read();
      Rows rows = reader->query("SELECT public_id FROM repos");
      while (rows.step()) known.insert(hub_.folder_of(rows.text(0)).string());
    }
    std::vector<fs::path> old;
    const fs::path root = hub_.options_.shared_folder / "repos";
    for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
      if (it.depth() < 2) continue;
      it.disable_recursion_pending();
      if (!known.contains(it->path().string()) && age_ms(it->path()) >= options_.staging_grace_ms) old.push_back(it->path());
    }
    report_.repository_folders = remove(old);
  }

  uint64_t remove(const std::vector<fs::path>& paths) {
    if (options_.dry_run) return paths.size();
    uint64_t removed = 0;
    for (const fs::path& path : paths) {
      std::error_code error;
      fs::remove_all(path, error);
      if (!error) ++removed;
      else report_.notes.push_back(path.string() + " could not be removed: " + error.message());
    }
    return removed;
  }

  HubImpl& hub_;
  const GarbageOptions options_;
  GarbageReport report_;
  std::set<int64_t> repos_, unreadable_;       // as they were when marking began
  std::unordered_set<std::string> named_;      // digests
  std::vector<std::string> dead_;
  std::unordered_map<std::string, uint64_t> sizes_;
  std::unordered_map<std::string, std::vector<std::pair<std::string, Place>>> rescues_;  // file to go -> chunk, new place
  std::unordered_set<std::string> live_xorbs_;
  int64_t files_planned_ = 0;
  int64_t files_left_ = 0, files_now_ = 0;     // rows of xet_files that there must be if nobody has uploaded meanwhile
};

GarbageReport HubImpl::collect_garbage(const GarbageOptions& options) {
  if (options.staging_only) return GarbageCollector(*this, options).run();
  const std::unique_lock lock(garbage_mutex_, std::try_to_lock);
  const auto everywhere = lock ? names_.try_lock("garbage", std::chrono::milliseconds(0)) : std::nullopt;
  if (!everywhere) throw Error(Code::conflict, "a garbage collection is under way already");
  return GarbageCollector(*this, options).run();
}

Hub::StockCounts HubImpl::count_stock() {
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT (SELECT COUNT(*) FROM repos), (SELECT COUNT(*) FROM blobs), (SELECT COUNT(*) FROM accounts)");
  rows.step();
  return {static_cast<uint64_t>(rows.integer(0)), static_cast<uint64_t>(rows.integer(1)), static_cast<uint64_t>(rows.integer(2))};
}

}  // namespace lyceum::hub
