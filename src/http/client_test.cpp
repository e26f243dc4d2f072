#include "http/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "http/test_server.h"
#include "http/transport.h"

namespace lyceum::http {
namespace {

Router echo_router() {
  Router router;
  router.add({"POST", "/sha", [](Request& request) { return Response::text(sha256_hex(request.body->read_all(100u << 20))); }});
  router.add({"GET", "/peer", [](Request& request) { return Response::text(std::string(request.headers.find("Host").value_or(""))); }});
  router.add({"GET", "/big", [](Request& request) { return ranged_bytes(request, std::string(2'000'000, 'x'), "text/plain"); }});
  router.add({"POST", "/refuse", [](Request&) -> Response { throw Error(Code::forbidden, "no"); }});
  router.add({"GET", "/slow", [](Request&) {
                Response response;
                response.stream = [](BodyWriter& writer) {
                  for (int i = 0; i < 100; ++i) {
                    writer.write("tick");
                    std::this_thread::sleep_for(std::chrono::milliseconds(20));
                  }
                };
                return response;
              }});
  router.add({"GET", "/hang", [](Request&) {
                std::this_thread::sleep_for(std::chrono::milliseconds(2500));
                return Response::text("late");
              }});
  return router;
}

TEST(Client, SendsReceivesAndKeepsItsConnection) {
  TestServer server(echo_router());
  Client client(server.url());
  EXPECT_EQ(client.send({.target = "/peer"}).body, server.url().substr(7));
  const std::string body(5'000'000, 'q');
  EXPECT_EQ(client.send({.method = "POST", .target = "/sha", .body = body}).body, sha256_hex(body));
  EXPECT_EQ(client.send({.method = "HEAD", .target = "/big"}).headers.find("content-length"), "2000000");
  EXPECT_EQ(client.send({.target = "/big"}).body.size(), 2'000'000u);
  EXPECT_EQ(client.send({.target = "/none"}).status, 404);
}

TEST(Client, StreamsAFileAndReportsProgress) {
  TestServer server(echo_router());
  TempFolder folder;
  const std::string body(3'000'000, 'z');
  write_file_durable(folder.path() / "f", body);
  uint64_t last = 0;
  ClientRequest request{.method = "POST", .target = "/sha", .body_file = folder.path() / "f", .on_sent = [&](uint64_t sent) { last = sent; }};
  EXPECT_EQ(Client(server.url()).send(request).body, sha256_hex(body));
  EXPECT_EQ(last, body.size());
}

TEST(Client, ReadsTheRefusalOfABodyItCouldNotFinish) {
  TestServer server(echo_router());
  EXPECT_EQ(Client(server.url()).send({.method = "POST", .target = "/refuse", .body = std::string(40'000'000, 'x')}).status, 403);
}

TEST(Client, StopsWhenTheSinkSaysSo) {
  TestServer server(echo_router());
  Client client(server.url());
  int calls = 0;
  int status = 0;
  const double begin = monotonic_seconds();
  client.send({.target = "/slow"}, [&](std::string_view) { return ++calls < 3; }, [&](const ClientResponse& head) { status = head.status; });
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(status, 200);
  EXPECT_LT(monotonic_seconds() - begin, 1.0);
  EXPECT_EQ(client.send({.target = "/peer"}).status, 200);
}

TEST(Client, HandsOutTheBodyPieceByPiece) {
  TestServer server(echo_router());
  Client client(server.url());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(client.begin({.target = "/slow"}).status, 200);
    std::array<std::byte, 4> tick;
    EXPECT_EQ(client.read(tick), 4u);  // and leaves the rest unread
  }
  EXPECT_EQ(client.begin({.target = "/big"}).headers.find("Content-Length"), "2000000");
  std::vector<std::byte> all(3'000'000);
  size_t filled = 0;
  while (const size_t got = client.read(std::span(all).subspan(filled))) filled += got;
  EXPECT_EQ(filled, 2'000'000u);
  EXPECT_EQ(client.read(all), 0u);
}

TEST(Client, GivesUpWhenAskedTo) {
  TestServer server(echo_router());
  Client client(server.url());
  const double begin = monotonic_seconds();
  EXPECT_THROW(client.send({.target = "/hang", .keep_waiting = [] { return false; }}), Error);
  EXPECT_LT(monotonic_seconds() - begin, 2.0);
  Client impatient(server.url(), 1);
  EXPECT_THROW(impatient.send({.target = "/hang"}), Error);
}

TEST(Client, ReconnectsAfterTheServerClosedTheIdleConnection) {
  ServerOptions options;
  options.idle_timeout_s = 1;
  TestServer server(echo_router(), options);
  Client client(server.url());
  EXPECT_EQ(client.send({.target = "/peer"}).status, 200);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(client.send({.method = "POST", .target = "/sha", .body = "a"}).status, 200);
}

TEST(Client, SpeaksOverUnixSockets) {
  TempFolder folder;
  ServerOptions options;
  options.unix_socket = (folder.path() / "socket").string();
  Server server(echo_router(), options);
  server.start();
  EXPECT_EQ(Client("unix:" + options.unix_socket).send({.target = "/peer"}).body, "localhost");
}

TEST(Client, NamesWhatItCannotReach) {
  for (const char* base : {"http://127.0.0.1:1", "unix:/nonexistent/socket", "https://127.0.0.1:1"}) {
    try {
      Client(base).send({});
      FAIL() << base;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unavailable) << error.what();
    }
  }
  for (const char* base : {"ftp://x", "127.0.0.1:80", "http://", "http://a b", "unix:", "http://user@host"}) EXPECT_THROW(Client{base}, Error) << base;
  EXPECT_THROW(Client("http://127.0.0.1:1").send({.target = "/a\r\nX: y"}), Error);
}

