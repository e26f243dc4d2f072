#include "api/signing.h"

#include <charconv>

#include "base/base64url.h"
#include "base/hash.h"

namespace lyceum::api {
namespace {

// Fields are separated by newlines, which none of them can contain: a path is escaped, a purpose is ours.
std::string mac(hub::Hub& hub, std::string_view purpose, std::string_view text) {
  return hmac_sha256_hex(hub.signing_key(), std::string(purpose) + "\n" + std::string(text));
}

std::optional<int64_t> find_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string url_text(std::string_view method, std::string_view path, std::string_view extra, int64_t expires_s) {
  return std::string(method) + "\n" + std::string(path) + "\n" + std::string(extra) + "\n" + std::to_string(expires_s);
}

}  // namespace

std::string make_signed_token(hub::Hub& hub, std::string_view purpose, json::object claims, int64_t expires_ms) {
  claims["exp_ms"] = expires_ms;
  const std::string payload = to_base64url(json::serialize(claims));
  return payload + "." + mac(hub, purpose, payload);
}

std::optional<json::object> find_signed_claims(hub::Hub& hub, std::string_view purpose, std::string_view token, int64_t now_ms) {
  const size_t dot = token.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view payload = token.substr(0, dot);
  if (!equal_constant_time(mac(hub, purpose, payload), token.substr(dot + 1))) return std::nullopt;
  const auto text = find_from_base64url(payload);
  if (!text) return std::nullopt;
  const json::value value = parse_json(*text, "signed token", 1 << 16);
  const json::object& claims = get_object(value, "signed token");
  if (get_int(claims, "exp_ms") < now_ms) return std::nullopt;
  return claims;
}

std::string sign_url(hub::Hub& hub, const std::string& base_url, std::string_view method, std::string_view path,
                     int64_t expires_ms, std::string_view extra) {
  const int64_t expires_s = expires_ms / 1000;
  std::string url = base_url + std::string(path) + "?";
  if (!extra.empty()) url += std::string(extra) + "&";
  return url + "expires=" + std::to_string(expires_s) + "&signature=" + mac(hub, "url", url_text(method, path, extra, expires_s));
}

void require_signed_url(const http::Request& request, hub::Hub& hub, int64_t now_ms) {
  const auto refuse = [](const char* why) -> Error {
    return Error(Code::forbidden, std::string("This transfer link ") + why + "; ask the hub for a new one.");
  };
  const auto expires = request.find_query("expires");
  const auto signature = request.find_query("signature");
  const auto expires_s = expires ? find_number(*expires) : std::nullopt;
  if (!expires_s || !signature) throw refuse("is not signed");
  // What was signed besides path and expiry is exactly the raw query text before "expires=".
  const size_t mark = request.target.find('?');
  const std::string query = mark == std::string::npos ? "" : request.target.substr(mark + 1);
  const size_t end = query.find("expires=");
  const std::string extra = end == std::string::npos || end == 0 ? "" : query.substr(0, end - 1);
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  if (!equal_constant_time(mac(hub, "url", url_text(method, request.path, extra, *expires_s)), *signature)) throw refuse("is forged or altered");
  if (*expires_s * 1000 < now_ms) throw refuse("has expired");
}

}  // namespace lyceum::api
