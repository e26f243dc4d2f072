list(APPEND api_sources git/rows.cpp git/smart_http.cpp git/push_check.cpp git/git_program.cpp git/process.cpp)
list(APPEND api_tests git/push_check_test.cpp)
