// Every row is wrapped here: who asks, may they, then the handler. Nothing reaches a handler without passing its row's rule.
//
// A repository that the caller may not see answers as if it did not exist: 404 to a known caller, 401 to an anonymous one (git
// asks for a password only then), both with X-Error-Code: RepoNotFound.
#include <array>

#include "api/answer.h"
#include "api/route.h"
#include "api/services.h"
#include "base/bytes.h"
#include "base/log.h"

namespace lyceum::api {
namespace {

[[noreturn]] void refuse_credentials() { throw Error(Code::unauthorized, "Invalid credentials in Authorization header"); }

// Clients put the token in either half of "user:password"; people may use their password.
hub::Caller authenticate_basic(std::string_view encoded, hub::Hub& hub) {
  const auto text = find_from_base64(encoded);
  const size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) refuse_credentials();
  const std::string name = text->substr(0, colon), password = text->substr(colon + 1);
  for (const std::string& candidate : {password, name})
    if (candidate.starts_with("hf_"))
      if (const auto caller = hub.authenticate(candidate)) return *caller;
  if (!name.empty() && !password.empty())
    if (const auto user = hub.try_password(name, password)) return {user, std::nullopt};
  refuse_credentials();
}

bool is_safe_method(std::string_view method) { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }

// The repository type a row is about: its {type} parameter, or its fixed prefix.
std::optional<hub::RepoType> find_row_type(const RouteRow& row, const http::Request& request) {
  if (const auto it = request.params.find("type"); it != request.params.end()) {
    const auto type = hub::find_repo_type(it->second);
    return type && hub::plural(*type) == it->second ? type : std::nullopt;
  }
  for (const auto type : {hub::RepoType::dataset, hub::RepoType::space})
    if (row.pattern.find("/" + std::string(hub::plural(type)) + "/{ns}") != std::string_view::npos) return type;
  return hub::RepoType::model;
}

void require_signed_in(const hub::Caller& caller) {
  if (!caller.user) throw Error(Code::unauthorized, "Sign in first: this address needs an access token.");
}

void require_write_token(const hub::Caller& caller) {
  require_signed_in(caller);
  if (!caller.may_write()) throw Error(Code::forbidden, "This token may only read; create one with the role \"write\".");
}

void check_repo(const RouteRow& row, Context& context) {
  const auto type = find_row_type(row, context.request);
  if (!type) throw Error(Code::not_found, "There is no such address.");
  const hub::RepoId id{*type, context.request.param("ns"), context.request.param("name")};
  hub::Hub& hub = context.services.hub;
  context.repo = hub.get_repo(context.caller, id);
  if (context.repo->disabled && !context.caller.administrator()) throw Error(Code::forbidden, "Access to this resource is disabled.");
  if (row.access != Access::repo_write) return;
  require_write_token(context.caller);
  hub.require_write(context.caller, id);
}

void check_access(const RouteRow& row, Context& context) {
  switch (row.access) {
    case Access::anyone:
    case Access::signed_url: return;
    case Access::signed_in: return require_signed_in(context.caller);
    case Access::write_token: return require_write_token(context.caller);
    case Access::administrator:
      require_signed_in(context.caller);
      if (!context.caller.administrator()) throw Error(Code::forbidden, "Only an administrator may do this.");
      return;
    case Access::repo_read:
    case Access::repo_write: return check_repo(row, context);
  }
}

// OpenAI clients must send some key; one that is not ours means an anonymous caller there.
bool is_foreign_key(const RouteGroup& group, const http::Request& request) {
  const auto header = request.headers.find("Authorization");
  return group.name == "openai" && header && header->starts_with("Bearer ") && !header->starts_with("Bearer hf_");
}

http::Response run(const RouteGroup& group, const RouteRow& row, http::Request& request, Services& services, bool& anonymous) {
  Context context{request, services, {}, std::nullopt};
  if (row.access != Access::signed_url && !is_foreign_key(group, request)) context.caller = authenticate(request, services.hub);
  anonymous = row.access != Access::signed_url && !context.caller.user;
  check_access(row, context);
  return row.handler(context);
}

std::string_view openai_type(Code code) {
  switch (code) {
    case Code::unauthorized: return "authentication_error";
    case Code::forbidden: return "permission_error";
    case Code::too_many_requests: return "rate_limit_error";
    default: return http_status(code) >= 500 ? "server_error" : "invalid_request_error";
  }
}

http::Response refusal(const RouteGroup& group, const Error& error, bool anonymous) {
  // Anonymous callers learn only that they could sign in.
  const bool hide = anonymous && (error.tag() == "RepoNotFound" || error.code() == Code::forbidden);
  const Error shown = hide ? Error(Code::unauthorized, error.what(), error.tag()) : error;
  http::Response response = error_answer(shown);
  if (group.name == "openai")
    response.body = json::serialize(json::object{{"error", json::object{{"message", shown.what()}, {"type", openai_type(shown.code())},
                                                                        {"param", nullptr}, {"code", shown.tag().empty() ? json::value(nullptr) : json::value(shown.tag())}}}});
  if (response.status == 401) {
    const bool git = group.name == "git" || group.name == "lfs";
    response.headers.set("WWW-Authenticate", git ? "Basic realm=\"Lyceum\", charset=\"UTF-8\"" : "Bearer realm=\"Lyceum\"");
    if (git) response.headers.set("LFS-Authenticate", "Basic realm=\"Lyceum\"");
  }
  if (group.name == "lfs") {
    response.headers.set("Content-Type", "application/vnd.git-lfs+json");
    response.body = json::serialize(json::object{{"message", shown.what()}});
  }
  return response;
}

// An answer may depend on who asks, so it is for the asker's own cache only unless its handler says more.
void add_common_headers(http::Response& response) {
  if (!response.headers.find("Cache-Control")) response.headers.set("Cache-Control", "private, no-cache");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Access-Control-Expose-Headers",
                       "X-Repo-Commit, X-Request-Id, X-Error-Code, X-Error-Message, X-Total-Count, ETag, Link, Accept-Ranges, Content-Range, "
                       "X-Linked-Size, X-Linked-ETag, X-Xet-Hash");
}

}  // namespace

