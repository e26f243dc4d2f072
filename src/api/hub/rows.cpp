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
    {"GET", "/api/users/{user}/followers", anyone, "Who follows the user", list_followers},
    {"GET", "/api/users/{user}/following", anyone, "Whom the user follows", list_following},
    {"POST", "/api/users/{user}/follow", write_token, "Follows a user", follow},
    {"DELETE", "/api/users/{user}/follow", write_token, "Stops following a user", unfollow},
    {"GET", "/api/users/{user}/likes", anyone, "Repositories that the user likes, as far as the caller may see them", list_liked_repos},
    {"GET", "/api/organizations/{organisation}/overview", anyone, "An organisation's public profile", describe_organisation},
    {"GET", "/api/organizations/{organisation}/members", anyone, "Members; their roles for members only", list_members},
    {"GET", "/api/organizations/{organisation}/followers", anyone, "Who follows the organisation", list_followers},
    {"POST", "/api/organizations/{organisation}/follow", write_token, "Follows an organisation", follow},
    {"DELETE", "/api/organizations/{organisation}/follow", write_token, "Stops following an organisation", unfollow},
    {"GET", "/api/settings/repositories", signed_in, "Repositories of the caller", list_own_repos},
    {"GET", "/api/organizations/{organisation}/settings/repositories", signed_in, "Repositories of an organisation, for its members", list_own_repos},

    // Collections.
    {"GET", "/api/collections", anyone, "Collections, by owner, item or text", list_collections},
    {"POST", "/api/collections", scoped_write, "Creates a collection", create_collection},
    {"GET", "/api/collections/{ns}/{slug}", anyone, "A collection with its items", describe_collection},
    {"PATCH", "/api/collections/{ns}/{slug}", scoped_write, "Changes title, description, theme, position or visibility", update_collection},
    {"DELETE", "/api/collections/{ns}/{slug}", scoped_write, "Deletes a collection", delete_collection},
    {"POST", "/api/collections/{ns}/{slug}/items", scoped_write, "Adds an item", add_collection_item},
    {"POST", "/api/collections/{ns}/{slug}/items/batch", scoped_write, "Changes or removes several items", change_collection_items},
    {"PATCH", "/api/collections/{ns}/{slug}/items/{item}", scoped_write, "Changes an item's note or position", update_collection_item},
    {"DELETE", "/api/collections/{ns}/{slug}/items/{item}", scoped_write, "Removes an item", delete_collection_item},
    {"POST", "/api/collections/{ns}/{slug}/upvote", write_token, "Upvotes a collection", upvote_collection},
    {"DELETE", "/api/collections/{ns}/{slug}/upvote", write_token, "Takes an upvote back", downvote_collection},

    // Repositories.
    {"POST", "/api/repos/create", scoped_write, "Creates a repository", create_repo},
    {"DELETE", "/api/repos/delete", scoped_write, "Deletes a repository", delete_repo},
    {"POST", "/api/repos/move", scoped_write, "Renames or transfers a repository", move_repo},
    {"PUT", "/api/{type}/{ns}/{name}/settings", repo_write, "Changes visibility and gating", update_settings},
    {"POST", "/api/{type}/{ns}/{name}/branch/{branch*}", repo_write, "Creates a branch", create_branch},
    {"DELETE", "/api/{type}/{ns}/{name}/branch/{branch*}", repo_write, "Deletes a branch", delete_branch},
    {"POST", "/api/{type}/{ns}/{name}/tag/{revision*}", repo_write, "Tags a revision", create_tag},
    {"DELETE", "/api/{type}/{ns}/{name}/tag/{tag*}", repo_write, "Deletes a tag", delete_tag},
    {"GET", "/api/{type}/{ns}/{name}/auth-check", repo_content, "May the caller read?", check_auth},
    {"GET", "/api/{type}/{ns}/{name}/auth-check/write", repo_write, "May the caller write?", check_auth},

    // Listing. One row each: a parameter would also match every other one-segment address.
    {"GET", "/api/models", anyone, "Lists models", list_repos},
    {"GET", "/api/datasets", anyone, "Lists datasets", list_repos},
    {"GET", "/api/spaces", anyone, "Lists Spaces", list_repos},
    {"GET", "/api/models-tags-by-type", anyone, "Tags of models, by kind", list_tags_by_type},
    {"GET", "/api/datasets-tags-by-type", anyone, "Tags of datasets, by kind", list_tags_by_type},

    {"GET", "/api/lyceum/search", anyone, "Words, filters and facets over what the caller may see", search_repos},
    {"GET", "/api/quicksearch", anyone, "A few of each type for what is being typed", quick_search},
    {"GET", "/api/spaces/semantic-search", anyone, "Spaces by words, as huggingface_hub's search_spaces asks", search_spaces},
    {"GET", "/api/trending", anyone, "What is used most these days", list_trending},
    {"POST", "/api/lyceum/catalogue/{kind}", administrator, "Imports entries of a metadata dump, one JSON object a line", import_catalogue},
    {"GET", "/api/lyceum/{type}/{ns}/{name}/downloads", repo_read, "Downloads by day, with the counters that the public rule lacks", list_downloads},

    // Metadata.
    {"GET", "/api/models/{name}", anyone, "A name without an owner", refuse_one_segment},
    {"GET", "/api/datasets/{name}", anyone, "A name without an owner", refuse_one_segment},
    {"GET", "/api/spaces/{name}", anyone, "A name without an owner", refuse_one_segment},
    {"GET", "/api/{type}/{ns}/{name}", repo_read, "A repository's metadata", describe_repo},
    {"GET", "/api/{type}/{ns}/{name}/revision/{rest*}", repo_read, "A repository's metadata at a revision", describe_repo},
    {"GET", "/api/models/{ns}/{name}/safetensors-metadata/{file*}", repo_content, "Headers of sharded safetensors files", describe_safetensors},
    {"GET", "/api/{type}/{ns}/{name}/refs", repo_read, "Branches, tags and pull requests", list_refs},
    {"GET", "/api/{type}/{ns}/{name}/commits/{rest*}", repo_read, "History of a revision", list_commits},
    {"GET", "/api/{type}/{ns}/{name}/tree/{rest*}", repo_read, "Files and folders", list_tree},
    {"POST", "/api/{type}/{ns}/{name}/paths-info/{rest*}", repo_read, "Facts about named paths", describe_paths},
    {"GET", "/api/{type}/{ns}/{name}/treesize/{rest*}", repo_read, "Bytes under a folder", measure_tree},
    {"GET", "/api/{type}/{ns}/{name}/likers", repo_read, "Who likes the repository", list_likers},
    {"POST", "/api/{type}/{ns}/{name}/like", repo_participate, "Likes the repository", like_repo},
    {"DELETE", "/api/{type}/{ns}/{name}/like", repo_participate, "Takes a like back", unlike_repo},
    {"GET", "/api/{type}/{ns}/{name}/compare/{rest*}", repo_content, "What changed between two revisions", compare_revisions},

    // History and storage.
    {"POST", "/api/{type}/{ns}/{name}/super-squash/{rest*}", repo_write, "Makes a branch one commit", super_squash},
    {"GET", "/api/{type}/{ns}/{name}/lfs-files", repo_write, "Large files the repository holds", list_lfs_files},
    {"POST", "/api/{type}/{ns}/{name}/lfs-files/batch", repo_write, "Deletes large files, from the history too", delete_lfs_files},
    {"POST", "/api/{type}/{ns}/{name}/lfs-files/duplicate", repo_participate, "Gives large files to another repository", share_lfs_files},
    {"POST", "/api/{type}/{ns}/{name}/duplicate", repo_participate, "Copies a repository", duplicate_repo},

    // Gated repositories.
    LYCEUM_WEB_ROWS("POST", "/ask-access", repo_participate, "Asks for access to a gated repository", ask_access),
    LYCEUM_WEB_ROWS("GET", "/user-access-report", repo_write, "All access requests as a file", report_access),
    {"GET", "/api/{type}/{ns}/{name}/user-access-request/{status}", repo_write, "Access requests that are pending, accepted or rejected", list_access_requests},
    {"POST", "/api/{type}/{ns}/{name}/user-access-request/handle", repo_write, "Accepts or rejects an access request, or makes it pending again", handle_access_request},
    {"POST", "/api/{type}/{ns}/{name}/user-access-request/batch", repo_write, "Accepts or rejects up to 100 access requests", handle_access_requests},
    {"POST", "/api/{type}/{ns}/{name}/user-access-request/grant", repo_write, "Lets a user in who did not ask", grant_access},
    {"POST", "/api/{type}/{ns}/{name}/user-access-request/cancel", repo_participate, "Takes the caller's own request back", cancel_access_request},

    // Upload.
    {"POST", "/api/{type}/{ns}/{name}/preupload/{rest*}", repo_participate, "Which files are large, ignored or unchanged", plan_upload},
    {"POST", "/api/{type}/{ns}/{name}/commit/{rest*}", repo_participate, "Makes a commit (on a branch: needs the right to write)", commit_files},

    // Not offered here.
    {"GET", "/api/spaces/hardware", anyone, "Hardware for Spaces: none", list_no_hardware},
    {"GET", "/api/datasets/{ns}/{name}/leaderboard", repo_read, "Scores of models on a benchmark: none", list_no_scores},
    {"GET", "/api/spaces/zero-gpu/quota", anyone, "Not supported: Spaces have no GPU", refuse_space_control},
    {"GET", "/api/papers", anyone, "Not supported here", refuse_papers},
    {"GET", "/api/papers/{rest*}", anyone, "Not supported here", refuse_papers},
    {"GET", "/api/daily_papers", anyone, "Not supported here", refuse_papers},
    {"GET", "/papers/{paper}", anyone, "Not supported here", refuse_papers},
    {"POST", "/uploads", anyone, "Not supported: attachments of comments", refuse_attachments},
    {"GET", "/api/spaces/templates", anyone, "Templates for Spaces: none", list_no_templates},
