list(APPEND api_sources llama/handlers.cpp llama/rows.cpp)
list(APPEND api_tests llama/llama_test.cpp)
