// The table of the hub protocol. {rest*} is "revision/path", taken apart by split_revision_path() from the escaped text,
// because a revision may hold slashes. Web addresses have no prefix for models, so their rows come three times.
#include "api/groups.h"
#include "api/hub/handlers.h"

namespace lyceum::api {
namespace {

using enum Access;

#define LYCEUM_WEB_ROWS(method, tail, access, summary, handler)           \
  {method, "/datasets/{ns}/{name}" tail, access, summary, handler},       \
  {method, "/spaces/{ns}/{name}" tail, access, summary, handler},         \
  {method, "/{ns}/{name}" tail, access, summary, handler}

constexpr RouteRow kHubRows[] = {
    // Identity.
    {"GET", "/api/whoami-v2", signed_in, "Who the token belongs to", who_am_i},
    {"HEAD", "/api/telemetry/{topic*}", anyone, "Accepts and forgets a client's telemetry", accept_telemetry},
    {"GET", "/api/agent-harnesses", anyone, "Registry of coding agents: empty", list_agent_harnesses},
    {"POST", "/api/validate-yaml", anyone, "Checks a card's YAML front matter", validate_yaml},
    {"GET", "/api/users/{user}/overview", anyone, "A user's public profile", describe_user},
    {"GET", "/api/users/{user}/followers", anyone, "Followers: empty", answer_empty_list},
    {"GET", "/api/users/{user}/following", anyone, "Followed users: empty", answer_empty_list},
    {"GET", "/api/users/{user}/likes", anyone, "Liked repositories: empty", answer_empty_list},
    {"GET", "/api/organizations/{organisation}/overview", anyone, "An organisation's public profile", describe_organisation},
    {"GET", "/api/organizations/{organisation}/followers", anyone, "Followers: empty", answer_empty_list},
    {"GET", "/api/settings/repositories", signed_in, "Repositories of the caller", list_own_repos},
    {"GET", "/api/organizations/{organisation}/settings/repositories", signed_in, "Repositories of an organisation", list_own_repos},

    // Repositories.
    {"POST", "/api/repos/create", write_token, "Creates a repository", create_repo},
    {"DELETE", "/api/repos/delete", write_token, "Deletes a repository", delete_repo},
    {"POST", "/api/repos/move", write_token, "Renames or transfers a repository", move_repo},
    {"PUT", "/api/{type}/{ns}/{name}/settings", repo_write, "Changes visibility and gating", update_settings},
    {"POST", "/api/{type}/{ns}/{name}/branch/{branch*}", repo_write, "Creates a branch", create_branch},
    {"DELETE", "/api/{type}/{ns}/{name}/branch/{branch*}", repo_write, "Deletes a branch", delete_branch},
    {"POST", "/api/{type}/{ns}/{name}/tag/{revision*}", repo_write, "Tags a revision", create_tag},
    {"DELETE", "/api/{type}/{ns}/{name}/tag/{tag*}", repo_write, "Deletes a tag", delete_tag},
    {"GET", "/api/{type}/{ns}/{name}/auth-check", repo_read, "May the caller read?", check_auth},
    {"GET", "/api/{type}/{ns}/{name}/auth-check/write", repo_write, "May the caller write?", check_auth},

    // Listing. One row each: a parameter would also match every other one-segment address.
    {"GET", "/api/models", anyone, "Lists models", list_repos},
    {"GET", "/api/datasets", anyone, "Lists datasets", list_repos},
    {"GET", "/api/spaces", anyone, "Lists Spaces", list_repos},
    {"GET", "/api/models-tags-by-type", anyone, "Tags of models, by kind", list_tags_by_type},
    {"GET", "/api/datasets-tags-by-type", anyone, "Tags of datasets, by kind", list_tags_by_type},

    // Metadata.
    {"GET", "/api/models/{name}", anyone, "A name without an owner", refuse_one_segment},
    {"GET", "/api/datasets/{name}", anyone, "A name without an owner", refuse_one_segment},
    {"GET", "/api/spaces/{name}", anyone, "A name without an owner", refuse_one_segment},
    {"GET", "/api/{type}/{ns}/{name}", repo_read, "A repository's metadata", describe_repo},
    {"GET", "/api/{type}/{ns}/{name}/revision/{rest*}", repo_read, "A repository's metadata at a revision", describe_repo},
    {"GET", "/api/models/{ns}/{name}/safetensors-metadata/{file*}", repo_read, "Headers of sharded safetensors files", describe_safetensors},
    {"GET", "/api/{type}/{ns}/{name}/refs", repo_read, "Branches, tags and pull requests", list_refs},
    {"GET", "/api/{type}/{ns}/{name}/commits/{rest*}", repo_read, "History of a revision", list_commits},
    {"GET", "/api/{type}/{ns}/{name}/tree/{rest*}", repo_read, "Files and folders", list_tree},
    {"POST", "/api/{type}/{ns}/{name}/paths-info/{rest*}", repo_read, "Facts about named paths", describe_paths},
    {"GET", "/api/{type}/{ns}/{name}/treesize/{rest*}", repo_read, "Bytes under a folder", measure_tree},
    {"GET", "/api/{type}/{ns}/{name}/likers", repo_read, "Who likes the repository: empty", answer_empty_list},
    {"GET", "/api/{type}/{ns}/{name}/discussions", repo_read, "Discussions and pull requests", list_discussions},
    {"POST", "/api/{type}/{ns}/{name}/discussions", repo_write, "Opens a pull request", create_discussion},
    {"GET", "/api/{type}/{ns}/{name}/discussions/{num}", repo_read, "One discussion", describe_discussion},

    // Upload.
    {"POST", "/api/{type}/{ns}/{name}/preupload/{rest*}", repo_write, "Which files are large, ignored or unchanged", plan_upload},
    {"POST", "/api/{type}/{ns}/{name}/commit/{rest*}", repo_write, "Makes a commit", commit_files},

    // Files.
    LYCEUM_WEB_ROWS("GET", "/resolve/{rest*}", repo_read, "A file's content", resolve_file),
    LYCEUM_WEB_ROWS("GET", "/raw/{rest*}", repo_read, "A file as git has it (large files as pointers)", serve_raw),
    {"GET", "/{name}/resolve/{rest*}", anyone, "A name without an owner", refuse_one_segment},
};

constexpr RouteRow kLfsRows[] = {
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/objects/batch", repo_read, "LFS batch (uploads ask for the right to write)", lfs_batch),
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/objects/verify", signed_url, "LFS verify", lfs_verify),
    LYCEUM_WEB_ROWS("PUT", ".git/info/lfs/objects/{oid}", signed_url, "LFS upload", lfs_upload),
    LYCEUM_WEB_ROWS("GET", ".git/info/lfs/objects/{oid}", signed_url, "LFS download", lfs_download),
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/locks/verify", repo_read, "LFS locks: not supported", lfs_no_locks),
    LYCEUM_WEB_ROWS("GET", ".git/info/lfs/locks", repo_read, "LFS locks: not supported", lfs_no_locks),
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/locks", repo_read, "LFS locks: not supported", lfs_no_locks),
};

}  // namespace

std::span<const RouteRow> hub_rows() { return kHubRows; }
std::span<const RouteRow> lfs_rows() { return kLfsRows; }

}  // namespace lyceum::api
