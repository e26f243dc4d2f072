// Every row is wrapped here: who asks, may they, then the handler. Nothing reaches a handler without passing its row's rule.
//
// A repository that the caller may not see answers as if it did not exist: 404 to a known caller, 401 to an anonymous one (git
// asks for a password only then), both with X-Error-Code: RepoNotFound.
#include <array>

#include "api/answer.h"
#include "api/answer_cache.h"
#include "api/rate_limits.h"
#include "api/route.h"
#include "api/services.h"
#include "base/bytes.h"
#include "base/log.h"
#include "hub/audit.h"
#include "hub/downloads.h"
#include "hub/oauth_apps.h"
#include "hub/sessions.h"

namespace lyceum::api {
namespace {

[[noreturn]] void refuse_credentials() { throw Error(Code::unauthorized, "Invalid credentials in Authorization header"); }

// Clients put the token in either half of "user:password"; people may use their password.
hub::Caller authenticate_basic(const http::Request& request, std::string_view encoded, Services& services) {
  const auto text = find_from_base64(encoded);
  const size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) refuse_credentials();
  const std::string name = text->substr(0, colon), password = text->substr(colon + 1);
  for (const std::string& candidate : {password, name})
    if (candidate.starts_with("hf_"))
      if (const auto caller = services.hub.authenticate(candidate)) return *caller;
  if (!name.empty() && !password.empty() && !password.starts_with("hf_"))
    if (const auto user = try_sign_in(request, services, name, password)) return {user, std::nullopt, {}};
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
  if (caller.fine_grained()) throw Error(Code::forbidden, "A fine-grained token does not reach this; use one with the role \"write\".");
  if (!caller.may_write()) throw Error(Code::forbidden, "This token may only read; create one with the role \"write\".");
}

void require_scoped_write(const hub::Caller& caller) {
  require_signed_in(caller);
  if (!caller.may_change_something()) throw Error(Code::forbidden, "This token may only read; create one with the role \"write\".");
}

}  // namespace

void require_participation(const hub::Caller& caller, const hub::Repo& repo) {
  require_signed_in(caller);
  if (!caller.lets(hub::kWriteDiscussion, repo.id, repo.owner_id))
    throw Error(Code::forbidden, "This token may only read here; use one with the role \"write\", or with discussion.write for this repository.");
}

