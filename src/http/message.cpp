#include "http/message.h"

#include <algorithm>

#include "base/error.h"

namespace lyceum::http {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool equal_no_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  while (true) {
    const size_t comma = list.find(',');
    if (equal_no_case(trim(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

void Headers::set(std::string_view name, std::string_view value) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (!equal_no_case(lines_[i].first, name)) continue;
    lines_[i].second = value;
    const auto same = [&](const auto& line) { return equal_no_case(line.first, name); };
    lines_.erase(std::remove_if(lines_.begin() + static_cast<std::ptrdiff_t>(i) + 1, lines_.end(), same), lines_.end());
    return;
  }
  add(name, value);
}

void Headers::add(std::string_view name, std::string_view value) { lines_.emplace_back(name, value); }

void Headers::remove(std::string_view name) {
  std::erase_if(lines_, [&](const auto& line) { return equal_no_case(line.first, name); });
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : lines_) {
    if (equal_no_case(key, name)) return value;
  }
  return std::nullopt;
}

std::string BodyStream::read_all(size_t limit_bytes) {
  const auto refuse = [&] { throw Error(Code::too_large, "The request body is over the limit of " + std::to_string(limit_bytes) + " bytes"); };
  const auto known = length();
  if (known && *known > limit_bytes) refuse();
  // What a client announces is no reason to hold memory: room for as much again as has come, and no more than is to come.
  constexpr size_t kFirstBytes = 16384;
  const size_t most = known ? static_cast<size_t>(*known) + 1 : limit_bytes + 1;
  std::string all;
  size_t filled = 0;
  while (true) {
    if (filled == all.size()) all.resize(std::max(filled + 1, std::min(most, std::max(kFirstBytes, 2 * filled))));
    const size_t got = read(std::as_writable_bytes(std::span(all).subspan(filled)));
    filled += got;
    if (filled > limit_bytes) refuse();
    if (got == 0) break;
  }
  all.resize(filled);
  return all;
}

std::optional<std::string> Request::find_query(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string> Request::all_query(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : query) {
    if (key == name) values.push_back(value);
  }
  return values;
}

const std::string& Request::param(std::string_view name) const {
  const auto found = params.find(std::string(name));
  LYCEUM_CHECK(found != params.end(), "a handler asked for a parameter that its route pattern does not have");
  return found->second;
}

Response Response::json(std::string text, int status) { return Response::text(std::move(text), status, "application/json; charset=utf-8"); }

Response Response::text(std::string text, int status, std::string_view type) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", type);
  response.body = std::move(text);
  return response;
}

}  // namespace lyceum::http