#define LYCEUM_SPACE_CONTROL(method, tail) {method, "/api/spaces/{ns}/{name}/" tail, repo_write, "Not supported: Spaces have no " tail, refuse_space_control}
    LYCEUM_SPACE_CONTROL("POST", "restart"), LYCEUM_SPACE_CONTROL("POST", "pause"), LYCEUM_SPACE_CONTROL("POST", "hardware"), LYCEUM_SPACE_CONTROL("POST", "sleeptime"),
    LYCEUM_SPACE_CONTROL("POST", "dev-mode"), LYCEUM_SPACE_CONTROL("POST", "storage"), LYCEUM_SPACE_CONTROL("DELETE", "storage"), LYCEUM_SPACE_CONTROL("PUT", "volumes"),
    LYCEUM_SPACE_CONTROL("GET", "logs/{log}"), LYCEUM_SPACE_CONTROL("GET", "events"), LYCEUM_SPACE_CONTROL("GET", "metrics"),
    LYCEUM_SPACE_CONTROL("DELETE", "volumes"), LYCEUM_SPACE_CONTROL("GET", "secrets"), LYCEUM_SPACE_CONTROL("POST", "secrets"), LYCEUM_SPACE_CONTROL("DELETE", "secrets"),
    LYCEUM_SPACE_CONTROL("GET", "variables"), LYCEUM_SPACE_CONTROL("POST", "variables"), LYCEUM_SPACE_CONTROL("DELETE", "variables"),
