// route.h: one table per route group. A row drives routing, authorisation and the OpenAPI text; a row without an access rule
// does not compile. The groups are listed in api/registry.cpp.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "http/server.h"
#include "hub/hub.h"

namespace lyceum::api {

// Checked before the handler runs (api/access.cpp). For repo_*: parameters "type" (or the row's fixed type), "ns" and "name" name the repository.
enum class Access {
  anyone,            // no secrets, no repository content
  signed_in,         // any valid token or session
  write_token,       // the whole account: a write token or a session; no fine-grained token
  scoped_write,      // as write_token, or a fine-grained token that may write somewhere: the hub checks the target that the body names
  administrator,
  repo_read,         // may see the repository: public, or a right on it
  repo_content,      // may also read its files: not gated, or let in
  repo_participate,  // may see it and speak there (likes, discussions, asking for access): signed in, with a token that lets write
  repo_write,
  signed_url,        // the handler verifies an HMAC in the query or a Xet token (api/signing.h)
};
std::string_view name(Access access);  // as in the OpenAPI text

struct Services;  // api/services.h: Hub&, EngineManager&, settings: what handlers use

// What a handler gets.
struct Context {
  http::Request& request;
  Services& services;
  hub::Caller caller;
  std::optional<hub::Repo> repo;   // filled for repo_* rows
  // Set by a handler whose answer depends on nothing but the credential, the target and the store: the path of the file that it serves.
  // The answer may then be given again, and counted as a download, without asking the handler (answer_cache.h).
  std::optional<std::string> file_to_keep;
};

struct RouteRow {
  std::string_view method;
  std::string_view pattern;
  Access access;
  std::string_view summary;        // one line, for the OpenAPI text
  http::Response (*handler)(Context&);
};

struct RouteGroup {
  std::string_view name;
  std::span<const RouteRow> rows;
  // For the APIs of models. The body of a refusal in that API's form; null: the hub's. Their clients must send some key: one that is not
  // ours (no "hf_") means an anonymous caller, and X-Api-Key counts like Authorization.
  std::string (*error_text)(const Error&) = nullptr;
};

std::span<const RouteGroup> route_groups();                       // registry.cpp
http::Router make_router(Services& services);                     // wraps every row with its access check
// The answer that this request would get, if the same one was answered lately and the store has not changed since. Does not block.
std::optional<http::Response> find_kept_answer(http::Request& request, Services& services);
// Bearer, Basic (password = token), or session cookie. Throws Error(unauthorized, "Invalid credentials in Authorization header") on a bad one.
hub::Caller authenticate(const http::Request& request, Services& services);
// The rule of repo_participate, for a handler whose row asks for less because it answers more than one question. Error(unauthorized or
// forbidden) with the remedy.
void require_participation(const hub::Caller& caller, const hub::Repo& repo);
// The user whose name and password these are. Counts against the limits of sign-in attempts and is recorded if it fails.
std::optional<hub::User> try_sign_in(const http::Request& request, Services& services, const std::string& name, const std::string& password);

}  // namespace lyceum::api
