// Percent-decoding, queries, request targets and routing on hostile bytes.
#include "base/error.h"
#include "http/path_pattern.h"
#include "http/request_head.h"
#include "http/server.h"

namespace {

using namespace lyceum::http;

Router make_router() {
  Router router;
  for (const char* pattern : {"/", "/api/models/{ns}/{name}", "/{ns}/{name}.git/info/refs", "/c/{base}...{head}", "/{ns}/{name}/resolve/{rev}/{path*}", "/static/{path*}"}) {
    router.add({"GET", pattern, [](Request&) { return Response::text("ok"); }});
  }
  return router;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Router router = make_router();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    LYCEUM_CHECK(percent_decode(percent_encode(text)) == text, "encoding must be undone by decoding");
    Request request;
    request.method = "GET";
    set_target(request, text);
    (void)router.dispatch(request);
  } catch (const lyceum::Error& error) {
    LYCEUM_CHECK(error.code() == lyceum::Code::invalid_argument, "hostile paths are bad requests, nothing else");
  }
  Headers headers;
  headers.set("Host", text);
  headers.set("X-Forwarded-Prefix", text);
  LYCEUM_CHECK(base_url_of(headers, "", "x").find_first_of("\r\n<>\" ") == std::string::npos, "a base URL must be plain");
  return 0;
}
