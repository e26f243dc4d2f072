list(APPEND api_sources ollama/requests.cpp ollama/style.cpp ollama/handlers.cpp ollama/show.cpp ollama/rows.cpp)
list(APPEND api_tests ollama/ollama_test.cpp)
list(APPEND api_fuzzers ollama/ollama_fuzz.cpp)
