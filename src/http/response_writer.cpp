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

constexpr size_t kJoinMax = 64u << 10;  // up to here a copy is cheaper than another system call

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

// Made once a second and thread.
const std::string& http_date() {
  thread_local std::time_t made_at = 0;
  thread_local std::string made;
  const std::time_t now = std::time(nullptr);
  if (now == made_at) return made;
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 40> text;
  const size_t size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  made_at = now;
  return made = std::string(text.data(), size);
}

// A header value from a handler may quote what a user wrote; a line break in it must not start another header.
void append_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  const size_t begin = out.size();
  out += value;
  for (size_t at = begin; at < out.size(); ++at) {
    if (out[at] == '\r' || out[at] == '\n' || out[at] == '\0') out[at] = ' ';
  }
  out += "\r\n";
}

class StreamWriter final : public BodyWriter {
 public:
  StreamWriter(SocketIo& io, bool chunked, uint64_t& sent) : io_(io), chunked_(chunked), sent_(sent) {}
  void write(std::string_view bytes) override {
    if (bytes.empty()) return;  // an empty chunk would end the body
    sent_ += bytes.size();
    if (!chunked_) return io_.write_all(bytes);
    std::array<char, 20> size;
    const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
    const std::string_view begin(size.data(), static_cast<size_t>(length));
    if (bytes.size() <= kJoinMax) return io_.write_all(std::string(begin).append(bytes).append("\r\n"));
    io_.write_all(begin, true);
    io_.write_all(bytes, true);
    io_.write_all("\r\n");
  }
  bool client_gone() override { return io_.peer_gone(); }

 private:
  SocketIo& io_;
  bool chunked_;
  uint64_t& sent_;
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

}  // namespace

Outgoing::Outgoing(Response response, const WriteOptions& options) : status_(response.status) {
  const bool with_body = may_have_body(response.status) && !options.head;
  const bool until_close = response.stream && !options.http11;
  keep_alive_ = options.keep_alive && !until_close;
  chunked_ = options.http11;
  std::string header = header_text(response, options, keep_alive_);
  if (with_body && response.stream) stream_ = std::move(response.stream);
  if (!with_body || stream_) {
    pieces_.push_back({std::move(header), {}, -1});
  } else if (!response.parts.empty()) {
    for (auto& [text, file] : response.parts) pieces_.push_back({std::move(text), std::move(file), -1});
    pieces_.front().text.insert(0, header);
  } else if (response.file) {
    pieces_.push_back({std::move(header), std::move(*response.file), -1});
  } else if (response.body.size() <= kJoinMax) {
    pieces_.push_back({std::move(header += response.body), {}, -1});
  } else {
    pieces_.push_back({std::move(header), {}, -1});
    pieces_.push_back({std::move(response.body), {}, -1});
  }
  for (Piece& piece : pieces_) add_file(piece);
}

void Outgoing::add_file(Piece& piece) {
  const FileBody& file = piece.file;
  if (file.length == 0) return;
  auto& fd = files_[file.path];
  if (!fd.valid()) fd = open_file(file.path, O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) throw Error(Code::internal, "Not a readable file: " + file.path.string());
  const auto size = static_cast<uint64_t>(info.st_size);
  if (file.offset > size || file.length > size - file.offset) throw Error(Code::internal, "The file " + file.path.string() + " is shorter than its record says");
  piece.fd = fd.get();
}

// One attempt on the piece in hand; nullopt when nothing is left.
std::optional<SocketIo::Attempt> Outgoing::step(SocketIo& io) {
  while (piece_ < pieces_.size() && done_in_piece_ == pieces_[piece_].text.size() + pieces_[piece_].file.length) {
    pieces_[piece_].text = {};
    ++piece_;
    done_in_piece_ = 0;
  }
  if (piece_ == pieces_.size()) return std::nullopt;
  const Piece& piece = pieces_[piece_];
  if (done_in_piece_ < piece.text.size()) {
    const bool more = piece.file.length > 0 || piece_ + 1 < pieces_.size();
    return io.try_write(std::string_view(piece.text).substr(static_cast<size_t>(done_in_piece_)), more);
  }
  const uint64_t in_file = done_in_piece_ - piece.text.size();
  return io.try_send_file(piece.fd, piece.file.offset + in_file, piece.file.length - in_file, piece.file.path);
}

short Outgoing::send_some(SocketIo& io) {
  while (const auto attempt = step(io)) {
    done_in_piece_ += attempt->count;
    sent_ += attempt->count;
    if (attempt->blocked_on != 0) return attempt->blocked_on;
  }
  return 0;
}

void Outgoing::send_all(SocketIo& io) {
  while (const short events = send_some(io)) io.wait_for(events, "writing");
}

void Outgoing::run_stream(SocketIo& io) {
  send_all(io);  // the head
  StreamWriter writer(io, chunked_, sent_);
  stream_(writer);
  if (chunked_) io.write_all("0\r\n\r\n");
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
