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
  if (from.type != to.type) throw Error(Code::invalid_argument, "a copy has the type of its original");
  const Repo source = get_repo(caller, from);
  require_content(caller, source);
  std::vector<RefChange> refs;
  const auto fill = [&](const fs::path& folder) {
    const auto held = locks_.lock(source.id);
    const auto reader = store_->read();
    Rows rows = reader->query("SELECT name, target FROM refs WHERE repo_id = ?1 AND name NOT LIKE 'refs/pr/%'", source.id);
    while (rows.step()) refs.push_back({rows.text(0), git::find_oid(rows.text(1)), true});
    link_objects(folder_of(source.public_id) / "objects", folder / "objects");
    return refs;
  };
  return add_repo(caller, to, is_private, source.sdk, fill, [&](Database& database, const Repo& made, const git::Repository& git) {
    if (!database.query("SELECT 1 FROM repos WHERE id = ?1", source.id).step()) throw repo_not_found();  // its large files may go with it
    json::array updated;
    for (const RefChange& ref : refs) {
      updated.push_back(json::object{{"ref", ref.name}, {"oldSha", nullptr}, {"newSha", ref.target->hex()}});
      if (ref.name == kMain) index_main(database, made, git, git.find_commit(*ref.target).value());
    }
    database.run("INSERT INTO repo_blobs (repo_id, blob_id, linked_ms) SELECT ?2, blob_id, ?3 FROM repo_blobs WHERE repo_id = ?1 ON CONFLICT DO NOTHING", source.id, made.id,
                 clock_.now_ms());
    quotas_->check(database, made, 0);
    if (!updated.empty()) announce_refs(database, made, std::move(updated));
  });
}

}  // namespace lyceum::hub
