// Xet tokens: signed claims that name a repository, a scope and a user. They live for an hour and are checked against the
// rights of the moment on every use, so a right that was taken away is gone at once.
#include "api/answer.h"
#include "api/services.h"
#include "api/signing.h"
#include "api/xet/handlers.h"
#include "api/xet/xet.h"
#include "base/hash.h"
#include "hub/tokens.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kPurpose = "xet";
constexpr int64_t kLifetimeMs = 3600 * 1000;

std::string asked_revision(const Context& context) { return http::percent_decode(escaped_tail(context.request, 5)); }

http::Response answer_token(Context& context, std::string_view scope) {
  hub::Hub& hub = context.services.hub;
  const hub::Repo& repo = *context.repo;
  const int64_t expires_ms = context.services.clock.now_ms() + kLifetimeMs;
  json::object claims{{"type", hub::plural(repo.repo_id.type)}, {"owner", repo.repo_id.owner}, {"name", repo.repo_id.name}, {"repo", repo.id}, {"scope", scope}};
  if (context.caller.user) claims["user"] = context.caller.user->name;
  if (context.caller.token) claims["token"] = context.caller.token->id;
  const std::string token = make_signed_token(hub, kPurpose, std::move(claims), expires_ms);
  const std::string base = xet_base_url(context.request, hub);

  http::Response response = json_answer(json::object{{"accessToken", token}, {"exp", expires_ms / 1000}, {"casUrl", base}});
  response.headers.set("X-Xet-Access-Token", token);
  response.headers.set("X-Xet-Token-Expiration", std::to_string(expires_ms / 1000));
  response.headers.set("X-Xet-Cas-Url", base);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

// The access token behind the Xet token is looked up again: it may have been revoked, and a fine-grained one reaches less than its user.
hub::Caller find_caller(hub::Hub& hub, const json::object& claims) {
  if (const auto id = find_int(claims, "token")) {
    const auto caller = hub.tokens().find_caller(*id);
    if (!caller) throw Error(Code::unauthorized, "The access token behind this Xet token is gone; fetch a new one.");
    return *caller;
  }
  const auto name = find_string(claims, "user");
  if (!name) return {};
  auto user = hub.find_user(*name);
  if (!user) throw Error(Code::unauthorized, "The user of this Xet token is gone; fetch a new token.");
  return {std::move(user), std::nullopt, {}};
}

}  // namespace

http::Response get_xet_read_token(Context& context) {
  context.services.hub.resolve_revision(*context.repo, asked_revision(context));
  return answer_token(context, "read");
}

// For a branch: the right to write. For a pull request, one's own or one about to be opened: the right to take part. In the last case
// huggingface_hub before 1.20 asks for the revision "None", so that nothing is looked up.
http::Response get_xet_write_token(Context& context) {
  hub::Hub& hub = context.services.hub;
  const std::string revision = asked_revision(context);
  const bool opens = is_true(context.request.find_query("create_pr"));
  if (!opens) hub.resolve_revision(*context.repo, revision);
  if (opens) hub.require_content(context.caller, *context.repo);
  else if (revision.starts_with("refs/pr/")) hub.require_commit(context.caller, context.repo->repo_id, revision);
  else hub.require_write(context.caller, context.repo->repo_id);
  return answer_token(context, opens || revision.starts_with("refs/pr/") ? "contribute" : "write");
}

XetCaller require_xet_caller(Context& context, hub::Scope scope) {
  hub::Hub& hub = context.services.hub;
  constexpr std::string_view kBearer = "Bearer ";
  const auto header = context.request.headers.find("Authorization");
  std::optional<json::object> claims;
  if (header && header->starts_with(kBearer))
    claims = find_signed_claims(hub, kPurpose, header->substr(kBearer.size()), context.services.clock.now_ms());
  if (!claims) throw Error(Code::unauthorized, "The Xet token is missing, wrong or expired; fetch a new one from the repository's xet-read-token address.");

  const std::string granted = get_string(*claims, "scope");
  if (scope == hub::Scope::write && granted == "read") throw Error(Code::forbidden, "This Xet token may only read; fetch one from xet-write-token.");
  const auto type = hub::find_repo_type(get_string(*claims, "type"));
  if (!type) throw Error(Code::unauthorized, "The Xet token names no repository type.");
  XetCaller out;
  out.caller = find_caller(hub, *claims);
  const hub::RepoId id{*type, get_string(*claims, "owner"), get_string(*claims, "name")};
  out.repo = hub.get_repo(out.caller, id);
  if (out.repo.id != get_int(*claims, "repo")) throw Error(Code::unauthorized, "The repository of this Xet token was replaced; fetch a new token.");
  if (out.repo.disabled && !out.caller.administrator()) throw Error(Code::forbidden, "Access to this resource is disabled.");
  if (scope == hub::Scope::write && granted != "contribute") {
    hub.require_write(out.caller, id);
  } else {
    hub.require_content(out.caller, out.repo);
  }
  return out;
}

xet::Hash require_hash(const Context& context, std::string_view parameter) {
  const std::string& text = context.request.param(parameter);
  const auto hash = xet::find_from_text(text);
  if (!hash) throw Error(Code::invalid_argument, "\"" + text + "\" is not a Xet hash: it needs 64 lower-case hexadecimal digits.");
  return *hash;
}

std::string xet_store_id(hub::Hub& hub) { return hmac_sha256_hex(hub.signing_key(), "xet store id").substr(0, 12); }

std::string xet_base_url(const http::Request& request, hub::Hub& hub) { return request.base_url + "/xet/" + xet_store_id(hub); }

http::Response post_xet_telemetry(Context& context) {
  if (context.request.body) context.request.body->read_all(1 << 20);
  return json_answer(json::object{});
}

}  // namespace lyceum::api
