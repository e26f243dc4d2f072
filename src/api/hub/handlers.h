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
http::Response describe_user(Context& context);
http::Response describe_organisation(Context& context);
http::Response answer_empty_list(Context& context);
http::Response list_own_repos(Context& context);

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

// discussions.cpp
http::Response list_discussions(Context& context);
http::Response create_discussion(Context& context);
http::Response describe_discussion(Context& context);

// lfs.cpp
http::Response lfs_batch(Context& context);
http::Response lfs_upload(Context& context);
http::Response lfs_download(Context& context);
http::Response lfs_verify(Context& context);
http::Response lfs_no_locks(Context& context);

}  // namespace lyceum::api
