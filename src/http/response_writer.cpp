#include "http/response_writer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>

#include "base/files.h"

namespace lyceum::http {
namespace {

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 40> text;
  const size_t size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

// A header value from a handler may quote what a user wrote; a line break in it must not start another header.
void append_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (const char c : value) out += (c == '\r' || c == '\n' || c == '\0') ? ' ' : c;
  out += "\r\n";
}

class StreamWriter final : public BodyWriter {
 public:
  StreamWriter(SocketIo& io, bool chunked) : io_(io), chunked_(chunked) {}
  void write(std::string_view bytes) override {
    if (bytes.empty()) return;  // an empty chunk would end the body
    if (!chunked_) return io_.write_all(bytes);
    std::array<char, 20> size;
    const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
    io_.write_all({size.data(), static_cast<size_t>(length)}, true);
    io_.write_both(bytes, "\r\n");
  }
  bool client_gone() override { return io_.peer_gone(); }

 private:
  SocketIo& io_;
  bool chunked_;
};

// Every file of the answer, opened and long enough.
class OpenFiles {
 public:
  void open(const FileBody& file) {
    if (file.length == 0) return;
    auto& fd = fds_[file.path];
    if (!fd.valid()) fd = open_file(file.path, O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) throw Error(Code::internal, "Not a readable file: " + file.path.string());
    const auto size = static_cast<uint64_t>(info.st_size);
    if (file.offset > size || file.length > size - file.offset) throw Error(Code::internal, "The file " + file.path.string() + " is shorter than its record says");
  }
  void send(SocketIo& io, const FileBody& file) const {
    if (file.length > 0) io.send_file(fds_.at(file.path).get(), file.offset, file.length, file.path);
  }

 private:
  std::map<std::filesystem::path, UniqueFd> fds_;
};

uint64_t body_length(const Response& response) {
  if (!response.parts.empty()) {
    uint64_t sum = 0;
    for (const auto& [text, file] : response.parts) sum += text.size() + file.length;
    return sum;
  }
  return response.file ? response.file->length : response.body.size();
}

std::string header_text(const Response& response, const WriteOptions& options, bool keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason_phrase(response.status)) + "\r\n";
  out.reserve(512);
  append_line(out, "Date", http_date());
  const bool own_length = options.head && response.headers.find("Content-Length") && !response.file && response.parts.empty() && response.body.empty();
  for (const auto& [name, value] : response.headers.all()) {
    const bool framing = equal_no_case(name, "Transfer-Encoding") || equal_no_case(name, "Connection") || (equal_no_case(name, "Content-Length") && !own_length);
    if (!framing) append_line(out, name, value);
  }
  if (!response.headers.find("X-Request-Id")) append_line(out, "X-Request-Id", options.request_id);
  if (may_have_body(response.status) && !own_length) {
    if (!response.stream) {
      append_line(out, "Content-Length", std::to_string(body_length(response)));
    } else if (options.http11) {
      append_line(out, "Transfer-Encoding", "chunked");
    }
  }
  append_line(out, "Connection", keep_alive ? "keep-alive" : "close");
  return out += "\r\n";
}

void write_body(SocketIo& io, const Response& response, const std::string& header, const OpenFiles& files, bool chunked) {
  if (response.stream) {
    io.write_all(header);
    StreamWriter writer(io, chunked);
    response.stream(writer);
    if (chunked) io.write_all("0\r\n\r\n");
  } else if (!response.parts.empty()) {
    io.write_all(header, true);
    for (const auto& [text, file] : response.parts) {
      io.write_all(text, file.length > 0);
      files.send(io, file);
    }
  } else if (response.file) {
    io.write_all(header, response.file->length > 0);
    files.send(io, *response.file);
  } else {
    io.write_both(header, response.body);
  }
}

}  // namespace

bool write_response(SocketIo& io, const Response& response, const WriteOptions& options, bool& started) {
  const bool with_body = may_have_body(response.status) && !options.head;
  OpenFiles files;
  if (with_body && !response.stream) {
    if (response.file) files.open(*response.file);
    for (const auto& part : response.parts) files.open(part.second);
  }
  const bool until_close = response.stream && !options.http11;
  const bool keep_alive = options.keep_alive && !until_close;
  const std::string header = header_text(response, options, keep_alive);
  started = true;
  if (with_body) {
    write_body(io, response, header, files, options.http11);
  } else {
    io.write_all(header);
  }
  return keep_alive;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Status";
  }
}

}  // namespace lyceum::http
