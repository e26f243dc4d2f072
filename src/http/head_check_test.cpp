#include "http/head_check.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lyceum::http {
namespace {

std::optional<Code> refusal(const std::string& head) {
  try {
    check_head(head);
    return std::nullopt;
  } catch (const Error& error) {
    return error.code();
  }
}

std::optional<Code> with_lines(const std::string& lines) { return refusal("POST /x HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n"); }

TEST(HeadCheck, PassesWhatClientsSend) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::nullopt);
  EXPECT_EQ(refusal("GET / HTTP/1.0\r\n\r\n"), std::nullopt);
  EXPECT_EQ(with_lines("Content-Length: 5\r\nX-Empty:\r\nX-Utf8: \xc3\xa4\tb\r\n"), std::nullopt);
  EXPECT_EQ(with_lines("transfer-encoding: Chunked\r\n"), std::nullopt);
}

TEST(HeadCheck, RefusesTwoWaysToReadABody_regression) {
  EXPECT_EQ(with_lines("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Code::invalid_argument);
  EXPECT_EQ(with_lines("Content-Length: 5\r\nContent-Length: 5\r\n"), Code::invalid_argument);
  EXPECT_EQ(with_lines("Content-Length: 5, 5\r\n"), Code::invalid_argument);
  for (const char* bad : {"+5", "-1", "0x5", "5 5", "", "9999999999999999999"}) EXPECT_EQ(with_lines("Content-Length: " + std::string(bad) + "\r\n"), Code::invalid_argument) << bad;
  EXPECT_EQ(with_lines("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Code::invalid_argument);
  for (const char* bad : {"gzip, chunked", "chunked, identity", "xchunked", ""}) EXPECT_EQ(with_lines("Transfer-Encoding: " + std::string(bad) + "\r\n"), Code::unsupported) << bad;
  EXPECT_EQ(refusal("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Code::invalid_argument);
}

TEST(HeadCheck, RefusesLinesThatOthersReadDifferently_regression) {
  EXPECT_EQ(with_lines("X-Folded: a\r\n b\r\n"), Code::invalid_argument);
  EXPECT_EQ(with_lines("Transfer-Encoding : chunked\r\n"), Code::invalid_argument);
  EXPECT_EQ(with_lines("X-Bare: a\nContent-Length: 5\r\n"), Code::invalid_argument);
  EXPECT_EQ(with_lines("X-Return: a\rb\r\n"), Code::invalid_argument);
  EXPECT_EQ(with_lines(std::string("X-Nul: a\0b\r\n", 12)), Code::invalid_argument);
  EXPECT_EQ(with_lines("no colon\r\n"), Code::invalid_argument);
  EXPECT_EQ(with_lines(": no name\r\n"), Code::invalid_argument);
  EXPECT_EQ(with_lines("Host: y\r\n"), Code::invalid_argument);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n\r\n"), Code::invalid_argument);
  for (const char* line : {"GET  / HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/2.0", "GET /", "G@T / HTTP/1.1", " GET / HTTP/1.1", "GET /\x01 HTTP/1.1"})
    EXPECT_EQ(refusal(std::string(line) + "\r\nHost: x\r\n\r\n"), Code::invalid_argument) << line;
}

TEST(HeadCheck, LimitsLinesAndTheirNumber) {
  EXPECT_EQ(with_lines("X: " + std::string(kHeadLineBytesMax, 'a') + "\r\n"), Code::too_large);
  std::string lines;
  for (size_t i = 0; i < kHeadLinesMax; ++i) lines += "X: a\r\n";
  EXPECT_EQ(with_lines(lines), Code::too_large);
}

TEST(HeadCheck, GivesUpEarlyOnWhatCannotBecomeAHead) {
  EXPECT_THROW(check_head_so_far("\x16\x03\x01", 0), Error);
  EXPECT_THROW(check_head_so_far("GET / HTTP/1.1\nHost: x\n\n", 0), Error);
  EXPECT_THROW(check_head_so_far(std::string(kHeadBytesMax + 1, 'a'), 0), Error);
  EXPECT_NO_THROW(check_head_so_far("GET / HTTP/1.1\r\nHos", 0));
}

}  // namespace
}  // namespace lyceum::http