void require_same_origin(const http::Request& request, bool origin_required) {
  if (is_safe_method(request.method)) return;
  const auto origin = request.headers.find("Origin");
  if (!origin && !origin_required) return;
  const size_t host = request.base_url.find("://");
  const std::string own = request.base_url.substr(0, host == std::string::npos ? host : request.base_url.find('/', host + 3));
  if (!origin || *origin != own)
    throw Error(Code::forbidden, "This request did not come from the hub's own pages (Origin header); use an access token instead.");
}

// "name=value; other=…" → value.
std::optional<std::string> find_cookie(const http::Request& request, std::string_view name) {
  auto text = request.headers.find("Cookie");
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) return std::string(pair.substr(name.size() + 1));
  }
  return std::nullopt;
}

hub::Caller authenticate(const http::Request& request, hub::Hub& hub) {
  if (const auto header = request.headers.find("Authorization")) {
    const size_t space = std::min(header->find(' '), header->size());
    const std::string_view credentials = header->substr(std::min(space + 1, header->size()));
    std::string scheme(header->substr(0, space));
    for (char& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (scheme == "basic") {
      require_same_origin(request, false);
      return authenticate_basic(credentials, hub);
    }
    if (scheme != "bearer") refuse_credentials();
    auto caller = hub.authenticate(credentials);
    if (!caller) refuse_credentials();
    return *caller;
  }
  const auto cookie = find_cookie(request, kSessionCookie);
  if (!cookie) return {};
  const auto caller = hub.authenticate_session(*cookie);
  if (!caller) return {};
  require_same_origin(request, true);
  return *caller;
}

http::Router make_router(Services& services) {
  http::Router router;
  for (const RouteGroup& group : route_groups()) {
    for (const RouteRow& row : group.rows) {
      router.add({std::string(row.method), std::string(row.pattern), [&group, &row, &services](http::Request& request) {
                    bool anonymous = false;
                    http::Response response;
                    try {
                      response = run(group, row, request, services, anonymous);
                    } catch (const Error& error) {
                      if (error.code() == Code::internal || error.code() == Code::storage_full) log::error("{} {}: {}", request.method, request.path, error.what());
                      response = refusal(group, error, anonymous);
                    }
                    add_common_headers(response);
                    return response;
                  }});
    }
  }
  return router;
}

}  // namespace lyceum::api
