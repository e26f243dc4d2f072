list(APPEND api_sources anthropic/error.cpp anthropic/messages.cpp anthropic/style.cpp anthropic/handlers.cpp anthropic/rows.cpp)
list(APPEND api_tests anthropic/anthropic_test.cpp)
list(APPEND api_fuzzers anthropic/anthropic_fuzz.cpp)
