#include "http/client.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "http/beast_stream.h"
#include "http/transport.h"

namespace lyceum::http {
namespace {

using Parser = beast::http::response_parser<beast::http::buffer_body>;

constexpr size_t kPiece = 256u << 10;

bool idempotent(const std::string& method) { return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE"; }

void refuse_any_of(std::string_view text, std::string_view bad, const char* what) {
  if (text.find_first_of(bad) != std::string_view::npos) throw Error(Code::invalid_argument, std::string("A line break or space in the ") + what);
}

std::string header_text(const ClientRequest& request, const Address& address, std::optional<uint64_t> length) {
  refuse_any_of(request.target, {"\r\n\0 ", 4}, "target of a request");
  std::string out = request.method + " " + address.prefix + request.target + " HTTP/1.1\r\n";
  if (!request.headers.find("Host")) out += "Host: " + address.authority + "\r\n";
  for (const auto& [name, value] : request.headers.all()) {
    refuse_any_of(value, {"\r\n\0", 3}, "header of a request");
    if (!equal_no_case(name, "Content-Length")) out += name + ": " + value + "\r\n";
  }
  if (length) out += "Content-Length: " + std::to_string(*length) + "\r\n";
  return out += "\r\n";
}

}  // namespace

struct Client::State {
  Address address;
  unsigned timeout_s = 0;
  const AddressGuard* guard = nullptr;
  std::unique_ptr<Transport> transport;
  beast::flat_buffer buffer{2u << 20};
  std::optional<Parser> parser;  // of the answer being read

  void write_request(const ClientRequest& request);
  void read_head(bool head, bool& any);
  void exchange(const ClientRequest& request, bool& any);
  size_t read_body(std::span<std::byte> into);
  void drop() {
    parser.reset();
    transport.reset();
    buffer.clear();
  }
};

void Client::State::write_request(const ClientRequest& request) {
  uint64_t sent = 0;
  const auto report = [&](size_t more) {
    sent += more;
    if (request.on_sent) request.on_sent(sent);
  };
  if (!request.body_file.empty()) {
    const UniqueFd file = open_file(request.body_file, O_RDONLY | O_CLOEXEC);
    const uint64_t size = fs::file_size(request.body_file);
    transport->write_all(header_text(request, address, size));
    std::string piece(kPiece, '\0');
    while (sent < size) {
      const ssize_t got = ::read(file.get(), piece.data(), static_cast<size_t>(std::min<uint64_t>(piece.size(), size - sent)));
      if (got <= 0) throw_errno("read", request.body_file);
      transport->write_all({piece.data(), static_cast<size_t>(got)});
      report(static_cast<size_t>(got));
    }
    return;
  }
  const bool has_body = !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  std::string header = header_text(request, address, has_body ? std::optional<uint64_t>(request.body.size()) : std::nullopt);
  if (request.body.size() <= kPiece) {
    transport->write_all(header += request.body);
    if (has_body) report(request.body.size());
    return;
  }
  transport->write_all(header);
  for (std::string_view rest = request.body; !rest.empty();) {
    const std::string_view piece = rest.substr(0, kPiece);
    transport->write_all(piece);
    rest.remove_prefix(piece.size());
    report(piece.size());
  }
}

// any: whether the server sent a byte. 1xx answers are passed over.
void Client::State::read_head(bool head, bool& any) {
  BeastStream<Transport> stream(*transport);
  do {
    parser.emplace();
    parser->header_limit(1u << 20);
    parser->body_limit(boost::none);
    parser->skip(head);
    beast::error_code error;
    const size_t got = beast::http::read_header(stream, buffer, *parser, error);
    any = any || got > 0 || buffer.size() > 0;
    if (error) throw Error(Code::unavailable, "No HTTP answer from " + address.authority + ": " + error.message());
  } while (parser->get().result_int() / 100 == 1 && parser->get().result_int() != 101);
}

void Client::State::exchange(const ClientRequest& request, bool& any) {
  std::optional<Error> cut;  // a server may answer (413, 401) and close before it has taken the whole body: look for that answer
  try {
    write_request(request);
  } catch (const Error& error) {
    if (error.code() != Code::unavailable) throw;
    cut = error;
  }
  try {
    read_head(request.method == "HEAD", any);
  } catch (const Error&) {
    if (cut) throw *cut;
    throw;
  }
  if (cut) parser->get().keep_alive(false);
}

size_t Client::State::read_body(std::span<std::byte> into) {
  if (!parser) return 0;
  try {
    const size_t got = read_framed_body(*transport, buffer, *parser, into);
    if (got > 0) return got;
  } catch (const Error& error) {
    drop();
    if (error.code() != Code::invalid_argument) throw;
    throw Error(Code::unavailable, "The answer of " + address.authority + " is broken: " + error.what());
  }
  const bool keep = parser->get().keep_alive();
  parser.reset();
  if (keep) {
    transport->set_keep_waiting({});
  } else {
    drop();
  }
  return 0;
}

Client::Client(std::string base, unsigned timeout_s, const AddressGuard* guard) : state_(std::make_unique<State>()) {
  state_->address = parse_base(base);
  if (guard && !state_->address.unix_socket.empty()) throw Error(Code::forbidden, "A Unix socket is not an address for others to choose");
  state_->guard = guard;
  state_->timeout_s = timeout_s;
}

Client::~Client() = default;

ClientResponse Client::begin(const ClientRequest& request) {
  State& state = *state_;
  if (state.parser || (state.transport && state.transport->stale())) state.drop();
  const bool reused = state.transport != nullptr;
  if (!reused) state.transport = connect_to(state.address, state.timeout_s, state.guard);
  bool any = false;
  try {
    state.transport->set_keep_waiting(request.keep_waiting);
    state.exchange(request, any);
  } catch (const Error& error) {
    state.drop();
    if (reused && !any && error.code() == Code::unavailable && idempotent(request.method)) return begin(request);
    throw;
  } catch (...) {
    state.drop();
    throw;
  }
  return {.status = static_cast<int>(state.parser->get().result_int()), .headers = copy_headers(state.parser->get()), .body = {}};
}

size_t Client::read(std::span<std::byte> into) { return state_->read_body(into); }

void Client::set_keep_waiting(std::function<bool()> keep_waiting) {
  if (state_->transport) state_->transport->set_keep_waiting(std::move(keep_waiting));
}

ClientResponse Client::send(const ClientRequest& request, const std::function<bool(std::string_view)>& sink,
                            const std::function<void(const ClientResponse&)>& on_head) {
  ClientResponse response = begin(request);
  if (on_head) on_head(response);
  const bool to_sink = sink && response.status / 100 == 2;
  std::string piece(kPiece, '\0');
  while (const size_t got = read(std::as_writable_bytes(std::span(piece)))) {
    if (!to_sink) {
      response.body.append(piece, 0, got);
    } else if (!sink({piece.data(), got})) {
      state_->drop();
      break;
    }
  }
  return response;
}

}  // namespace lyceum::http
