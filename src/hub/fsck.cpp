#include <unordered_set>

#include "base/error.h"
#include "git/lfs_pointer.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {
namespace {

constexpr size_t kLinesMax = 10'000;

void say(std::vector<std::string>& lines, std::string line) {
  if (lines.size() < kLinesMax) lines.push_back(std::move(line));
}

// Reads everything reachable from the refs of one repository once; reading verifies each object's hash.
class RepoWalk {
 public:
  RepoWalk(const git::Repository& git, const std::string& label, Hub::FsckReport& report) : git_(git), label_(label), report_(report) {}

  std::vector<git::LfsPointer> pointers;

  void visit_ref(const std::string& name, const git::Oid& target) {
    try {
      git::Oid object = target;
      const auto info = git_.find_object(object);
      if (info && info->kind == git::Kind::tag) git_.read_object(object, git::Kind::tag);
      const auto commit = git_.find_commit(object);
      if (!commit) return problem(name + " points at " + target.hex() + ", which is missing or not a commit");
      walk_commits(*commit);
    } catch (const Error& error) {
      problem(name + ": " + error.what());
    }
  }

 private:
  void problem(const std::string& text) { say(report_.problems, label_ + ": " + text); }

  void walk_commits(const git::Oid& start) {
    std::vector<git::Oid> open{start};
    while (!open.empty()) {
      const git::Oid oid = open.back();
      open.pop_back();
      if (!seen_.insert(oid).second) continue;
      try {
        const git::Commit commit = git_.read_commit(oid);
        ++report_.commits;
        walk_tree(commit.tree);
        open.insert(open.end(), commit.parents.begin(), commit.parents.end());
      } catch (const Error& error) {
        problem("commit " + oid.hex() + ": " + error.what());
      }
    }
  }

  void walk_tree(const git::Oid& oid) {
    if (!seen_.insert(oid).second) return;
    for (const git::TreeEntry& entry : git_.read_tree(oid)) {
      if (entry.is_folder()) walk_tree(entry.oid);
      else if (entry.is_blob()) check_blob(entry);
    }
  }

  void check_blob(const git::TreeEntry& entry) {
    if (!seen_.insert(entry.oid).second) return;
    const std::string content = git_.read_object(entry.oid, git::Kind::blob);
    if (const auto pointer = git::find_lfs_pointer(content)) pointers.push_back(*pointer);
  }

  const git::Repository& git_;
  const std::string label_;
  Hub::FsckReport& report_;
  std::unordered_set<git::Oid> seen_;
};

}  // namespace

Hub::FsckReport HubImpl::fsck(const std::function<void(uint64_t, uint64_t)>& progress) {
  FsckReport report;
  std::vector<Repo> repos;
  std::set<std::string> named_blobs, folders;
  {
    static const std::string sql = "SELECT " + std::string(kRepoColumns) + " FROM repos r WHERE r.head <> '' ORDER BY r.id";
    const auto reader = store_->read();
    Rows rows = reader->query(sql);
    while (rows.step()) repos.push_back(read_repo(rows));
    for (const std::string& damage : reader->find_damage()) say(report.problems, "database: " + damage);
  }
  if (const auto broken = audit_->find_break()) say(report.problems, "audit log: the row " + std::to_string(*broken) + " is missing or was altered by hand");
  uint64_t total = repos.size();
  blobs_->for_each([&](const std::string&, uint64_t) { ++total; });
  uint64_t done = 0;
  const auto step = [&] {
    if (progress) progress(++done, total);
  };
  for (const Repo& repo : repos) {
    folders.insert(folder_of(repo.public_id).string());
    fsck_repo(repo, report, named_blobs);
    ++report.repos;
    step();
  }
  fsck_blobs(report, named_blobs, step);
  fsck_orphans(report, folders);
  return report;
}

void HubImpl::fsck_repo(const Repo& listed, FsckReport& report, std::set<std::string>& named_blobs) {
  const std::string label = listed.repo_id.full_name();
  std::optional<RepoLocks::Held> held;
  try {
    held.emplace(locks_.lock(listed.id));
  } catch (const Error&) {
    return say(report.notes, label + ": skipped, because it is being written; run fsck again");
  }
  const auto reader = store_->read();
  const auto found = find_repo(*reader, listed.repo_id);
  if (!found || found->id != listed.id) return;  // deleted or moved since the list was made
  const Repo& repo = *found;
  if (!fs::is_directory(folder_of(repo.public_id))) return say(report.problems, label + ": its folder " + folder_of(repo.public_id).string() + " is missing");
  try {
    const auto git = open_git(repo);
    RepoWalk walk(*git, label, report);
    for (const RefChange& change : changed_refs(*reader, repo, *git)) {
      say(report.problems, label + ": " + change.name + " on disk is " + (change.target ? change.target->hex() : "absent") + ", not what the database says");
    }
    Rows refs = reader->query("SELECT name, target FROM refs WHERE repo_id = ?1", repo.id);
    while (refs.step()) {
      if (refs.text(0) == "refs/heads/main" && refs.text(1) != repo.head) say(report.problems, label + ": the head of the row is not its main branch");
      walk.visit_ref(refs.text(0), *git::find_oid(refs.text(1)));
    }
    for (const git::LfsPointer& pointer : walk.pointers) {
      if (named_blobs.insert(pointer.sha256).second && !blobs_->has(pointer.sha256)) {
        say(report.problems, label + ": the large file " + pointer.sha256 + " is missing");
      } else if (blobs_->has(pointer.sha256) && blobs_->get_size(pointer.sha256) != pointer.size) {
        say(report.problems, label + ": the large file " + pointer.sha256 + " has another size than its pointer says");
      }
      if (!is_linked(*reader, repo, pointer.sha256)) say(report.problems, label + ": the large file " + pointer.sha256 + " is not linked to the repository");
    }
  } catch (const Error& error) {
    say(report.problems, label + ": " + error.what());
  }
}

void HubImpl::fsck_blobs(FsckReport& report, const std::set<std::string>& named_blobs, const std::function<void()>& step) {
  blobs_->for_each([&](const std::string& name, uint64_t size) {
    ++report.blobs;
    report.blob_bytes += size;
    if (!is_hex(name, 64) || !blobs_->has(name)) {
      say(report.notes, "blobs/ holds a file that is not in its place: " + name);
    } else if (blobs_->hash_content(name) != name) {
      say(report.problems, "the large file " + name + " has other content than its name says");
    } else if (!named_blobs.contains(name)) {
      say(report.notes, "the large file " + name + " is in no commit");
    }
    step();
  });
}

void HubImpl::fsck_orphans(FsckReport& report, const std::set<std::string>& folders) {
  const fs::path root = shared_folder() / "repos";
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    if (it.depth() < 2) continue;
    it.disable_recursion_pending();
    if (!folders.contains(it->path().string())) say(report.notes, "repos/ holds a folder of no repository: " + fs::relative(it->path(), root).string());
  }
}

}  // namespace lyceum::hub
