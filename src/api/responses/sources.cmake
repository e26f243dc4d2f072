list(APPEND api_sources responses/requests.cpp responses/style.cpp responses/handlers.cpp)
list(APPEND api_tests responses/responses_test.cpp)
list(APPEND api_fuzzers responses/responses_fuzz.cpp)
