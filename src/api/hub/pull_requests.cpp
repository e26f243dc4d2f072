#include "api/hub/pull_requests.h"

#include <algorithm>
#include <charconv>

#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

std::string record_key(const hub::Repo& repo, int64_t num) { return "pull_request/" + repo.public_id + "/" + std::to_string(num); }

int64_t number_of(const hub::Refs::Ref& ref) {
  const std::string_view text = std::string_view(ref.ref).substr(ref.ref.rfind('/') + 1);
  int64_t num = 0;
  std::from_chars(text.data(), text.data() + text.size(), num);
  return num;
}

// A ref pushed with git has no record; it still is a pull request.
PullRequest load(Context& context, int64_t num) {
  PullRequest out{num, "Pull request " + std::to_string(num), "", "", "open", context.repo->created_ms};
  const json::value stored = context.services.hub.setting(record_key(*context.repo, num));
  if (!stored.is_object()) return out;
  const json::object& record = stored.as_object();
  out.title = get_string(record, "title");
  out.description = get_string(record, "description");
  out.author = get_string(record, "author");
  out.status = get_string(record, "status");
  out.created_ms = get_int(record, "created_ms");
  return out;
}

}  // namespace

std::vector<PullRequest> pull_requests(Context& context) {
  std::vector<PullRequest> out;
  for (const auto& ref : context.services.hub.refs(*context.repo).pull_requests) out.push_back(load(context, number_of(ref)));
  std::sort(out.begin(), out.end(), [](const PullRequest& a, const PullRequest& b) { return a.num > b.num; });
  return out;
}

std::optional<PullRequest> find_pull_request(Context& context, int64_t num) {
  for (PullRequest& one : pull_requests(context))
    if (one.num == num) return std::move(one);
  return std::nullopt;
}

PullRequest open_pull_request(Context& context, const std::string& title, const std::string& description, const std::string& status) {
  hub::Hub& hub = context.services.hub;
  PullRequest out{0, title, description, context.caller.user->name, status, context.services.clock.now_ms()};
  for (const auto& ref : hub.refs(*context.repo).pull_requests) out.num = std::max(out.num, number_of(ref));
  // Two callers may try the same number; the loser of create_branch takes the next.
  for (int attempt = 0;; ++attempt) {
    ++out.num;
    try {
      hub.create_branch(context.caller, context.repo->repo_id, out.ref(), "main");
      break;
    } catch (const Error& error) {
      if (error.code() != Code::conflict || attempt == 16) throw;
    }
  }
  hub.set_setting(record_key(*context.repo, out.num), json::object{{"title", out.title}, {"description", out.description}, {"author", out.author},
                                                                   {"status", out.status}, {"created_ms", out.created_ms}});
  return out;
}

std::string pull_request_url(const Context& context, int64_t num) {
  return repo_url(context.request, context.repo->repo_id) + "/discussions/" + std::to_string(num);
}

}  // namespace lyceum::api
