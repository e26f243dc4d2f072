// Making, changing and removing repositories, branches and tags.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

hub::RepoType type_of(const json::object& body, std::string_view key = "type") {
  const auto text = find_string(body, key);
  if (!text) return hub::RepoType::model;
  const auto type = hub::find_repo_type(*text);
  if (!type) throw Error(Code::invalid_argument, "There is no repository type \"" + *text + "\"; it is model, dataset or space.");
  return *type;
}

// "owner/name", or a bare name that belongs to the organisation or else to the caller.
hub::RepoId id_of(const Context& context, const json::object& body) {
  const std::string name = get_string(body, "name");
  const hub::RepoType type = type_of(body);
  if (const size_t slash = name.find('/'); slash != std::string::npos) return {type, name.substr(0, slash), name.substr(slash + 1)};
  return {type, find_string(body, "organization").value_or(context.caller.user->name), name};
}

hub::RepoId split_name(hub::RepoType type, const std::string& full_name) {
  const size_t slash = full_name.find('/');
  if (slash == std::string::npos) throw Error(Code::invalid_argument, "A repository is named owner/name, not \"" + full_name + "\".");
  return {type, full_name.substr(0, slash), full_name.substr(slash + 1)};
}

// "visibility" is today's word, "private" the older clients'.
std::optional<bool> find_private(const json::object& body) {
  if (const auto visibility = find_string(body, "visibility")) {
    if (*visibility == "public") return false;
    if (*visibility == "private" || *visibility == "protected") return true;
    throw Error(Code::invalid_argument, "visibility is public, private or protected, not \"" + *visibility + "\".");
  }
  return find_bool(body, "private");
}

// @huggingface/hub may send first files along with the creation.
void commit_first_files(Context& context, const hub::RepoId& id, const json::array& files) {
  hub::CommitRequest commit;
  commit.summary = "Add initial files";
  for (const json::value& one : files) {
    const json::object& file = get_object(one, "files[]");
    const std::string content = get_string(file, "content");
    const auto bytes = find_string(file, "encoding") == "base64" ? find_from_base64(content) : std::optional(content);
    if (!bytes) throw Error(Code::invalid_argument, "files[].content is not valid base64.");
    commit.actions.push_back(hub::AddFile{get_string(file, "path"), *bytes});
  }
  if (!commit.actions.empty()) context.services.hub.commit(context.caller, id, commit);
}

std::string ignored_settings(const json::object& body) {
  std::string names;
  for (const char* key : {"hardware", "storageTier", "sleepTimeSeconds", "secrets", "variables", "volumes", "template", "resourceGroupId", "region"})
    if (const auto* value = body.if_contains(key); value && !value->is_null()) names += (names.empty() ? "" : ", ") + std::string(key);
  return names;
}

http::Response created(const Context& context, const hub::Repo& repo) {
  return json_answer(json::object{{"url", repo_url(context.request, repo.repo_id)}, {"id", repo.public_id}, {"name", repo.repo_id.full_name()}});
}

std::string decoded_tail(const Context& context) { return http::percent_decode(escaped_tail(context.request, 5)); }

}  // namespace

http::Response create_repo(Context& context) {
  const json::object body = read_json_body(context, 64u << 20);
  const hub::RepoId id = id_of(context, body);
  hub::Repo repo;
  try {
    repo = context.services.hub.create_repo(context.caller, id, find_private(body).value_or(false), find_string(body, "sdk").value_or(""));
  } catch (const Error& error) {
    if (error.code() != Code::conflict) throw;
    // Clients with exist_ok read the address from the refusal.
    http::Response response = error_answer(error);
    response.body = json::serialize(json::object{{"error", error.what()}, {"url", repo_url(context.request, id)}});
    return response;
  }
  if (const json::array* files = find_array(body, "files")) commit_first_files(context, id, *files);
  http::Response response = created(context, repo);
  if (const std::string ignored = ignored_settings(body); !ignored.empty())
    response.headers.set("X-HF-Warning", "create; This hub does not support " + ignored + " at creation: ignored.");
  return response;
}

http::Response delete_repo(Context& context) {
  const json::object body = read_json_body(context);
  context.services.hub.delete_repo(context.caller, id_of(context, body));
  return json_answer(json::object{});
}

http::Response move_repo(Context& context) {
  const json::object body = read_json_body(context);
  const hub::RepoType type = type_of(body);
  const hub::RepoId to = split_name(type, get_string(body, "toRepo"));
  context.services.hub.move_repo(context.caller, split_name(type, get_string(body, "fromRepo")), to);
  return json_answer(json::object{{"url", repo_url(context.request, to)}});
}

http::Response update_settings(Context& context) {
  const json::object body = read_json_body(context);
  std::optional<std::string> gated;
  if (const auto* value = body.if_contains("gated"); value && !value->is_null()) {
    gated = value->is_string() ? std::string(value->as_string()) : std::string();
    if (!gated->empty() && *gated != "auto" && *gated != "manual") throw Error(Code::invalid_argument, "gated is \"auto\", \"manual\" or false.");
  }
  context.services.hub.update_repo(context.caller, context.repo->repo_id, find_private(body), gated);
  const hub::Repo repo = context.services.hub.get_repo(context.caller, context.repo->repo_id);
  return json_answer(json::object{{"private", repo.is_private}, {"gated", repo.gated.empty() ? json::value(false) : json::value(repo.gated)}});
}

http::Response create_branch(Context& context) {
  const json::object body = read_json_body(context);
  const std::string branch = decoded_tail(context);
  hub::Hub& hub = context.services.hub;
  if (find_bool(body, "emptyBranch").value_or(false))
    throw Error(Code::unsupported, "An empty branch is not supported; start it from a revision.");
  if (find_bool(body, "overwrite").value_or(false))
    for (const auto& ref : hub.refs(*context.repo).branches)
      if (ref.name == branch) hub.delete_branch(context.caller, context.repo->repo_id, branch);
  hub.create_branch(context.caller, context.repo->repo_id, branch, find_string(body, "startingPoint").value_or("main"));
  return json_answer(json::object{});
}

http::Response delete_branch(Context& context) {
  context.services.hub.delete_branch(context.caller, context.repo->repo_id, decoded_tail(context));
  return json_answer(json::object{});
}

http::Response create_tag(Context& context) {
  const json::object body = read_json_body(context);
  context.services.hub.create_tag(context.caller, context.repo->repo_id, get_string(body, "tag"), decoded_tail(context),
                                  find_string(body, "message").value_or(""));
  return json_answer(json::object{});
}

http::Response delete_tag(Context& context) {
  context.services.hub.delete_tag(context.caller, context.repo->repo_id, decoded_tail(context));
  return json_answer(json::object{});
}

}  // namespace lyceum::api