namespace {

void check_repo(const RouteRow& row, Context& context) {
  const auto type = find_row_type(row, context.request);
  if (!type) throw Error(Code::not_found, "There is no such address.");
  const hub::RepoId id{*type, context.request.param("ns"), context.request.param("name")};
  hub::Hub& hub = context.services.hub;
  context.repo = hub.get_repo(context.caller, id);
  if (context.repo->disabled && !context.caller.administrator()) throw Error(Code::forbidden, "Access to this resource is disabled.");
  if (row.access == Access::repo_content) return hub.require_content(context.caller, *context.repo);
  if (row.access == Access::repo_participate) return require_participation(context.caller, *context.repo);
  if (row.access != Access::repo_write) return;
  require_signed_in(context.caller);
  hub.require_write(context.caller, id);
}

void check_access(const RouteRow& row, Context& context) {
  switch (row.access) {
    case Access::anyone:
    case Access::signed_url: return;
    case Access::signed_in: return require_signed_in(context.caller);
    case Access::write_token: return require_write_token(context.caller);
    case Access::scoped_write: return require_scoped_write(context.caller);
    case Access::administrator:
      require_signed_in(context.caller);
      if (!context.caller.administrator()) throw Error(Code::forbidden, "Only an administrator may do this.");
      return;
    case Access::repo_read:
    case Access::repo_content:
    case Access::repo_participate:
    case Access::repo_write: return check_repo(row, context);
  }
}

// Clients of models' APIs must send some key; one that is not ours means an anonymous caller there.
bool is_foreign_key(const RouteGroup& group, const http::Request& request) {
  const auto header = request.headers.find("Authorization");
  if (group.error_text == nullptr || !header) return false;
  return *header == "Bearer" || (header->starts_with("Bearer ") && !header->starts_with("Bearer hf_"));   // some send an empty one
}

// Anthropic's clients name their key so.
std::optional<hub::Caller> find_api_key_caller(const RouteGroup& group, const http::Request& request, Services& services) {
  const auto key = request.headers.find("X-Api-Key");
  if (group.error_text == nullptr || !key || !key->starts_with("hf_") || request.headers.find("Authorization")) return std::nullopt;
  const auto caller = services.hub.authenticate(*key);
  if (!caller) refuse_credentials();
  return caller;
}

// An application may send its own secret in Basic form there (RFC 6749, 2.3.1), which is nobody's token.
bool reads_own_credentials(const RouteGroup& group, const RouteRow& row, const http::Request& request) {
  if (is_foreign_key(group, request)) return true;
  const auto header = request.headers.find("Authorization");
  return (row.pattern == "/oauth/token" || row.pattern == "/oauth/revoke") && header && http::equal_no_case(header->substr(0, 6), "basic ");
}

// Which budget of requests a row takes from: bytes of repositories, or everything else. Signed links were counted when they were made.
std::string_view resource_of(const RouteGroup& group, const RouteRow& row) {
  if (group.name == "static" || row.access == Access::signed_url) return "";
  const bool content = group.name == "git" || group.name == "lfs" || group.name == "xet" || row.access == Access::repo_content;
  return content ? RateLimits::kFiles : RateLimits::kApi;
}

// What a request came to, for the headers of its answer, whether it succeeds or not.
struct Outcome {
  bool anonymous = false;
  RateLimits::Verdict limit;
};

void add_common_headers(http::Response& response);

void keep_answer(Context& context, const RouteRow& row, std::optional<uint64_t> version, const http::Response& response) {
  AnswerCache* const answers = context.services.answers;
  if (answers == nullptr || !version || !context.file_to_keep || !AnswerCache::takes(context.request)) return;
  int64_t until = context.services.clock.now_ms() + AnswerCache::kLifeMs;
  if (context.caller.token && context.caller.token->expires_ms != 0) until = std::min(until, context.caller.token->expires_ms);
  AnswerCache::Answer answer{*version, until, context.caller, *context.repo, *context.file_to_keep, row.pattern, response};
  add_common_headers(answer.response);
  answers->put(context.request, std::move(answer));
}

http::Response run(const RouteGroup& group, const RouteRow& row, http::Request& request, Services& services, Outcome& outcome) {
  const std::optional<uint64_t> version = services.hub.version();  // before anything is read
  Context context{request, services, {}, std::nullopt, std::nullopt};
  if (row.access != Access::signed_url && !reads_own_credentials(group, row, request)) {
    const auto keyed = find_api_key_caller(group, request, services);
    context.caller = keyed ? *keyed : authenticate(request, services);
  }
  context.caller.address = request.remote;
  outcome.anonymous = row.access != Access::signed_url && !context.caller.user;
  if (const auto resource = resource_of(group, row); services.limits != nullptr && !resource.empty()) {
    outcome.limit = services.limits->count(context.caller, request.remote, resource);
    if (outcome.limit.exceeded) throw Error(Code::too_many_requests, "Too many requests; try again in " + std::to_string(outcome.limit.reset_s) + " s.");
  }
  check_access(row, context);
  http::Response response = row.handler(context);
  keep_answer(context, row, version, response);
  return response;
}

// As huggingface_hub reads them; a client that obeys waits until the window ends.
void add_limit_headers(http::Response& response, const RateLimits::Verdict& limit) {
  if (limit.quota == 0) return;
  response.headers.set("RateLimit", "\"" + std::string(limit.resource) + "\";r=" + std::to_string(limit.remaining) + ";t=" + std::to_string(limit.reset_s));
  response.headers.set("RateLimit-Policy", "\"fixed window\";\"" + std::string(limit.resource) + "\";q=" + std::to_string(limit.quota) + ";w=" + std::to_string(RateLimits::kWindowS));
  if (limit.exceeded) response.headers.set("Retry-After", std::to_string(limit.reset_s));
}

http::Response refusal(const RouteGroup& group, const Error& error, bool anonymous) {
  // Anonymous callers learn only that they could sign in.
  const bool hide = anonymous && (error.tag() == "RepoNotFound" || error.code() == Code::forbidden);
  const Error hidden(Code::unauthorized, error.what(), error.tag());
  const Error& shown = hide ? hidden : error;
  http::Response response = error_answer(shown);
  if (group.error_text != nullptr) response.body = group.error_text(shown);
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
  response.headers.add("Vary", "Origin");  // add_cross_origin_headers
  response.headers.set("Access-Control-Expose-Headers",
                       "X-Repo-Commit, X-Request-Id, X-Error-Code, X-Error-Message, X-Total-Count, ETag, Link, Accept-Ranges, Content-Range, "
                       "X-Linked-Size, X-Linked-ETag, X-Xet-Hash");
}

// Pages of a registered application's origin may read answers (they send a token, never a cookie: credentials are not allowed across
// origins). Nobody else's may: what is public inside a company is not for every site that its people visit.
void add_cross_origin_headers(const http::Request& request, http::Response& response, Services& services) {
  const auto origin = request.headers.find("Origin");
  if (!origin) return;
  try {
    if (services.hub.oauth_apps().allows_origin(*origin)) response.headers.set("Access-Control-Allow-Origin", *origin);
  } catch (const Error& error) {  // what was done is done: the page may only not read it
    log::warn("the origin of {} {} was not looked up: {}", request.method, request.path, error.what());
  }
}

}  // namespace

