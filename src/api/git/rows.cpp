// Clone, fetch and push. Every address exists with and without ".git"; reading asks for repo_read, and a push is checked again in
// its handler because info/refs serves both.
#include "api/git/handlers.h"
#include "api/groups.h"

namespace lyceum::api {
namespace {

using enum Access;

#define LYCEUM_GIT_ROWS(method, tail, access, summary, handler)                \
  {method, "/datasets/{ns}/{name}.git" tail, access, summary, handler},        \
  {method, "/spaces/{ns}/{name}.git" tail, access, summary, handler},          \
  {method, "/{ns}/{name}.git" tail, access, summary, handler},                 \
  {method, "/datasets/{ns}/{name}" tail, access, summary, handler},            \
  {method, "/spaces/{ns}/{name}" tail, access, summary, handler},              \
  {method, "/{ns}/{name}" tail, access, summary, handler}

constexpr RouteRow kRows[] = {
    LYCEUM_GIT_ROWS("GET", "/info/refs", repo_read, "git: refs (a push asks for the right to write)", advertise_refs),
    LYCEUM_GIT_ROWS("POST", "/git-upload-pack", repo_content, "git: clone and fetch", upload_pack),
    LYCEUM_GIT_ROWS("POST", "/git-receive-pack", repo_participate, "git: push (without the right to write: to one's own pull request)", receive_pack),
};

}  // namespace

std::span<const RouteRow> git_rows() { return kRows; }

}  // namespace lyceum::api
