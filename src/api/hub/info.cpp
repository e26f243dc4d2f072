// A repository's metadata, and the headers of its weights.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/repo_json.h"
#include "api/services.h"
#include "base/files.h"
#include "hub/model_facts.h"

namespace lyceum::api {

http::Response describe_repo(Context& context) {
  RepoView view;
  view.fields = expand_fields(context.request);
  // JS asks for `expand[]=likes` and the like; only the fields named are sent then.
  if (view.fields.empty()) view.fields = full_fields();
  view.file_sizes = is_true(context.request.find_query("blobs"));
  if (context.request.params.contains("rest")) {
    const std::string revision = split_revision_path(context.request, 5).revision;
    view.commit = context.services.hub.resolve_revision(*context.repo, revision);
  }
  json::object out = repo_json(context, *context.repo, view);
  if (is_true(context.request.find_query("securityStatus")))
    out["securityRepoStatus"] = json::object{{"scansDone", false}, {"filesWithIssues", json::array{}}};
  return json_answer(out);
}

http::Response refuse_one_segment(Context& context) {
  throw Error(context.caller.user ? Code::not_found : Code::unauthorized, "Repository not found: on this hub every repository is named owner/name.", "RepoNotFound");
}

http::Response describe_safetensors(Context& context) {
  hub::Hub& hub = context.services.hub;
  const hub::Repo& repo = *context.repo;
  const std::string path = http::percent_decode(escaped_tail(context.request, 5));
  const auto index = hub.find_entry(repo, repo.head, path);
  constexpr uint64_t limit = 32u << 20;
  if (!index || index->is_folder || index->size > limit) throw Error(Code::not_found, "Entry not found", "EntryNotFound");
  const std::string text = index->sha256.empty() ? hub.read_small(repo, *index) : read_file(hub.blob_path(index->sha256), limit);
  json::value parsed = parse_json(text, path, limit);
  json::object described = get_object(parsed, path);
  std::set<std::string> shards;
  if (const json::object* map = find_object(described, "weight_map"))
    for (const auto& [tensor, file] : *map)
      if (file.is_string()) shards.emplace(file.as_string());
  json::object headers;
  for (const std::string& shard : shards) {
    const auto entry = hub.find_entry(repo, repo.head, shard);
    auto header = entry ? hub::find_safetensors_header(hub, repo, *entry) : std::nullopt;
    if (!header) throw Error(Code::unprocessable, shard + " is missing or is not a safetensors file.");
    headers[shard] = std::move(*header);
  }
  described.erase("weight_map");
  return json_answer(json::object{{"index", std::move(described)}, {"headers", std::move(headers)}});
}

}  // namespace lyceum::api
