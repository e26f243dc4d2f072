# engine_server.cpp and what it uses run in the engine process; routes.cpp and the manager in the hub process.
find_package(fmt REQUIRED)
list(APPEND api_sources
  openai/request_error.cpp openai/fields.cpp openai/generation_params.cpp openai/response_format.cpp openai/tool_format.cpp openai/answer_parser.cpp openai/tools.cpp openai/chat_messages.cpp openai/generation.cpp openai/answer_generation.cpp openai/openai_style.cpp
  openai/chat.cpp openai/completion.cpp openai/embeddings.cpp openai/encoder_server.cpp openai/multipart.cpp openai/transcript_format.cpp openai/audio_server.cpp openai/engine_server.cpp
  openai/engine_process.cpp openai/engine_manager.cpp openai/materialise.cpp openai/deployments.cpp openai/model_target.cpp openai/proxy.cpp openai/model_list.cpp openai/routes.cpp)
list(APPEND api_tests openai/engine_server_test.cpp openai/multipart_test.cpp openai/transcript_format_test.cpp openai/tool_format_test.cpp openai/answer_parser_test.cpp openai/engine_manager_test.cpp openai/routes_test.cpp)
list(APPEND api_libs fmt::fmt)
if(TARGET lyceum_engine)
  list(APPEND api_deps engine grammar)
endif()
list(APPEND api_fuzzers openai/generation_params_fuzz.cpp openai/multipart_fuzz.cpp)