#undef LYCEUM_SPACE_CONTROL
#define LYCEUM_REFUSED(method, path, handler) {method, path "/{rest*}", anyone, "Not supported here", handler}
    LYCEUM_REFUSED("GET", "/api/buckets", refuse_buckets), LYCEUM_REFUSED("POST", "/api/buckets", refuse_buckets), LYCEUM_REFUSED("DELETE", "/api/buckets", refuse_buckets),
    LYCEUM_REFUSED("PUT", "/api/buckets", refuse_buckets),
    LYCEUM_REFUSED("GET", "/api/scheduled-jobs", refuse_jobs), LYCEUM_REFUSED("POST", "/api/scheduled-jobs", refuse_jobs), LYCEUM_REFUSED("DELETE", "/api/scheduled-jobs", refuse_jobs),
    LYCEUM_REFUSED("PUT", "/api/scheduled-jobs", refuse_jobs), LYCEUM_REFUSED("GET", "/api/kernels", refuse_kernels), LYCEUM_REFUSED("POST", "/api/kernels", refuse_kernels),
#undef LYCEUM_REFUSED

    // Files.
    LYCEUM_WEB_ROWS("GET", "/resolve/{rest*}", repo_content, "A file's content", resolve_file),
    LYCEUM_WEB_ROWS("GET", "/raw/{rest*}", repo_content, "A file as git has it (large files as pointers)", serve_raw),
    {"GET", "/{name}/resolve/{rest*}", anyone, "A name without an owner", refuse_one_segment},
};

constexpr RouteRow kLfsRows[] = {
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/objects/batch", repo_read, "LFS batch (uploads ask for the right to write)", lfs_batch),
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/objects/verify", signed_url, "LFS verify", lfs_verify),
    LYCEUM_WEB_ROWS("PUT", ".git/info/lfs/objects/{oid}", signed_url, "LFS upload", lfs_upload),
    LYCEUM_WEB_ROWS("GET", ".git/info/lfs/objects/{oid}", signed_url, "LFS download", lfs_download),
    LYCEUM_WEB_ROWS("PUT", ".git/info/lfs/objects/{oid}/parts/{part}", signed_url, "LFS upload: one part", lfs_upload_part),
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/objects/{oid}/complete", signed_url, "LFS upload: the parts are complete", lfs_complete),
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/locks", repo_write, "LFS: locks a file", lfs_create_lock),
    LYCEUM_WEB_ROWS("GET", ".git/info/lfs/locks", repo_read, "LFS: locked files", lfs_list_locks),
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/locks/verify", repo_participate, "LFS: locks, ours and theirs", lfs_verify_locks),
    LYCEUM_WEB_ROWS("POST", ".git/info/lfs/locks/{id}/unlock", repo_write, "LFS: unlocks a file", lfs_unlock),
};

}  // namespace

std::span<const RouteRow> hub_rows() { return kHubRows; }
std::span<const RouteRow> lfs_rows() { return kLfsRows; }

}  // namespace lyceum::api
