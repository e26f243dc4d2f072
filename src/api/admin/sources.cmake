find_package(PkgConfig REQUIRED)
pkg_check_modules(CMARK_GFM REQUIRED IMPORTED_TARGET libcmark-gfm)
list(APPEND api_sources admin/rows.cpp admin/accounts.cpp admin/tokens.cpp admin/audit.cpp admin/card.cpp admin/markdown.cpp admin/quotas.cpp
  admin/html_filter.cpp admin/stats.cpp admin/operations.cpp admin/pages.cpp)
list(APPEND api_tests admin/html_filter_test.cpp)
list(APPEND api_fuzzers admin/html_filter_fuzz.cpp admin/markdown_fuzz.cpp)
list(APPEND api_libs PkgConfig::CMARK_GFM cmark-gfm-extensions)
