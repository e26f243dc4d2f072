#include "api/hub/repo_requests.h"

#include "api/answer.h"

namespace lyceum::api {
namespace {

std::string ignored_settings(const json::object& body) {
  std::string names;
  for (const char* key : {"hardware", "storageTier", "sleepTimeSeconds", "secrets", "variables", "volumes", "template", "resourceGroupId", "region"})
    if (const auto* value = body.if_contains(key); value && !value->is_null()) names += (names.empty() ? "" : ", ") + std::string(key);
  return names;
}

}  // namespace

hub::RepoType type_of(const json::object& body, std::string_view key) {
  const auto text = find_string(body, key);
  if (!text) return hub::RepoType::model;
  const auto type = hub::find_repo_type(*text);
  if (!type) throw Error(Code::invalid_argument, "There is no repository type \"" + *text + "\"; it is model, dataset or space.");
  return *type;
}

hub::RepoId split_name(hub::RepoType type, const std::string& full_name) {
  const size_t slash = full_name.find('/');
  if (slash == std::string::npos) throw Error(Code::invalid_argument, "A repository is named owner/name, not \"" + full_name + "\".");
  return {type, full_name.substr(0, slash), full_name.substr(slash + 1)};
}

std::optional<bool> find_private(const json::object& body) {
  if (const auto visibility = find_string(body, "visibility")) {
    if (*visibility == "public") return false;
    if (*visibility == "private" || *visibility == "protected") return true;
    throw Error(Code::invalid_argument, "visibility is public, private or protected, not \"" + *visibility + "\".");
  }
  return find_bool(body, "private");
}

http::Response created_answer(const Context& context, const hub::Repo& repo, const json::object& body) {
  http::Response response = json_answer(json::object{{"url", repo_url(context.request, repo.repo_id)}, {"id", repo.public_id}, {"name", repo.repo_id.full_name()}});
  if (const std::string ignored = ignored_settings(body); !ignored.empty())
    response.headers.set("X-HF-Warning", "create; This hub does not support " + ignored + " at creation: ignored.");
  return response;
}

http::Response taken_answer(const Context& context, const hub::RepoId& id, const Error& error) {
  http::Response response = error_answer(error);
  response.body = json::serialize(json::object{{"error", error.what()}, {"url", repo_url(context.request, id)}});
  return response;
}

}  // namespace lyceum::api
