// A copy of a repository. Git objects never change once written, so the copy shares their files by hard links; large files are shared anyway.
#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "hub/hub_impl.h"
#include "hub/names.h"
#include "hub/quotas.h"
#include "hub/webhooks.h"

namespace lyceum::hub {
namespace {

bool is_temporary(const std::string& name) { return name.starts_with("tmp_") || name.starts_with("incoming-") || name.ends_with(".lock") || name.ends_with(".keep"); }

void link_objects(const fs::path& from, const fs::path& to) {
  make_folders_durable(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    if (is_temporary(name)) continue;
    if (entry.is_directory()) {
      link_objects(entry.path(), to / name);
      continue;
    }
    std::error_code error;
    if (fs::exists(to / name)) continue;  // the same object: both began with the same files
    fs::create_hard_link(entry.path(), to / name, error);
    if (error) fs::copy_file(entry.path(), to / name);
  }
  fsync_folder(to);
}

}  // namespace

Repo HubImpl::duplicate_repo(const Caller& caller, const RepoId& from, const RepoId& to, bool is_private) {
  check_repo_name(to.name);
  if (from.type != to.type) throw Error(Code::invalid_argument, "a copy has the type of its original");
  const Repo source = get_repo(caller, from);
  require_content(caller, source);
  const Repo made = create_repo(caller, to, is_private, source.sdk);
  try {
    const auto held_source = locks_.lock(source.id);
    std::vector<RefChange> changes;
    {
      const auto reader = store_->read();
      Rows rows = reader->query("SELECT name, target FROM refs WHERE repo_id = ?1 AND name NOT LIKE 'refs/pr/%'", source.id);
      while (rows.step()) changes.push_back({rows.text(0), git::find_oid(rows.text(1)), true});
    }
    const auto held = locks_.lock(made.id);
    link_objects(folder_of(source.public_id) / "objects", folder_of(made.public_id) / "objects");
    pool_.forget(folder_of(made.public_id));  // an open handle does not know the new packs
    const auto git = open_git(made);
    move_refs(made, *git, changes, [&](Database& database) {
      database.run("INSERT INTO repo_blobs (repo_id, blob_id, linked_ms) SELECT ?2, blob_id, ?3 FROM repo_blobs WHERE repo_id = ?1 ON CONFLICT DO NOTHING", source.id, made.id,
                   clock_.now_ms());
      quotas_->check(database, made, 0);
    }, &caller);
  } catch (...) {
    delete_repo(caller, to);
    throw;
  }
  return get_repo(caller, to);
}

}  // namespace lyceum::hub
