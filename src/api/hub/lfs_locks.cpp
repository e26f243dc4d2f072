// git-lfs file locks (git-lfs docs/api/locking.md).
#include "hub/lfs_locks.h"

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/lfs_links.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

constexpr size_t kPerPage = 100, kPerPageMax = 1000;

json::object lock_json(const hub::LfsLock& lock) {
  return {{"id", lock.id}, {"path", lock.path}, {"locked_at", iso8601(lock.locked_ms)}, {"owner", json::object{{"name", lock.owner}}}};
}

size_t number_or(const std::string& text, size_t fallback) {
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos) return fallback;
  return std::stoul(text);
}

size_t limit_or_default(size_t asked) { return asked == 0 ? kPerPage : std::min(asked, kPerPageMax); }

}  // namespace

http::Response lfs_create_lock(Context& context) {
  const std::string path = get_string(read_json_body(context), "path");
  hub::LfsLock made;
  if (const auto held = context.services.hub.lfs_locks().try_lock(context.caller, context.repo->repo_id, path, made))
    return lfs_answer(json::object{{"lock", lock_json(*held)}, {"message", "already created lock"}}, 409);
  return lfs_answer(json::object{{"lock", lock_json(made)}}, 201);
}

http::Response lfs_list_locks(Context& context) {
  const http::Request& request = context.request;
  const size_t offset = number_or(request.find_query("cursor").value_or(""), 0), limit = limit_or_default(number_or(request.find_query("limit").value_or(""), 0));
  const auto found =
      context.services.hub.lfs_locks().list(*context.repo, request.find_query("path").value_or(""), request.find_query("id").value_or(""), limit + 1, offset);
  json::array locks;
  for (size_t i = 0; i < std::min(found.size(), limit); ++i) locks.push_back(lock_json(found[i]));
  json::object out{{"locks", std::move(locks)}};
  if (found.size() > limit) out["next_cursor"] = std::to_string(offset + limit);
  return lfs_answer(out);
}

http::Response lfs_verify_locks(Context& context) {
  const json::object body = read_json_body(context);
  const size_t offset = number_or(find_string(body, "cursor").value_or(""), 0), limit = limit_or_default(static_cast<size_t>(std::max<int64_t>(0, find_int(body, "limit").value_or(0))));
  const auto found = context.services.hub.lfs_locks().list(*context.repo, "", "", limit + 1, offset);
  json::array ours, theirs;
  for (size_t i = 0; i < std::min(found.size(), limit); ++i) (found[i].owner == context.caller.user->name ? ours : theirs).push_back(lock_json(found[i]));
  json::object out{{"ours", std::move(ours)}, {"theirs", std::move(theirs)}};
  if (found.size() > limit) out["next_cursor"] = std::to_string(offset + limit);
  return lfs_answer(out);
}

http::Response lfs_unlock(Context& context) {
  const json::object body = read_json_body(context);
  const hub::LfsLock lock =
      context.services.hub.lfs_locks().unlock(context.caller, context.repo->repo_id, context.request.param("id"), find_bool(body, "force").value_or(false));
  return lfs_answer(json::object{{"lock", lock_json(lock)}});
}

}  // namespace lyceum::api
