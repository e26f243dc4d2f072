// Git LFS: the batch that hands out transfer links, and the transfers. Clients do not send our headers with a transfer
// (huggingface_hub, @huggingface/hub), so links are signed; a link names the repository, the digest and the size.
#include <algorithm>
#include <array>

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/lfs_links.h"
#include "api/hub/lfs_messages.h"
#include "api/services.h"
#include "api/signing.h"
#include "api/xet/xet.h"
#include "hub/quotas.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kMediaType = "application/vnd.git-lfs+json";

json::object link(const Context& context, std::string_view method, const std::string& oid, uint64_t size) {
  const std::string extra = method == "PUT" ? "size=" + std::to_string(size) : "";
  const int64_t expires = context.services.clock.now_ms() + kLfsLinkLife_ms;
  return {{"href", sign_url(context.services.hub, context.request.base_url, method, lfs_objects_path(context) + oid, expires, extra)},
          {"header", json::object{}}, {"expires_in", kLfsLinkLife_ms / 1000}};
}

json::object verify_link(const Context& context, const std::string& oid) {
  const int64_t expires = context.services.clock.now_ms() + kLfsLinkLife_ms;
  return {{"href", sign_url(context.services.hub, context.request.base_url, "POST", lfs_objects_path(context) + "verify", expires, "oid=" + oid)},
          {"header", json::object{}}, {"expires_in", kLfsLinkLife_ms / 1000}};
}

bool may_commit(const Context& context, const std::string& revision) {
  try {
    context.services.hub.require_commit(context.caller, context.repo->repo_id, revision);
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::forbidden && error.code() != Code::not_found) throw;
    return false;
  }
}

// A client that can cut files into chunks gets the address of a Xet write token instead of a link: of one for a pull request, if that is
// all the caller may open (@huggingface/hub asks exactly there).
std::optional<std::string> find_xet_refresh(const Context& context, const LfsBatch& batch) {
  if (!batch.xet) return std::nullopt;
  const std::string& revision = batch.revision;
  return context.request.base_url + "/api/" + std::string(hub::plural(context.repo->repo_id.type)) + "/" + http::percent_encode(context.repo->repo_id.owner) + "/" +
         http::percent_encode(context.repo->repo_id.name) + "/xet-write-token/" + http::percent_encode(revision) + (may_commit(context, revision) ? "" : "?create_pr=1");
}

json::object object_error(json::object object, int code, const std::string& message) {
  object["error"] = json::object{{"code", code}, {"message", message}};
  return object;
}

// Whoever may open a pull request may upload for it: huggingface_hub and git name the base branch then, or a ref that is not there yet.
// Nothing shows in the repository until a commit names the file, and the commit is checked against its ref.
void require_upload(const Context& context) {
  require_participation(context.caller, *context.repo);
  context.services.hub.require_content(context.caller, *context.repo);
}

// What one batch asks for: how the client can send, and how much it has been promised room for.
struct BatchPlan {
  bool upload = false, parts = false;
  std::optional<std::string> xet_refresh;
  uint64_t promised_bytes = 0;
};

// Empty, or why the object does not fit.
std::string find_quota_problem(const Context& context, BatchPlan& plan, uint64_t size) {
  try {
    context.services.hub.quotas().require_room(*context.repo, plan.promised_bytes + size);
  } catch (const Error& error) {
    if (error.tag() != "QuotaExceeded") throw;  // the database cannot be asked: that is no quota
    return error.what();
  }
  plan.promised_bytes += size;
  return "";
}

json::object plan_object(const Context& context, const LfsObject& asked, BatchPlan& plan) {
  hub::Hub& hub = context.services.hub;
  const auto& [oid, size] = asked;
  json::object out{{"oid", oid}, {"size", size}, {"authenticated", true}};
  if (!asked.sound()) return object_error(std::move(out), 422, "oid must be a SHA-256 in hexadecimal, size not negative");
  const bool stored = hub.has_blob(oid) && hub.repo_has_blob(*context.repo, oid);
  if (!plan.upload) {
    if (!stored) return object_error(std::move(out), 404, "Object does not exist in this repository");
    out["actions"] = json::object{{"download", link(context, "GET", oid, 0)}};
    return out;
  }
  if (stored) {
    if (hub.blob_size(oid) != static_cast<uint64_t>(size)) return object_error(std::move(out), 422, "The stored object of this oid has another size");
    hub.link_blob(*context.repo, oid);  // kept from garbage collection until the client's commit comes
    return out;                         // without "actions": the client has nothing to do
  }
  if (const std::string problem = find_quota_problem(context, plan, static_cast<uint64_t>(size)); !problem.empty()) return object_error(std::move(out), 403, problem);
  if (plan.xet_refresh) {
    out["actions"] = json::object{{"upload", json::object{{"href", *plan.xet_refresh}, {"header", json::object{}}}}};
    return out;
  }
  if (plan.parts && static_cast<uint64_t>(size) > context.services.lfs_part_bytes) {
    out["actions"] = json::object{{"upload", lfs_parts_action(context, oid, static_cast<uint64_t>(size))}, {"verify", verify_link(context, oid)}};
    return out;
  }
  out["actions"] = json::object{{"upload", link(context, "PUT", oid, static_cast<uint64_t>(size))}, {"verify", verify_link(context, oid)}};
  return out;
}

