list(APPEND api_sources spaces/routes.cpp)
list(APPEND api_deps spaces)
