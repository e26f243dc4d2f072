list(APPEND api_sources community/rows.cpp community/discussions.cpp community/webhooks.cpp community/delivery.cpp)
list(APPEND api_tests community/delivery_test.cpp)
