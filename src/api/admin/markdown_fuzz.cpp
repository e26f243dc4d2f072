// A model card's Markdown of any bytes: nothing executable comes out.
#include <cstdlib>

#include "api/admin/markdown.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;  // cmark-gfm is quadratic on some inputs
  const std::string out = lyceum::api::render_markdown({reinterpret_cast<const char*>(data), size}, {"/a/b/resolve/main/"});
  for (const char* bad : {"<script", "<style", "<iframe", "<svg", "<object", "href=\"javascript:", "href=\"data:", "src=\"http"})
    if (out.find(bad) != std::string::npos) std::abort();
  return 0;
}