std::string_view name(Access access) {
  switch (access) {
    case Access::anyone: return "anyone";
    case Access::signed_in: return "signed_in";
    case Access::write_token: return "write_token";
    case Access::scoped_write: return "scoped_write";
    case Access::administrator: return "administrator";
    case Access::repo_read: return "repo_read";
    case Access::repo_content: return "repo_content";
    case Access::repo_participate: return "repo_participate";
    case Access::repo_write: return "repo_write";
    case Access::signed_url: return "signed_url";
  }
  return "";
}

void require_same_origin(const http::Request& request, bool origin_required) {
  if (is_safe_method(request.method)) return;
  const auto refuse = [] { throw Error(Code::forbidden, "This request did not come from the hub's own pages (Origin header); use an access token instead."); };
  if (const auto site = request.headers.find("Sec-Fetch-Site"); site && *site != "same-origin" && *site != "none") refuse();
  const auto origin = request.headers.find("Origin");
  if (!origin) {
    if (origin_required && request.headers.find("Sec-Fetch-Site") != "same-origin") refuse();
    return;
  }
  const size_t host = request.base_url.find("://");
  if (*origin != request.base_url.substr(0, host == std::string::npos ? host : request.base_url.find('/', host + 3))) refuse();
}

std::string session_cookie_name(const http::Request& request) {
  return (request.base_url.starts_with("https://") ? "__Host-" : "") + std::string(kSessionCookie);
}

std::optional<hub::User> try_sign_in(const http::Request& request, Services& services, const std::string& name, const std::string& password) {
  if (services.limits != nullptr) services.limits->require_attempt(name, request.remote);
  auto user = services.hub.try_password(name, password);
  if (user) return user;
  if (services.limits != nullptr) services.limits->count_failure(name, request.remote);
  hub::Caller nobody;
  nobody.address = request.remote;
  services.hub.audit().record_alone(nobody, "session.refused", name.substr(0, 96));
  return std::nullopt;
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

hub::Caller authenticate(const http::Request& request, Services& services) {
  hub::Hub& hub = services.hub;
  if (const auto header = request.headers.find("Authorization")) {
    const size_t space = std::min(header->find(' '), header->size());
    const std::string_view credentials = header->substr(std::min(space + 1, header->size()));
    std::string scheme(header->substr(0, space));
    for (char& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (scheme == "basic") {
      require_same_origin(request, false);
      return authenticate_basic(request, credentials, services);
    }
    if (scheme != "bearer") refuse_credentials();
    auto caller = hub.authenticate(credentials);
    if (!caller) refuse_credentials();
    return *caller;
  }
  const auto cookie = find_cookie(request, session_cookie_name(request));
  if (!cookie) return {};
  const auto caller = hub.sessions().authenticate(*cookie);
  if (!caller) return {};
  require_same_origin(request, true);
  return *caller;
}

std::optional<http::Response> find_kept_answer(http::Request& request, Services& services) {
  const auto version = services.hub.version();
  if (services.answers == nullptr || !version || !AnswerCache::takes(request)) return std::nullopt;
  const auto kept = services.answers->find(request, *version, services.clock.now_ms());
  if (!kept || (kept->response.file && request.method == "GET")) return std::nullopt;  // reading a file may block
  RateLimits::Verdict limit;
  if (services.limits != nullptr) limit = services.limits->count(kept->caller, request.remote, RateLimits::kFiles);
  if (limit.exceeded) return std::nullopt;
  const uint64_t bytes = request.method == "HEAD" ? 0 : kept->response.body.size();
  services.hub.downloads().record(kept->repo, {kept->path, request.remote, request.headers.find("User-Agent").value_or(""), bytes});
  request.route = kept->route;
  http::Response response = kept->response;
  add_limit_headers(response, limit);
  return response;
}

http::Router make_router(Services& services) {
  http::Router router;
  for (const RouteGroup& group : route_groups()) {
    for (const RouteRow& row : group.rows) {
      router.add({std::string(row.method), std::string(row.pattern), [&group, &row, &services](http::Request& request) {
                    Outcome outcome;
                    http::Response response;
                    try {
                      response = run(group, row, request, services, outcome);
                    } catch (const Error& error) {
                      if (error.code() == Code::internal || error.code() == Code::storage_full) log::error("{} {}: {}", request.method, request.path, error.what());
                      response = refusal(group, error, outcome.anonymous);
                    }
                    add_limit_headers(response, outcome.limit);
                    add_common_headers(response);
                    add_cross_origin_headers(request, response, services);
                    return response;
                  }});
    }
  }
  return router;
}

}  // namespace lyceum::api
