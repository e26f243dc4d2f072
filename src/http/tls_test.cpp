// The server over TLS, against curl and openssl.
#include "http/tls.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "http/test_server.h"

namespace lyceum::http {
namespace {

class Tls : public ::testing::Test {
 protected:
  Tls() {
    make_certificate("first");
    write_file_durable(folder_.path() / "big", std::string(3'000'000, 'x'));
    ServerOptions options;
    options.tls = TlsOptions{cert(), key(), 0};
    options.header_timeout_s = 1;
    server_ = std::make_unique<TestServer>(make_router(), options);
  }

  Router make_router() {
    Router router;
    router.add({"GET", "/base", [](Request& request) { return Response::text(request.base_url); }});
    router.add({"GET", "/file", [this](Request& request) { return ranged_file(request, folder_.path() / "big", 3'000'000, "text/plain"); }});
    router.add({"POST", "/hash", [](Request& request) { return Response::text(sha256_hex(request.body->read_all(100 << 20))); }});
    return router;
  }

  void make_certificate(const std::string& name) {
    const std::string base = (folder_.path() / name).string();
    const std::string out = run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=" + name +
                                " -addext subjectAltName=IP:127.0.0.1 -keyout " + base + ".key -out " + base + ".pem");
    ASSERT_TRUE(fs::exists(base + ".pem")) << out;
    fs::copy_file(base + ".key", key(), fs::copy_options::overwrite_existing);
    fs::copy_file(base + ".pem", cert(), fs::copy_options::overwrite_existing);
  }

  fs::path cert() const { return folder_.path() / "cert.pem"; }
  fs::path key() const { return folder_.path() / "key.pem"; }
  std::string address() const { return "127.0.0.1:" + std::to_string(server_->server().tls_port()); }
  std::string curl(const std::string& arguments) { return run("curl -sS --max-time 20 --cacert " + cert().string() + " " + arguments); }
  std::string subject() { return run("echo | openssl s_client -connect " + address() + " 2>/dev/null | openssl x509 -noout -subject"); }

  TempFolder folder_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(Tls, AnswersBothListenersAndNamesTheScheme) {
  EXPECT_EQ(curl("https://" + address() + "/base"), "https://" + address());
  EXPECT_EQ(run("curl -sS " + server_->url() + "/base"), server_->url());
  const std::string out = curl("-v https://" + address() + "/base https://" + address() + "/base");
  EXPECT_NE(out.find("Re-using existing connection"), std::string::npos) << out;
  EXPECT_NE(out.find("TLSv1.3"), std::string::npos) << out;
}

TEST_F(Tls, CarriesFilesRangesAndBodies) {
  const std::string to = (folder_.path() / "got").string();
  EXPECT_EQ(curl("-w '%{http_code}' -o " + to + " https://" + address() + "/file"), "200");
  EXPECT_EQ(sha256_file_hex(to), sha256_file_hex(folder_.path() / "big"));
  EXPECT_EQ(curl("-w '%{http_code}' -r 5-9,100000-700000 -o " + to + " https://" + address() + "/file"), "206");
  EXPECT_EQ(curl("--data-binary @" + (folder_.path() / "big").string() + " https://" + address() + "/hash"), sha256_file_hex(folder_.path() / "big"));
}

TEST_F(Tls, RefusesOldProtocols) {
  EXPECT_EQ(run("echo | openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -connect " + address() + " 2>&1").find("Protocol  : TLSv1.1\n    Cipher    : ECDHE"), std::string::npos);
  EXPECT_NE(run("echo | openssl s_client -tls1_2 -connect " + address() + " 2>&1").find("Cipher is ECDHE"), std::string::npos);
}

TEST_F(Tls, TakesANewCertificateWithoutARestart) {
  EXPECT_NE(subject().find("first"), std::string::npos);
  make_certificate("second");
  server_->server().reload_tls();
  EXPECT_NE(subject().find("second"), std::string::npos);
  make_certificate("third");  // nobody says so: the sweep looks at the files
  std::string seen;
  for (int i = 0; i < 40 && seen.find("third") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    seen = subject();
  }
  EXPECT_NE(seen.find("third"), std::string::npos);
}

TEST_F(Tls, KeepsTheOldCertificateWhenTheNewOneIsBroken) {
  write_file_durable(cert(), "nonsense");
  EXPECT_THROW(server_->server().reload_tls(), Error);
  EXPECT_NE(subject().find("first"), std::string::npos);
}

TEST_F(Tls, NamesTheFileThatCannotBeUsed) {
  ServerOptions options;
  options.tls = TlsOptions{folder_.path() / "none.pem", key(), 0};
  try {
    Server server(Router{}, options);
    FAIL() << "there is no such certificate";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("none.pem"), std::string::npos);
  }
  const int64_t days = (certificate_expiry_ms(cert()) / 1000 - std::time(nullptr)) / 86400;
  EXPECT_GE(days, 28);
  EXPECT_LE(days, 30);
}

}  // namespace
}  // namespace lyceum::http
