// Files and folders of a revision.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/services.h"
#include "api/xet/xet.h"
#include "git/lfs_pointer.h"

namespace lyceum::api {
namespace {

// llama.cpp reads the first page only, so it is large.
constexpr size_t kPlainPage = 10000, kExpandedPage = 1000, kPathsLimit = 20000;

json::object entry_json(const hub::FileEntry& entry, bool expanded) {
  json::object out{{"type", entry.is_folder ? "directory" : "file"}, {"oid", entry.oid}, {"size", entry.is_folder ? 0 : entry.size}, {"path", entry.path}};
  if (!entry.sha256.empty()) {
    const size_t pointer = git::format_lfs_pointer({entry.sha256, entry.size}).size();
    out["lfs"] = json::object{{"oid", entry.sha256}, {"size", entry.size}, {"pointerSize", pointer}};
    if (is_hex(entry.xet_hash, 64)) out["xetHash"] = entry.xet_hash;
  }
  if (!expanded) return out;
  if (entry.last_commit)
    out["lastCommit"] = json::object{{"id", entry.last_commit->id}, {"title", entry.last_commit->title}, {"date", iso8601(entry.last_commit->date_ms)}};
  else
    out["lastCommit"] = nullptr;
  return out;
}

std::string parent_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(path.substr(0, slash == std::string_view::npos ? 0 : slash));
}

// huggingface_hub copies a file between repositories by its Xet hash, which it looks for here. A file that came through LFS or git gets
// one a moment after it was first asked about.
void want_xet_hash(const Context& context, const hub::FileEntry& entry) {
  if (!entry.sha256.empty() && entry.xet_hash.empty() && context.services.xet_indexer) context.services.xet_indexer->enqueue(entry.sha256);
}

// Python sends a form, JavaScript sends JSON.
struct PathsRequest {
  std::vector<std::string> paths;
  bool expand = false;
};

PathsRequest read_paths(const Context& context) {
  PathsRequest out;
  const std::string body = read_body(context);
  if (context.request.headers.find("Content-Type").value_or("").starts_with("application/json")) {
    const json::value parsed = parse_json(body, "request body");
    const json::object& object = get_object(parsed, "request body");
    if (const json::array* paths = find_array(object, "paths"))
      for (const json::value& one : *paths)
        if (one.is_string()) out.paths.emplace_back(one.as_string());
    out.expand = find_bool(object, "expand").value_or(false);
  } else {
    for (const auto& [key, value] : http::parse_form(body)) {
      if (key == "paths" || key == "paths[]") out.paths.push_back(value);
      if (key == "expand") out.expand = is_true(value);
    }
  }
  if (out.paths.size() > kPathsLimit) throw Error(Code::too_large, "At most 20000 paths can be asked for at once.");
  return out;
}

// The commits that last changed the entries of one folder, for paths asked for one by one.
void add_last_commit(Context& context, const std::string& commit, hub::FileEntry& entry) {
  for (hub::FileEntry& one : context.services.hub.tree(*context.repo, commit, parent_of(entry.path), false, true))
    if (one.path == entry.path) entry.last_commit = one.last_commit;
}

}  // namespace

http::Response list_tree(Context& context) {
  const http::Request& request = context.request;
  hub::Hub& hub = context.services.hub;
  const RevisionPath where = split_revision_path(request, 5);
  const std::string commit = hub.resolve_revision(*context.repo, where.revision);
  const bool expanded = is_true(request.find_query("expand"));
  const std::vector<hub::FileEntry> entries = hub.tree(*context.repo, commit, where.path, is_true(request.find_query("recursive")), expanded);
  const size_t most = expanded ? kExpandedPage : kPlainPage;
  const Page page = find_page(request, most, most);
  const size_t end = std::min(entries.size(), page.offset + page.limit);
  json::array out;
  for (size_t i = page.offset; i < end; ++i) {
    want_xet_hash(context, entries[i]);
    out.push_back(entry_json(entries[i], expanded));
  }
  http::Response response = json_answer(out);
  response.headers.set("X-Repo-Commit", commit);
  if (end < entries.size()) add_next_link(response, request, end);
  return response;
}

http::Response describe_paths(Context& context) {
  hub::Hub& hub = context.services.hub;
  const std::string commit = hub.resolve_revision(*context.repo, split_revision_path(context.request, 5).revision);
  const PathsRequest asked = read_paths(context);
  json::array out;
  for (std::string path : asked.paths) {
    while (path.ends_with('/')) path.pop_back();
    while (path.starts_with('/')) path.erase(0, 1);
    if (path.empty()) continue;
    auto entry = hub.find_entry(*context.repo, commit, path);
    if (!entry) continue;
    want_xet_hash(context, *entry);
    if (asked.expand) add_last_commit(context, commit, *entry);
    out.push_back(entry_json(*entry, asked.expand));
  }
  return json_answer(out);
}

http::Response measure_tree(Context& context) {
  const RevisionPath where = split_revision_path(context.request, 5);
  hub::Hub& hub = context.services.hub;
  uint64_t total = 0;
  for (const hub::FileEntry& entry : hub.tree(*context.repo, hub.resolve_revision(*context.repo, where.revision), where.path, true, false))
    if (!entry.is_folder) total += entry.size;
  return json_answer(json::object{{"path", where.path}, {"size", total}});
}

}  // namespace lyceum::api
