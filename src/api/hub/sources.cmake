find_package(PkgConfig REQUIRED)
find_package(yaml-cpp REQUIRED)
list(APPEND api_sources hub/rows.cpp hub/account.cpp hub/people_json.cpp hub/profiles.cpp hub/likes.cpp hub/collections.cpp hub/access_requests.cpp
  hub/lifecycle.cpp hub/listing.cpp hub/list_query.cpp hub/info.cpp hub/repo_json.cpp
  hub/tree.cpp hub/history.cpp hub/resolve.cpp hub/preupload.cpp hub/ignore_rules.cpp hub/commit.cpp hub/commit_lines.cpp hub/commit_spool.cpp
  hub/history_edits.cpp hub/repo_requests.cpp hub/unsupported.cpp hub/lfs.cpp hub/lfs_messages.cpp hub/lfs_parts.cpp hub/lfs_locks.cpp)
list(APPEND api_tests hub/ignore_rules_test.cpp hub/commit_lines_test.cpp hub/lfs_messages_test.cpp)
list(APPEND api_parser_fuzzers hub/commit_lines+hub/commit_spool hub/ignore_rules hub/lfs_messages)
list(APPEND api_libs ${YAML_CPP_LIBRARIES})