bool in_parts(const json::object& planned) {
  const json::object* actions = find_object(planned, "actions");
  const json::object* action = actions ? find_object(*actions, "upload") : nullptr;
  const json::object* header = action ? find_object(*action, "header") : nullptr;
  return header && header->contains("chunk_size");
}

// True if as many bytes came as the link was made for.
uint64_t receive(const Context& context, hub::BlobWriter& writer, uint64_t size) {
  uint64_t received = 0;
  while (context.request.body) {
    const size_t got = context.request.body->read(writer.room());
    if (got == 0) break;
    received += got;
    if (received > size) break;
    writer.filled(got);
  }
  return received;
}

}  // namespace

http::Response lfs_answer(const json::value& value, int status) {
  http::Response response = json_answer(value, status);
  response.headers.set("Content-Type", kMediaType);
  return response;
}

std::string lfs_objects_path(const Context& context) { return repo_path(context.repo->repo_id) + ".git/info/lfs/objects/"; }

hub::Repo signed_repo(const Context& context) {
  const hub::RepoType type = context.request.path.starts_with("/datasets/") ? hub::RepoType::dataset
                             : context.request.path.starts_with("/spaces/") ? hub::RepoType::space
                                                                            : hub::RepoType::model;
  hub::Caller hub_itself;
  hub_itself.user.emplace().administrator = true;
  return context.services.hub.get_repo(hub_itself, {type, context.request.param("ns"), context.request.param("name")});
}

uint64_t signed_number(const http::Request& request, std::string_view name) { return std::stoull(request.find_query(name).value_or("0")); }

http::Response lfs_batch(Context& context) {
  const json::object body = read_json_body(context, kLfsBatchBytesMax);
  const bool upload = is_lfs_upload(body);
  if (!upload) context.services.hub.require_content(context.caller, *context.repo);
  if (upload) {
    if (!context.caller.user) throw Error(Code::unauthorized, "Sign in to upload: use an access token as the password.");
    require_upload(context);
  }
  const LfsBatch batch = parse_lfs_batch(body);
  BatchPlan plan{.upload = upload, .parts = upload && batch.multipart, .xet_refresh = upload ? find_xet_refresh(context, batch) : std::nullopt};
  json::array out;
  bool any_parts = false;
  for (const LfsObject& one : batch.objects) {
    out.push_back(plan_object(context, one, plan));
    any_parts = any_parts || in_parts(out.back().as_object());
  }
  return lfs_answer(json::object{{"transfer", plan.xet_refresh ? "xet" : any_parts ? "multipart" : "basic"}, {"objects", std::move(out)}, {"hash_algo", "sha256"}});
}

http::Response lfs_upload(Context& context) {
  hub::Hub& hub = context.services.hub;
  require_signed_url(context.request, hub, context.services.clock.now_ms());
  const hub::Repo repo = signed_repo(context);
  const std::string& oid = context.request.param("oid");
  const uint64_t size = signed_number(context.request, "size");
  const auto writer = hub.write_blob();
  if (const uint64_t received = receive(context, *writer, size); received != size)
    throw Error(Code::unprocessable, "The link is for " + std::to_string(size) + " bytes; " + (received > size ? "more" : std::to_string(received)) + " came.");
  writer->finish(oid);
  hub.link_blob(repo, oid);
  // Not indexed for Xet here: cutting and hashing it again costs more than receiving it. The first reader asks for that (resolve.cpp).
  http::Response response = http::Response::text("");
  response.headers.set("ETag", "\"" + oid + "\"");
  return response;
}

http::Response lfs_download(Context& context) {
  hub::Hub& hub = context.services.hub;
  require_signed_url(context.request, hub, context.services.clock.now_ms());
  const std::string& oid = context.request.param("oid");
  if (!hub.has_blob(oid) || !hub.repo_has_blob(signed_repo(context), oid)) throw Error(Code::not_found, "Object does not exist in this repository");
  if (const std::string url = hub.blob_url(oid, "attachment", "application/octet-stream"); !url.empty()) return redirect_answer(url);
  http::Response response = http::ranged_file(context.request, hub.blob_path(oid), hub.blob_size(oid), "application/octet-stream");
  response.headers.set("Content-Disposition", "attachment");
  response.headers.set("Content-Security-Policy", "default-src 'none'; sandbox");
  return response;
}

http::Response lfs_verify(Context& context) {
  hub::Hub& hub = context.services.hub;
  require_signed_url(context.request, hub, context.services.clock.now_ms());
  const LfsObject asked = parse_lfs_object(read_json_body(context));
  const std::string oid = context.request.find_query("oid").value_or("");
  if (asked.oid != oid) throw Error(Code::unprocessable, "This link verifies another object.");
  if (!hub.has_blob(oid) || !hub.repo_has_blob(signed_repo(context), oid)) throw Error(Code::not_found, "Object does not exist in this repository");
  const uint64_t size = hub.blob_size(oid);
  if (size != static_cast<uint64_t>(asked.size)) throw Error(Code::unprocessable, "The stored object has " + std::to_string(size) + " bytes.");
  return lfs_answer(json::object{});
}

}  // namespace lyceum::api
