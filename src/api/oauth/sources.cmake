list(APPEND api_sources oauth/rows.cpp oauth/device.cpp)
