// Comparing revisions, squashing, large files of a history, and copies of repositories.
#include <set>

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/repo_requests.h"
#include "api/services.h"
#include "hub/history.h"

namespace lyceum::api {
namespace {

constexpr size_t kFilesLimit = 10'000;

std::string escaped_after(const Context& context) { return http::percent_decode(escaped_tail(context.request, 5)); }

std::string find_share_problem(Context& context, const hub::Repo& target, const json::object& file) {
  hub::Hub& hub = context.services.hub;
  const std::string sha256 = find_string(file, "sha256").value_or("");
  if (!is_hex(sha256, 64)) return "sha256 is not a SHA-256 in hexadecimal";
  if (!hub.repo_has_blob(*context.repo, sha256)) return "the source repository has no such large file";
  try {
    hub.link_blob(target, sha256);
    return "";
  } catch (const Error& error) {
    if (error.code() != Code::forbidden) throw;  // a quota; the others of the batch may fit
    return error.what();
  }
}

}  // namespace

// "a..b"; a revision may hold dots, so the first ".." that leaves two known revisions counts, tried from the left.
http::Response compare_revisions(Context& context) {
  context.services.hub.require_content(context.caller, *context.repo);
  std::string both = escaped_after(context);
  const size_t dots = both.find("..");
  if (dots == std::string::npos) throw Error(Code::invalid_argument, "Two revisions are compared as a..b.");
  std::string after = both.substr(dots + 2);
  if (after.starts_with('.')) after.erase(0, 1);  // "a...b"
  return http::Response::text(context.services.hub.history().diff(*context.repo, both.substr(0, dots), after, is_true(context.request.find_query("raw"))));
}

http::Response super_squash(Context& context) {
  const json::object body = read_json_body(context);
  const hub::CommitInfo made =
      context.services.hub.history().super_squash(context.caller, context.repo->repo_id, escaped_after(context), find_string(body, "message").value_or(""));
  return json_answer(json::object{{"commitOid", made.id}});
}

http::Response list_lfs_files(Context& context) {
  const Page page = find_page(context.request, 1000, 1000);
  const auto files = context.services.hub.history().large_files(*context.repo);
  json::array out;
  for (size_t i = page.offset; i < std::min(files.size(), page.offset + page.limit); ++i) {
    const hub::StoredLargeFile& file = files[i];
    out.push_back(json::object{{"fileOid", file.sha256}, {"oid", file.sha256}, {"filename", file.path}, {"size", file.size},
                               {"pushedAt", iso8601(file.linked_ms != 0 ? file.linked_ms : context.repo->created_ms)},
                               {"ref", file.ref.empty() ? json::value(nullptr) : json::value(file.ref)}});
  }
  http::Response response = json_answer(out);
  if (page.offset + page.limit < files.size()) add_next_link(response, context.request, page.offset + page.limit);
  return response;
}

http::Response delete_lfs_files(Context& context) {
  const json::object body = read_json_body(context);
  const json::object* deletions = find_object(body, "deletions");
  const json::array* shas = deletions ? find_array(*deletions, "sha") : nullptr;
  if (!shas) throw Error(Code::invalid_argument, "deletions.sha is missing.");
  if (shas->size() > kFilesLimit) throw Error(Code::too_large, "At most 10000 files can be deleted at once.");
  std::set<std::string> sha256s;
  for (const json::value& one : *shas) {
    if (!one.is_string()) throw Error(Code::invalid_argument, "deletions.sha[] are strings.");
    sha256s.emplace(one.as_string());
  }
  context.services.hub.history().remove_large_files(context.caller, context.repo->repo_id, sha256s, find_bool(*deletions, "rewriteHistory").value_or(true));
  return json_answer(json::object{});
}

// The target may use large files of this repository without an upload. The caller must be able to read here and to write there.
http::Response share_lfs_files(Context& context) {
  hub::Hub& hub = context.services.hub;
  const json::object body = read_json_body(context);
  hub.require_content(context.caller, *context.repo);
  const json::object* target = find_object(body, "target");
  const json::array* files = find_array(body, "files");
  if (!target || !files) throw Error(Code::invalid_argument, "target and files are needed.");
  if (files->size() > kFilesLimit) throw Error(Code::too_large, "At most 10000 files can be duplicated at once.");
  const hub::RepoId id = split_name(type_of(*target), get_string(*target, "name"));
  hub.require_write(context.caller, id);
  const hub::Repo repo = hub.get_repo(context.caller, id);
  json::array failed;
  for (const json::value& one : *files) {
    const json::object& file = get_object(one, "files[]");
    const std::string problem = find_share_problem(context, repo, file);
    if (!problem.empty()) failed.push_back(json::object{{"sha256", find_string(file, "sha256").value_or("")}, {"error", problem}});
  }
  return json_answer(json::object{{"failed", std::move(failed)}});
}

http::Response duplicate_repo(Context& context) {
  const json::object body = read_json_body(context);
  const hub::RepoId to = split_name(context.repo->repo_id.type, get_string(body, "repository"));
  const auto is_private = find_private(body);
  try {
    return created_answer(context, context.services.hub.duplicate_repo(context.caller, context.repo->repo_id, to, is_private.value_or(context.repo->is_private)), body);
  } catch (const Error& error) {
    if (error.code() != Code::conflict) throw;
    return taken_answer(context, to, error);
  }
}

}  // namespace lyceum::api
