// Making, changing and removing repositories, branches and tags.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/repo_requests.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

// "owner/name", or a bare name that belongs to the organisation or else to the caller.
hub::RepoId id_of(const Context& context, const json::object& body) {
  const std::string name = get_string(body, "name");
  const hub::RepoType type = type_of(body);
  if (const size_t slash = name.find('/'); slash != std::string::npos) return {type, name.substr(0, slash), name.substr(slash + 1)};
  return {type, find_string(body, "organization").value_or(context.caller.user->name), name};
}

// @huggingface/hub may send first files and a licence along with the creation.
void commit_first_files(Context& context, const hub::RepoId& id, const json::object& body) {
  hub::CommitRequest commit;
  commit.summary = "Add initial files";
  const json::array none, *given = find_array(body, "files");
  bool has_card = false;
  for (const json::value& one : given ? *given : none) {
    const json::object& file = get_object(one, "files[]");
    const std::string content = get_string(file, "content");
    const auto bytes = find_string(file, "encoding") == "base64" ? find_from_base64(content) : std::optional(content);
    if (!bytes) throw Error(Code::invalid_argument, "files[].content is not valid base64.");
    has_card = has_card || get_string(file, "path") == "README.md";
    commit.actions.push_back(hub::AddFile{get_string(file, "path"), *bytes});
  }
  const std::string license = find_string(body, "license").value_or("");
  if (license.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != std::string::npos || license.size() > 64)
    throw Error(Code::invalid_argument, "license is an identifier such as \"mit\" or \"apache-2.0\".");
  if (!license.empty() && !has_card) commit.actions.push_back(hub::AddFile{"README.md", "---\nlicense: " + license + "\n---\n"});
  if (!commit.actions.empty()) context.services.hub.commit(context.caller, id, commit);
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
    return taken_answer(context, id, error);
  }
  commit_first_files(context, id, body);
  return created_answer(context, repo, body);
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
  if (branch.starts_with("refs/")) throw Error(Code::invalid_argument, "Invalid reference for a branch: " + branch);
  context.services.hub.create_branch(context.caller, context.repo->repo_id, branch, find_string(body, "startingPoint").value_or("main"),
                                     {find_bool(body, "emptyBranch").value_or(false), find_bool(body, "overwrite").value_or(false)});
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
