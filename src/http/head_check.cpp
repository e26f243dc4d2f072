#include "http/head_check.h"

#include <algorithm>

#include "base/error.h"
#include "http/message.h"

namespace lyceum::http {
namespace {

[[noreturn]] void refuse(const char* why) { throw Error(Code::invalid_argument, std::string("Not a well-formed HTTP/1.1 request: ") + why); }

bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char); }

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

// The line without its CRLF; `rest` goes on after it.
std::string_view take_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos || end == 0 || rest[end - 1] != '\r') refuse("a line does not end in CRLF");
  const std::string_view line = rest.substr(0, end - 1);
  rest.remove_prefix(end + 1);
  if (line.size() > kHeadLineBytesMax) throw Error(Code::too_large, "A line of the request header is over 32 KiB");
  return line;
}

bool check_request_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) refuse("the request line needs a method, a target and a version");
  if (first > 32 || !is_token(line.substr(0, first))) refuse("the method is not a token");
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (target.empty() || std::any_of(target.begin(), target.end(), [](char c) { return is_control(c) || c == ' ' || c == '\t'; })) refuse("the target has spaces or control characters");
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") refuse("the version is not HTTP/1.0 or HTTP/1.1");
  return version == "HTTP/1.1";
}

std::string_view trimmed(std::string_view value) {
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  return value;
}

// What decides where the body ends may be said once only, and in one way only.
struct Framing {
  unsigned lengths = 0, codings = 0, hosts = 0;

  void take(std::string_view name, std::string_view value) {
    if (equal_no_case(name, "Content-Length")) {
      ++lengths;
      const bool digits = !value.empty() && value.size() <= 18 && std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!digits) refuse("Content-Length is not a number");
    } else if (equal_no_case(name, "Transfer-Encoding")) {
      ++codings;
      if (!equal_no_case(value, "chunked")) throw Error(Code::unsupported, "Transfer-Encoding other than chunked is not supported");
    } else if (equal_no_case(name, "Host")) {
      ++hosts;
    }
  }

  void require_clear(bool http11) const {
    if (lengths > 1) refuse("Content-Length is given twice");
    if (codings > 1) refuse("Transfer-Encoding is given twice");
    if (lengths > 0 && codings > 0) refuse("Content-Length and Transfer-Encoding contradict each other");
    if (codings > 0 && !http11) refuse("HTTP/1.0 has no Transfer-Encoding");
    if (hosts > 1 || (hosts == 0 && http11)) refuse("there must be one Host");
  }
};

}  // namespace

void check_head(std::string_view head) {
  std::string_view rest = head;
  const bool http11 = check_request_line(take_line(rest));
  Framing framing;
  size_t lines = 0;
  while (true) {
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    if (++lines > kHeadLinesMax) throw Error(Code::too_large, "The request has more than 128 header lines");
    if (line.front() == ' ' || line.front() == '\t') refuse("a header line is folded");
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) refuse("a header line has no name");
    const std::string_view value = line.substr(colon + 1);
    if (std::any_of(value.begin(), value.end(), is_control)) refuse("a header value has control characters");
    framing.take(line.substr(0, colon), trimmed(value));
  }
  if (!rest.empty()) refuse("bytes follow the blank line");
  framing.require_clear(http11);
}

void check_head_so_far(std::string_view bytes, size_t from) {
  if (bytes.empty()) return;
  if (!is_token_char(bytes.front())) refuse("it does not begin with a method");
  for (size_t at = bytes.find('\n', from); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    if (at == 0 || bytes[at - 1] != '\r') refuse("a line does not end in CRLF");
  }
  if (bytes.size() > kHeadBytesMax) throw Error(Code::too_large, "The request header is over 64 KiB");
}

}  // namespace lyceum::http
