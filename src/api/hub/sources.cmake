find_package(PkgConfig REQUIRED)
find_package(yaml-cpp REQUIRED)
list(APPEND api_sources hub/rows.cpp hub/account.cpp hub/lifecycle.cpp hub/listing.cpp hub/info.cpp hub/repo_json.cpp hub/file_facts.cpp
  hub/tree.cpp hub/history.cpp hub/resolve.cpp hub/preupload.cpp hub/ignore_rules.cpp hub/commit.cpp hub/commit_lines.cpp
  hub/discussions.cpp hub/pull_requests.cpp hub/lfs.cpp)
list(APPEND api_tests hub/ignore_rules_test.cpp hub/commit_lines_test.cpp)
list(APPEND api_fuzzers hub/commit_lines_fuzz.cpp)
list(APPEND api_libs ${YAML_CPP_LIBRARIES})
