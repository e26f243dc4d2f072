// The server against real curl and against raw bytes.
#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "http/test_server.h"

namespace lyceum::http {
namespace {

// A socket that sends exactly the bytes it is given.
class Raw {
 public:
  explicit Raw(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval timeout{10, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  Raw& send(std::string_view text) {
    (void)::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    return *this;
  }
  Raw& half_close() {
    ::shutdown(fd_.get(), SHUT_WR);
    return *this;
  }
  std::string read_until_close() {
    std::string all;
    std::array<char, 65536> piece;
    for (ssize_t got; (got = ::recv(fd_.get(), piece.data(), piece.size(), 0)) > 0;) all.append(piece.data(), static_cast<size_t>(got));
    return all;
  }
  std::string read_until(std::string_view end) {
    std::string all;
    char c = 0;
    while (!all.ends_with(end) && ::recv(fd_.get(), &c, 1, 0) == 1) all += c;
    return all;
  }
  void close() { fd_.reset(); }
  bool ended() {
    char c = 0;
    return ::recv(fd_.get(), &c, 1, MSG_DONTWAIT) == 0;
  }

 private:
  UniqueFd fd_;
};

size_t count_of(const std::string& text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : content_(3'000'000, '\0'), server_(make_router(), small_timeouts()) {
    for (size_t i = 0; i < content_.size(); ++i) content_[i] = static_cast<char>((i * 7 + i / 1000) & 0xff);
    write_file_durable(folder_.path() / "big", content_);
    write_file_durable(folder_.path() / "empty", "");
  }

  static ServerOptions small_timeouts() {
    ServerOptions options;
    options.io_timeout_s = 2;
    options.idle_timeout_s = 2;
    options.header_timeout_s = 1;
    return options;
  }

  Router make_router() {
    Router router;
    router.add({"GET", "/hello", [](Request&) { return Response::text("hello\n"); }});
    router.add({"GET", "/file/{name}", [this](Request& request) {
                  const fs::path path = folder_.path() / request.param("name");
                  return ranged_file(request, path, fs::exists(path) ? fs::file_size(path) : 10, "application/octet-stream");
                }});
    router.add({"POST", "/hash", [](Request& request) {
                  Hasher hasher(Hasher::Kind::sha256);
                  std::array<std::byte, 50000> piece;
                  while (const size_t got = request.body->read(piece)) hasher.update(Bytes(piece.data(), got));
                  return Response::text(hasher.finish_hex());
                }});
    router.add({"POST", "/refuse", [](Request&) -> Response { throw Error(Code::unauthorized, "no token", "NoToken"); }});
    router.add({"POST", "/small", [](Request& request) { return Response::text(request.body->read_all(10)); }});
    router.add({"GET", "/crash", [](Request&) -> Response { throw std::runtime_error("secret detail"); }});
    router.add({"GET", "/base", [](Request& request) { return Response::text(request.base_url + " " + request.remote); }});
    router.add({"GET", "/inject", [](Request&) {
                  Response response = Response::text("x");
                  response.headers.set("X-Evil", "a\r\nSet-Cookie: b");
                  return response;
                }});
    router.add({"HEAD", "/sized", [](Request&) {
                  Response response;
                  response.headers.set("Content-Length", "12345");
                  return response;
                }});
    router.add({"GET", "/events", [this](Request&) {
                  Response response;
                  response.headers.set("Content-Type", "text/event-stream");
                  response.stream = [this](BodyWriter& writer) {
                    for (int i = 0; i < 5; ++i) {
                      if (writer.client_gone()) {
                        ++gone_;
                        return;
                      }
                      writer.write("data: " + std::to_string(i) + "\n\n");
                      std::this_thread::sleep_for(std::chrono::milliseconds(100));
                    }
                  };
                  return response;
                }});
    router.add({"GET", "/broken-stream", [](Request&) {
                  Response response;
                  response.stream = [](BodyWriter& writer) {
                    writer.write("part");
                    throw Error(Code::internal, "lost the rest");
                  };
                  return response;
                }});
    return router;
  }

  std::string curl(const std::string& arguments) { return run("curl -sS --max-time 20 " + arguments); }
  std::string url(const std::string& path) { return server_.url() + path; }
  Raw raw() { return Raw(server_.server().port()); }

  TempFolder folder_;
  std::string content_;
  std::atomic<int> gone_{0};
  TestServer server_;
};

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  const std::string out = curl("-v " + url("/hello") + " " + url("/hello"));
  EXPECT_EQ(count_of(out, "hello\n"), 2u) << out;
  EXPECT_NE(out.find("Re-using existing connection"), std::string::npos) << out;
  EXPECT_NE(out.find("X-Request-Id: "), std::string::npos);
  EXPECT_NE(out.find("Content-Length: 6"), std::string::npos);
}

TEST_F(ServerTest, SendsFilesWholeAndRanged) {
  const std::string to = (folder_.path() / "got").string();
  EXPECT_EQ(curl("-w '%{http_code}' -o " + to + " " + url("/file/big")), "200");
  EXPECT_TRUE(read_file(to) == content_);
  EXPECT_EQ(curl("-w '%{http_code}' -r 100-199 -o " + to + " " + url("/file/big")), "206");
  EXPECT_TRUE(read_file(to) == content_.substr(100, 100));
  EXPECT_EQ(curl("-w '%{http_code}' -r 0-0 -o " + to + " " + url("/file/empty")), "200");
  EXPECT_EQ(curl("-w '%{http_code}' -r 3000000- -o " + to + " " + url("/file/big")), "416");
  EXPECT_EQ(curl("-w '%{http_code}' -r 0-9,1000000-2000000,-5 -o " + to + " " + url("/file/big")), "206");
  const std::string multi = read_file(to);
  EXPECT_EQ(count_of(multi, "Content-Range: bytes "), 3u);
  EXPECT_NE(multi.find(content_.substr(1000000, 1000001)), std::string::npos);
  const std::string head = curl("-I " + url("/file/big"));
  EXPECT_NE(head.find("Content-Length: 3000000"), std::string::npos) << head;
  EXPECT_NE(head.find("Accept-Ranges: bytes"), std::string::npos);
}

TEST_F(ServerTest, AnswersMissingFileWithAnErrorNotACut) {
  EXPECT_EQ(curl("-o /dev/null -w '%{http_code}' " + url("/file/missing")), "500");
  EXPECT_EQ(curl(url("/hello")), "hello\n");
}

TEST_F(ServerTest, HonoursContentLengthOfAHeadHandler) {
  EXPECT_NE(curl("-I " + url("/sized")).find("Content-Length: 12345"), std::string::npos);
}

TEST_F(ServerTest, ReadsBodiesOfEveryFraming) {
  const std::string big = (folder_.path() / "big").string();
  const std::string expected = sha256_hex(content_);
  EXPECT_EQ(curl("--data-binary @" + big + " " + url("/hash")), expected);
  EXPECT_EQ(curl("-H 'Expect: 100-continue' --data-binary @" + big + " " + url("/hash")), expected);
  EXPECT_EQ(curl("-H 'Transfer-Encoding: chunked' --data-binary @" + big + " " + url("/hash")), expected);
  EXPECT_EQ(run("gzip -c " + big + " | curl -sS -H 'Content-Encoding: gzip' --data-binary @- " + url("/hash")), expected);
  EXPECT_EQ(run("gzip -c " + big + " | curl -sS -H 'Content-Encoding: gzip' -H 'Transfer-Encoding: chunked' --data-binary @- " + url("/hash")), expected);
  EXPECT_EQ(curl("-d '' " + url("/hash")), sha256_hex(""));
}

TEST_F(ServerTest, AnswersBeforeAnUnreadBodyAndKeepsGoing) {
  const std::string big = (folder_.path() / "big").string();
  const std::string out = curl("-v --data-binary @" + big + " " + url("/refuse") + " --next -sS " + url("/hello"));
  EXPECT_NE(out.find("HTTP/1.1 401"), std::string::npos) << out;
  EXPECT_NE(out.find("X-Error-Code: NoToken"), std::string::npos);
  EXPECT_NE(out.find("X-Error-Message: no token"), std::string::npos);
  EXPECT_NE(out.find("{\"error\":\"no token\"}"), std::string::npos);
  EXPECT_NE(out.find("hello\n"), std::string::npos);
  EXPECT_EQ(curl("-o /dev/null -w '%{http_code}' -H 'Expect:' -d 'more than ten bytes' " + url("/small")), "413");
}

TEST_F(ServerTest, LetsTheClientReadTheRefusalOfAHugeBody) {
  const fs::path huge = folder_.path() / "huge";
  write_file_durable(huge, "");
  fs::resize_file(huge, 64u << 20);
  for (const char* extra : {"-H 'Expect:'", "-H 'Transfer-Encoding: chunked' -H 'Expect:'", ""}) {
    const std::string code = curl("-o /dev/null -w '%{http_code}' " + std::string(extra) + " --data-binary @" + huge.string() + " " + url("/refuse"));
    EXPECT_TRUE(code.ends_with("401")) << extra << code;
  }
}

TEST_F(ServerTest, HidesTheCauseOfAnInternalError) {
  const std::string out = curl("-i " + url("/crash"));
  EXPECT_NE(out.find("HTTP/1.1 500"), std::string::npos);
  EXPECT_EQ(out.find("secret"), std::string::npos) << out;
}

TEST_F(ServerTest, NeverWritesALineBreakIntoAHeader_regression) {
  const std::string out = curl("-i " + url("/inject"));
  EXPECT_EQ(out.find("\r\nSet-Cookie"), std::string::npos) << out;
}

TEST_F(ServerTest, TellsTheBaseUrl) {
  EXPECT_EQ(curl(url("/base")), server_.url() + " 127.0.0.1");
  EXPECT_EQ(curl("-H 'X-Forwarded-Proto: https' -H 'X-Forwarded-Host: a.b' " + url("/base")), "https://a.b 127.0.0.1");
}

// A connection leaves the loop that waits for all of them while a large body is read, and must find back.
TEST_F(ServerTest, GoesOnAfterALargeBody) {
  const std::string large(3u << 20, 'x'), head = "POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(large.size()) + "\r\n\r\n";
  Raw client = raw();
  for (int i = 0; i < 3; ++i) {
    client.send(head).send(large);
    EXPECT_NE(client.read_until(sha256_hex(large)).find("200 OK"), std::string::npos);
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(client.read_until("hello\n").find("200 OK"), std::string::npos);
  }
  client.send(head + large.substr(0, 1u << 20)).close();  // gone in the middle: the server must notice, and let go
  Raw unread = raw();
  unread.send("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(large.size()) + "\r\n\r\n").send(large);
  EXPECT_NE(unread.read_until("\r\n\r\n").find("405"), std::string::npos);
  for (int i = 0; i < 100 && server_.server().figures().connections > 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LE(server_.server().figures().connections, 1u);
}

TEST_F(ServerTest, StreamsEventsAsTheyCome) {
  Raw client = raw();
  const double begin = monotonic_seconds();
  client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").read_until("data: 0\n\n");
  EXPECT_LT(monotonic_seconds() - begin, 0.3);
  EXPECT_NE(client.read_until("0\r\n\r\n").find("data: 4"), std::string::npos);
  EXPECT_NE(curl("-N " + url("/events")).find("data: 4"), std::string::npos);
  EXPECT_NE(curl("-N --http1.0 " + url("/events")).find("data: 4\n\n"), std::string::npos);
}

TEST_F(ServerTest, NoticesThatTheClientHasGone) {
  {
    Raw client = raw();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").read_until("data: 0\n\n");
  }
  for (int i = 0; i < 50 && gone_ == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(gone_, 1);
}

TEST_F(ServerTest, CutsAStreamThatFails) {
  const std::string out = raw().send("GET /broken-stream HTTP/1.1\r\nHost: x\r\n\r\n").read_until_close();
  EXPECT_NE(out.find("part"), std::string::npos);
  EXPECT_FALSE(out.ends_with("0\r\n\r\n"));
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  const std::string out = raw()
                              .send("POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                                    "POST /hash HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                                    "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                              .read_until_close();
  EXPECT_EQ(count_of(out, "HTTP/1.1 200"), 4u) << out;
  EXPECT_EQ(count_of(out, sha256_hex("abc")), 2u);
  EXPECT_EQ(count_of(out, "HTTP/1.1 401"), 1u);
  EXPECT_TRUE(out.ends_with("hello\n"));
}

TEST_F(ServerTest, RefusesHostileBytes) {
  const auto status_of = [&](const std::string& bytes) { return raw().send(bytes).half_close().read_until_close().substr(0, 12); };
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /hash HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "HTTP/1.1 501");
  EXPECT_EQ(status_of("POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("POST /hash HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET /" + std::string(70000, 'a') + " HTTP/1.1\r\n\r\n"), "HTTP/1.1 431");
  EXPECT_EQ(status_of("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET /%zz HTTP/1.1\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET /file/%zz HTTP/1.1\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET /hello?%zz HTTP/1.1\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status_of("GET nonsense HTTP/1.1\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(curl(url("/hello")), "hello\n");
}

TEST_F(ServerTest, SurvivesRandomBytes) {
  uint64_t state = 1;
  for (int round = 0; round < 60; ++round) {
    std::string bytes = round % 2 ? "POST /hash HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" : "";
    for (int i = 0; i < 200; ++i) bytes += static_cast<char>((state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 56);
    raw().send(bytes).half_close().read_until_close();
  }
  EXPECT_EQ(curl(url("/hello")), "hello\n");
}

TEST_F(ServerTest, GivesUpOnSlowClients) {
  const double begin = monotonic_seconds();
  EXPECT_EQ(raw().send("GET /hello HT").read_until_close(), "");
  raw().send("POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab").read_until_close();
  EXPECT_LT(monotonic_seconds() - begin, 9);
}

TEST_F(ServerTest, StopsWhileClientsAreConnected) {
  Raw idle = raw();
  Raw streaming = raw();
  streaming.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").read_until("data: 0\n\n");
  const double begin = monotonic_seconds();
  server_.server().stop();
  EXPECT_LT(monotonic_seconds() - begin, 3);
  EXPECT_NE(streaming.read_until_close().find("data: 4"), std::string::npos);
  EXPECT_EQ(idle.read_until_close(), "");
}

TEST_F(ServerTest, NamesTheAddressThatIsTaken) {
  ServerOptions options;
  options.port = server_.server().port();
  Server second(Router{}, options);
  try {
    second.start();
    FAIL() << "the port was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unavailable);
    EXPECT_NE(std::string(error.what()).find(std::to_string(options.port)), std::string::npos) << error.what();
  }
}

TEST(UnixServer, ListensForItsOwnerOnly) {
  TempFolder folder;
  ServerOptions options;
  options.unix_socket = (folder.path() / "s").string();
  Router router;
  router.add({"GET", "/", [](Request& request) { return Response::text(request.remote); }});
  Server server(router, options);
  server.start();
  EXPECT_EQ(run("curl -sS --unix-socket " + options.unix_socket + " http://x/"), "unix");
  struct stat info {};
  ASSERT_EQ(::stat(options.unix_socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

// Readers that take nothing for a while must hold neither a worker nor anyone else up, and must get every byte in the end.
TEST_F(ServerTest, ServesOthersWhileManyReadSlowly) {
  const fs::path huge = folder_.path() / "big2";
  write_file_durable(huge, "");
  fs::resize_file(huge, 64u << 20);
  std::vector<Raw> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(raw());
    slow.back().send("GET /file/big2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(curl(url("/hello")), "hello\n");
  const Server::Figures figures = server_.server().figures();
  EXPECT_GE(figures.connections, 100u);
  EXPECT_GT(figures.answers_waiting, 50u);
  EXPECT_GT(slow.front().read_until_close().size(), 64u << 20);
}

TEST_F(ServerTest, ServesOthersWhileManySendSlowly) {
  std::vector<Raw> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(raw());
    slow.back().send("POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const double begin = monotonic_seconds();
  EXPECT_EQ(curl(url("/hello")), "hello\n");
  EXPECT_LT(monotonic_seconds() - begin, 1.5);
}

TEST_F(ServerTest, EndsAHeaderThatTakesTooLong) {
  Raw client = raw();
  const double begin = monotonic_seconds();
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n");
  for (int i = 0; i < 60 && monotonic_seconds() - begin < 6; ++i) {
    client.send("X: y\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (client.ended()) break;
  }
  EXPECT_LT(monotonic_seconds() - begin, 4);
  EXPECT_GE(server_.server().figures().cut, 1u);
}

TEST(Observing, TellsEveryRequestOnce) {
  std::mutex mutex;
  std::vector<std::string> seen;
  Router router;
  router.add({"GET", "/a/{x}", [](Request&) { return Response::text("x"); }});
  ServerOptions options;
  options.observe = [&](const RequestRecord& record) {
    const std::lock_guard lock(mutex);
    seen.push_back(std::string(record.method) + " " + std::string(record.path) + " " + std::string(record.route) + " " + std::to_string(record.status) + (record.bytes_out > 100 ? " bytes" : ""));
  };
  TestServer server(router, options);
  run("curl -sS '" + server.url() + "/a/b?secret=1' " + server.url() + "/none");
  Raw(server.server().port()).send("nonsense\r\n\r\n").read_until_close();
  server.server().stop();
  EXPECT_EQ(seen, (std::vector<std::string>{"GET /a/b /a/{x} 200 bytes", "GET /none  404 bytes", "   400 bytes"}));
}

// Answers that are at hand are given without a worker; everything else, bodies and errors included, takes the usual way.
struct QuickServer {
  explicit QuickServer(ServerOptions options = {}) : server(make_router(), with_quick(std::move(options))) {}
  static Router make_router() {
    Router router;
    for (const char* const path : {"/kept", "/other"}) router.add({"GET", path, [](Request& request) { return Response::text("worker" + request.find_query("n").value_or("")); }});
    router.add({"POST", "/kept", [](Request& request) { return Response::text("worker " + request.body->read_all(100)); }});
    return router;
  }
  ServerOptions with_quick(ServerOptions options) {
    options.quick = [this](Request& request) -> std::optional<Response> {
      ++asked;
      if (request.path == "/throws") throw std::runtime_error("broken");
      if (request.path != "/kept") return std::nullopt;
      request.route = "/kept";
      return Response::text(request.find_query("long") ? std::string(8u << 20, 'q') : "quick" + request.find_query("n").value_or(""));
    };
    options.observe = [this](const RequestRecord& record) { observed += record.status == 200 ? 1 : 0; };
    return options;
  }
  std::atomic<int> asked{0}, observed{0};
  TestServer server;
};

TEST(QuickAnswers, LeaveWithoutAWorker) {
  QuickServer quick;
  EXPECT_EQ(run("curl -sS " + quick.server.url() + "/kept " + quick.server.url() + "/other"), "quickworker");
  EXPECT_EQ(run("curl -sS -o /dev/null -w '%{http_code}' " + quick.server.url() + "/throws"), "404");
  EXPECT_EQ(run("curl -sSI " + quick.server.url() + "/kept | grep -ci 'content-length: 5'"), "1\n");
  quick.server.server().stop();
  EXPECT_EQ(quick.asked, 4);
  EXPECT_EQ(quick.observed, 3);
  EXPECT_EQ(quick.server.server().figures().requests, 0u);
}

TEST(QuickAnswers, AreInOrderAmongOthersOnOneConnection) {
  QuickServer quick;
  Raw client(quick.server.server().port());
  std::string requests;
  for (int i = 10; i < 50; ++i) requests += std::string("GET ") + (i % 20 == 7 ? "/other" : "/kept") + "?n=" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  client.send(requests + "POST /kept HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n").send("body");
  const std::string all = client.read_until_close();
  size_t at = 0;
  for (int i = 10; i < 50; ++i) {  // after so many at once a worker takes over
    at = all.find("\r\n\r\n", at);
    ASSERT_NE(at, std::string::npos) << i;
    const std::string body = all.substr(at + 4, all.find("HTTP/1.1", at) - at - 4), number = std::to_string(i);
    EXPECT_TRUE(body == "worker" + number || (body == "quick" + number && i % 20 != 7)) << body;
    at += 4;
  }
  EXPECT_GE(quick.asked, 3);
  EXPECT_TRUE(all.ends_with("worker body"));
}

TEST(QuickAnswers, ThatTheClientTakesSlowlyAreFinished) {
  QuickServer quick;
  EXPECT_EQ(run("curl -sS --limit-rate 20M '" + quick.server.url() + "/kept?long=1' | wc -c"), std::to_string(8u << 20) + "\n");
  EXPECT_EQ(run("curl -sS '" + quick.server.url() + "/kept?long=1' | head -c 10"), "qqqqqqqqqq" + std::string());
  EXPECT_EQ(run("curl -sS " + quick.server.url() + "/kept"), "quick");
}

TEST(ManyClients, WaitWithoutThreads) {
  Router router;
  router.add({"GET", "/", [](Request&) { return Response::text("x"); }});
  ServerOptions options;
  options.workers = 2;
  options.connections_max = 300;
  TestServer server(router, options);
  std::vector<Raw> idle;
  for (int i = 0; i < 250; ++i) idle.emplace_back(server.server().port());
  for (Raw& one : idle) one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  for (Raw& one : idle) EXPECT_TRUE(one.read_until("\r\n\r\nx").ends_with("x"));
}

// A byte now and then from each of many keeps waking their threads; that must not count as work, or nobody else gets a turn.
TEST(ManyClients, ThatTrickleTakeNobodysTurn) {
  Router router;
  router.add({"POST", "/slow", [](Request& request) { return Response::text(request.body->read_all(100'000)); }});
  router.add({"GET", "/", [](Request&) { return Response::text("x"); }});
  ServerOptions options;
  options.workers = 1;
  TestServer server(router, options);
  std::vector<Raw> slow;
  for (int i = 0; i < 100; ++i) {
    slow.emplace_back(server.server().port());
    slow.back().send("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
  }
  std::atomic<bool> stop{false};
  std::thread trickle([&] {
    while (!stop) {
      for (Raw& one : slow) one.send("a");
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  Raw other(server.server().port());
  const double begin = monotonic_seconds();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(other.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").read_until("\r\n\r\nx").ends_with("x"));
  EXPECT_LT(monotonic_seconds() - begin, 3);
  stop = true;
  trickle.join();
}

}  // namespace
}  // namespace lyceum::http
