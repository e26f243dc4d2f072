// handlers.h: the handlers of the Hugging Face Hub protocol, one file per subject. rows.cpp binds them to paths.
// What each must answer is in the clients' sources; the comments there name the client that insists on a detail.
#pragma once

#include "api/route.h"

namespace lyceum::api {

// account.cpp
http::Response who_am_i(Context& context);
http::Response accept_telemetry(Context& context);
http::Response list_agent_harnesses(Context& context);
http::Response validate_yaml(Context& context);
http::Response check_auth(Context& context);

// profiles.cpp
http::Response describe_user(Context& context);
http::Response describe_organisation(Context& context);
http::Response list_members(Context& context);
http::Response list_followers(Context& context);
http::Response list_following(Context& context);
http::Response follow(Context& context);
http::Response unfollow(Context& context);
http::Response list_own_repos(Context& context);

// likes.cpp
http::Response like_repo(Context& context);
http::Response unlike_repo(Context& context);
http::Response list_likers(Context& context);
http::Response list_liked_repos(Context& context);

// collections.cpp
http::Response list_collections(Context& context);
http::Response create_collection(Context& context);
http::Response describe_collection(Context& context);
http::Response update_collection(Context& context);
http::Response delete_collection(Context& context);
http::Response add_collection_item(Context& context);
http::Response change_collection_items(Context& context);
http::Response update_collection_item(Context& context);
http::Response delete_collection_item(Context& context);
http::Response upvote_collection(Context& context);
http::Response downvote_collection(Context& context);

// access_requests.cpp
http::Response list_access_requests(Context& context);
http::Response handle_access_request(Context& context);
http::Response handle_access_requests(Context& context);
http::Response grant_access(Context& context);
http::Response ask_access(Context& context);
http::Response cancel_access_request(Context& context);
http::Response report_access(Context& context);

// lifecycle.cpp
http::Response create_repo(Context& context);
http::Response delete_repo(Context& context);
http::Response move_repo(Context& context);
http::Response update_settings(Context& context);
http::Response create_branch(Context& context);
http::Response delete_branch(Context& context);
http::Response create_tag(Context& context);
http::Response delete_tag(Context& context);

// listing.cpp
http::Response list_repos(Context& context);
http::Response list_tags_by_type(Context& context);
http::Response search_repos(Context& context);
http::Response search_spaces(Context& context);
http::Response quick_search(Context& context);
http::Response list_trending(Context& context);
http::Response import_catalogue(Context& context);
http::Response list_downloads(Context& context);

// info.cpp
http::Response describe_repo(Context& context);
http::Response refuse_one_segment(Context& context);  // "gpt2": no repository here has a name without an owner
http::Response describe_safetensors(Context& context);

// tree.cpp
http::Response list_tree(Context& context);
http::Response describe_paths(Context& context);
http::Response measure_tree(Context& context);

// history.cpp
http::Response list_refs(Context& context);
http::Response list_commits(Context& context);

// resolve.cpp
http::Response resolve_file(Context& context);
http::Response serve_raw(Context& context);

// preupload.cpp, commit.cpp
http::Response plan_upload(Context& context);
http::Response commit_files(Context& context);

// history_edits.cpp
http::Response compare_revisions(Context& context);
http::Response super_squash(Context& context);
http::Response list_lfs_files(Context& context);
http::Response delete_lfs_files(Context& context);
http::Response share_lfs_files(Context& context);
http::Response duplicate_repo(Context& context);

// unsupported.cpp
http::Response refuse_buckets(Context& context);
http::Response refuse_jobs(Context& context);
http::Response refuse_kernels(Context& context);
http::Response refuse_space_control(Context& context);
http::Response refuse_papers(Context& context);
http::Response refuse_attachments(Context& context);
http::Response list_no_scores(Context& context);
http::Response list_no_hardware(Context& context);
http::Response list_no_templates(Context& context);

// lfs.cpp
http::Response lfs_batch(Context& context);
http::Response lfs_upload(Context& context);
http::Response lfs_download(Context& context);
http::Response lfs_verify(Context& context);

// lfs_parts.cpp: uploads in parts
http::Response lfs_upload_part(Context& context);
http::Response lfs_complete(Context& context);

// lfs_locks.cpp
http::Response lfs_create_lock(Context& context);
http::Response lfs_list_locks(Context& context);
http::Response lfs_verify_locks(Context& context);
http::Response lfs_unlock(Context& context);

}  // namespace lyceum::api
