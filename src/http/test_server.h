// test_server.h: a running server on a free loopback port, for tests of this room and of others.
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "http/server.h"

namespace lyceum::http {

// A shell command's output, errors included.
inline std::string run(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string out;
  std::array<char, 4096> piece;
  for (size_t got; (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) out.append(piece.data(), got);
  ::pclose(pipe);
  return out;
}

class TestServer {
 public:
  explicit TestServer(Router router, ServerOptions options = {}) : server_(std::move(router), with_free_port(std::move(options))) { server_.start(); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
  Server& server() { return server_; }

 private:
  static ServerOptions with_free_port(ServerOptions options) {
    options.port = 0;
    return options;
  }
  Server server_;
};

}  // namespace lyceum::http
