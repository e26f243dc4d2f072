#include <algorithm>

#include "base/json.h"
#include "http/server.h"

namespace lyceum::http {

struct Router::Match {
  const Route* route = nullptr;
  const PathPattern* pattern = nullptr;
  PathPattern::Captures captures;
  bool exact_method = false;
};

namespace {

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, 1024));
  std::replace_if(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return line;
}

bool serves(const Route& route, const std::string& method) {
  return route.method == method || route.method == "*" || (method == "HEAD" && route.method == "GET");
}

}  // namespace

Response error_response(const Error& error) {
  Response response = Response::json(json::serialize(json::object{{"error", error.what()}}), http_status(error.code()));
  if (!error.tag().empty()) response.headers.set("X-Error-Code", error.tag());
  response.headers.set("X-Error-Message", one_line(error.what()));
  return response;
}

void Router::add(Route route) {
  patterns_.emplace_back(route.pattern);
  index_.add(patterns_.back(), routes_.size());
  routes_.push_back(std::move(route));
}

// `allowed` collects the methods of the routes whose path matches, for 405 and OPTIONS.
std::optional<Router::Match> Router::find_match(const std::string& method, std::string_view path, std::string& allowed) const {
  std::optional<Match> best;
  for (const size_t i : index_.find(path)) {
    const bool usable = serves(routes_[i], method);
    const std::string& rank = patterns_[i].rank();
    const bool exact = routes_[i].method == method;
    if (usable && best) {
      const int order = rank.compare(best->pattern->rank());
      if (order < 0 || (order == 0 && (best->exact_method || !exact))) continue;
    }
    auto captures = patterns_[i].match(path);
    if (!captures) continue;
    if (usable) {
      best = Match{&routes_[i], &patterns_[i], std::move(*captures), exact};
    } else if (!has_token(allowed, routes_[i].method)) {
      allowed += (allowed.empty() ? "" : ", ") + routes_[i].method;
    }
  }
  return best;
}

Response Router::dispatch(Request& request) const {
  std::string allowed;
  auto match = find_match(request.method, request.path, allowed);
  if (!match && allowed.empty() && request.path.size() > 1 && request.path.ends_with('/')) {
    match = find_match(request.method, std::string_view(request.path).substr(0, request.path.size() - 1), allowed);
  }
  if (!match) {
    if (allowed.empty()) return error_response(Error(Code::not_found, "Nothing is served at " + request.path));
    Response response;
    if (request.method == "OPTIONS") {
      response.status = 204;
    } else {
      response = Response::json(json::serialize(json::object{{"error", "Method " + request.method + " is not allowed here; use " + allowed}}), 405);
    }
    response.headers.set("Allow", allowed);
    return response;
  }
  request.route = match->route->pattern;
  for (const auto& [name, text] : match->captures) {
    std::string value = percent_decode(text);
    if (value.find('\0') != std::string::npos) throw Error(Code::invalid_argument, "The path has a NUL character in " + name);
    request.params[name] = std::move(value);
  }
  return match->route->handler(request);
}

}  // namespace lyceum::http
