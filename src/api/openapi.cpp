// The route tables as OpenAPI 3.1: what is served, who may call it. Requests and answers are the clients' own protocols, so the
// text names them by summary only.
#include <algorithm>

#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

// "{rest*}" is "{rest}" in OpenAPI, which has no name for "the rest of the path".
std::string openapi_path(std::string_view pattern, json::array& parameters) {
  std::string out;
  for (const char c : pattern)
    if (c != '*') out += c;
  for (size_t begin = out.find('{'); begin != std::string::npos; begin = out.find('{', begin + 1)) {
    const std::string name = out.substr(begin + 1, out.find('}', begin) - begin - 1);
    parameters.push_back(json::object{{"name", name}, {"in", "path"}, {"required", true}, {"schema", json::object{{"type", "string"}}}});
  }
  return out;
}

json::object operation(const RouteGroup& group, const RouteRow& row, json::array parameters) {
  json::object out{{"tags", json::array{json::string(group.name)}}, {"summary", row.summary}, {"x-access", name(row.access)}, {"parameters", std::move(parameters)},
                   {"responses", json::object{{"200", json::object{{"description", "Done"}}}, {"default", json::object{{"description", "Refused: X-Error-Code and X-Error-Message say why"}}}}}};
  if (row.access == Access::anyone || row.access == Access::signed_url || row.access == Access::repo_read || row.access == Access::repo_content) out["security"] = json::array{json::object{}, json::object{{"token", json::array{}}}};
  return out;
}

}  // namespace

http::Response describe_api(Context& context) {
  json::object paths;
  for (const RouteGroup& group : route_groups()) {
    for (const RouteRow& row : group.rows) {
      json::array parameters;
      const std::string path = openapi_path(row.pattern, parameters);
      std::string method(row.method);
      for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      json::value& slot = paths[path];
      if (!slot.is_object()) slot = json::object{};
      slot.as_object()[method] = operation(group, row, std::move(parameters));
    }
  }
  return json_answer(json::object{
      {"openapi", "3.1.0"},
      {"info", json::object{{"title", "Lyceum"}, {"version", context.services.version}}},
      {"servers", json::array{json::object{{"url", context.request.base_url}}}},
      {"components", json::object{{"securitySchemes", json::object{{"token", json::object{{"type", "http"}, {"scheme", "bearer"}}}}}}},
      {"security", json::array{json::object{{"token", json::array{}}}}},
      {"paths", std::move(paths)}});
}

}  // namespace lyceum::api
