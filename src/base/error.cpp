#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace lyceum {
namespace {

struct CodeRow {
  Code code;
  std::string_view name;
  int http;
  int exit;
};

constexpr CodeRow kCodes[] = {
    {Code::invalid_argument, "invalid_argument", 400, 2},
    {Code::unauthorized, "unauthorized", 401, 4},
    {Code::forbidden, "forbidden", 403, 4},
    {Code::not_found, "not_found", 404, 3},
    {Code::conflict, "conflict", 409, 5},
    {Code::precondition_failed, "precondition_failed", 412, 5},
    {Code::too_large, "too_large", 413, 2},
    {Code::range_unsatisfiable, "range_unsatisfiable", 416, 2},
    {Code::unprocessable, "unprocessable", 422, 6},
    {Code::too_many_requests, "too_many_requests", 429, 7},
    {Code::internal, "internal", 500, 1},
    {Code::unsupported, "unsupported", 501, 6},
    {Code::unavailable, "unavailable", 503, 7},
    {Code::storage_full, "storage_full", 507, 8},
};

const CodeRow& row(Code code) noexcept {
  for (const auto& entry : kCodes) {
    if (entry.code == code) return entry;
  }
  return kCodes[10];
}

}  // namespace

int http_status(Code code) noexcept { return row(code).http; }
int exit_code(Code code) noexcept { return row(code).exit; }
std::string_view name(Code code) noexcept { return row(code).name; }

void check_failed(const char* expression, const char* why, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %s (%s)\n", file, line, expression, why);
  std::abort();
}

}  // namespace lyceum
