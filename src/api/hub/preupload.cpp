// Before an upload: which files go to large-file storage, which are ignored, and what the repository holds at their paths now
// (a client leaves out what has not changed).
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/ignore_rules.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

constexpr size_t kFilesLimit = 10000;

std::string stored_ignore_file(Context& context, const std::string& commit) {
  hub::Hub& hub = context.services.hub;
  const auto entry = hub.find_entry(*context.repo, commit, ".gitignore");
  if (!entry || entry->is_folder || !entry->sha256.empty() || entry->size > (1u << 20)) return "";
  return hub.read_small(*context.repo, *entry);
}

json::object plan_file(Context& context, const std::string& commit, const IgnoreRules& rules, const json::object& file) {
  hub::Hub& hub = context.services.hub;
  const std::string path = get_string(file, "path");
  const int64_t size = get_int(file, "size");
  const auto sample = find_from_base64(find_string(file, "sample").value_or(""));
  if (size < 0 || !sample) throw Error(Code::invalid_argument, "files[]: size must not be negative and sample must be base64.");
  const bool large = size > 0 && hub.wants_large(*context.repo, commit, path, static_cast<uint64_t>(size), as_bytes(*sample));
  json::value oid = nullptr;
  if (const auto entry = hub.find_entry(*context.repo, commit, path); entry && !entry->is_folder) oid = entry->sha256.empty() ? entry->oid : entry->sha256;
  return {{"path", path}, {"uploadMode", large ? "lfs" : "regular"}, {"shouldIgnore", rules.ignores(path)}, {"oid", std::move(oid)}};
}

}  // namespace

http::Response plan_upload(Context& context) {
  const json::object body = read_json_body(context, 32u << 20);
  const std::string commit = context.services.hub.resolve_revision(*context.repo, split_revision_path(context.request, 5).revision);
  const IgnoreRules rules(find_string(body, "gitIgnore").value_or(stored_ignore_file(context, commit)));
  const json::array* files = find_array(body, "files");
  if (!files) throw Error(Code::invalid_argument, "files is missing.");
  if (files->size() > kFilesLimit) throw Error(Code::too_large, "At most 10000 files can be asked about at once.");
  json::array out;
  for (const json::value& file : *files) out.push_back(plan_file(context, commit, rules, get_object(file, "files[]")));
  return json_answer(json::object{{"files", std::move(out)}});
}

}  // namespace lyceum::api
