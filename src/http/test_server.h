// test_server.h: a running server on a free loopback port, for tests of this room and of others.
#pragma once

#include <string>

#include "http/server.h"

namespace lyceum::http {

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
