// repo_requests.h: how clients name repositories and their visibility in a body, and the answer to a creation.
#pragma once

#include <optional>
#include <string>

#include "api/route.h"
#include "base/json.h"

namespace lyceum::api {

hub::RepoType type_of(const json::object& body, std::string_view key = "type");          // absent: model
hub::RepoId split_name(hub::RepoType type, const std::string& full_name);                // Error(invalid_argument) unless owner/name
std::optional<bool> find_private(const json::object& body);                              // "visibility" today, "private" before 1.8

// Members of `body` that this hub cannot honour (hardware, secrets, …) are named in a warning that clients print.
http::Response created_answer(const Context& context, const hub::Repo& repo, const json::object& body);
// 409 with the address that clients with exist_ok read.
http::Response taken_answer(const Context& context, const hub::RepoId& id, const Error& error);

}  // namespace lyceum::api
