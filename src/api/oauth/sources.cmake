list(APPEND api_sources oauth/rows.cpp oauth/device.cpp oauth/token.cpp oauth/authorize.cpp oauth/openid.cpp)