TEST(Client, ParsesAddresses) {
  const Address address = parse_base("https://[::1]:8443/pre/fix/");
  EXPECT_TRUE(address.tls);
  EXPECT_EQ(address.host, "::1");
  EXPECT_EQ(address.port, "8443");
  EXPECT_EQ(address.prefix, "/pre/fix");
  EXPECT_EQ(parse_base("http://[::1]").port, "80");
}

// A TLS server of OpenSSL's own, with a certificate made here: accepted when trusted, refused when not or under another name.
TEST(Client, VerifiesCertificates) {
  TempFolder folder;
  const std::string base = folder.path().string();
  ASSERT_EQ(std::system(("openssl req -x509 -newkey rsa:2048 -nodes -keyout " + base + "/key -out " + base + "/cert -days 2 -subj /CN=localhost "
                         "-addext subjectAltName=DNS:localhost >/dev/null 2>&1").c_str()), 0);
  const std::string port = std::to_string(20000 + ::getpid() % 20000);
  ASSERT_EQ(std::system(("(timeout 20 openssl s_server -quiet -www -accept 127.0.0.1:" + port + " -key " + base + "/key -cert " + base + "/cert >/dev/null 2>&1 & echo $! > " + base + "/pid)").c_str()), 0);
  const auto status_of = [&](const std::string& host) {
    for (int i = 0; i < 100; ++i) {
      try {
        return std::to_string(Client("https://" + host + ":" + port).send({}).status);
      } catch (const Error& error) {
        const std::string text = error.what();
        if (text.find("refused") == std::string::npos) return text;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    }
    return std::string("no server");
  };
  EXPECT_NE(status_of("localhost").find("self-signed certificate"), std::string::npos);
  ::setenv("SSL_CERT_FILE", (base + "/cert").c_str(), 1);
  EXPECT_EQ(status_of("localhost"), "200");
  EXPECT_NE(status_of("127.0.0.1").find("mismatch"), std::string::npos);
  ::unsetenv("SSL_CERT_FILE");
  (void)std::system(("kill $(cat " + base + "/pid)").c_str());
}

}  // namespace
}  // namespace lyceum::http
