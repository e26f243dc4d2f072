#include "api/git/push_check.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "api/git/process.h"
#include "base/error.h"

namespace lyceum::api {
namespace {

const std::string kOld(40, '0'), kNew(40, 'a');

TEST(HookMessage, HoldsVariablesAndUpdates) {
  const PushedRefs pushed = parse_hook_message("GIT_OBJECT_DIRECTORY=/x\nrefs\n" + kOld + " " + kNew + " refs/heads/main\nend\n");
  EXPECT_EQ(pushed.environment, std::vector<std::string>{"GIT_OBJECT_DIRECTORY=/x"});
  ASSERT_EQ(pushed.updates.size(), 1u);
  EXPECT_EQ(pushed.updates[0].ref, "refs/heads/main");
}

TEST(HookMessage, CutShortIsRefused) { EXPECT_THROW(parse_hook_message("refs\n" + kOld + " " + kNew + " refs/heads/main\n"), Error); }
TEST(HookMessage, ForeignVariablesAreRefused) { EXPECT_THROW(parse_hook_message("LD_PRELOAD=/x\nrefs\nend\n"), Error); }
TEST(HookMessage, MalformedIdsAreRefused) { EXPECT_THROW(parse_hook_message("refs\n--all " + kNew + " refs/heads/x\nend\n"), Error); }

TEST(Process, DoesNotInheritBlockedSignals) {
  sigset_t stop, before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, &before);
  Process process({.arguments = {"grep", "^SigBlk", "/proc/self/status"}, .environment = {}});
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  process.close_input();
  EXPECT_EQ(process.read_all(100), "SigBlk:\t0000000000000000\n");
}

TEST(Process, CarriesBytesThroughPipes) {
  Process process({.arguments = {"cat"}, .environment = {}});
  EXPECT_TRUE(process.write("hello"));
  process.close_input();
  EXPECT_EQ(process.read_all(100), "hello");
  EXPECT_EQ(process.wait(), 0);
}

TEST(Process, WritingToAProgramThatHasEndedIsFalseAndHarmless) {
  Process process({.arguments = {"true"}, .environment = {}});
  EXPECT_EQ(process.read_all(10), "");
  EXPECT_FALSE(process.write(std::string(1 << 20, 'x')));
}

TEST(Process, HookChannelIsDescriptorsThreeAndFour) {
  Process process({.arguments = {"sh", "-c", "read -r x <&4; echo got-$x >&3"}, .environment = {}, .hook_channel = true});
  ASSERT_EQ(::write(process.hook_write_fd(), "ping\n", 5), 5);
  char buffer[32];
  const ssize_t got = ::read(process.hook_read_fd(), buffer, sizeof buffer);
  EXPECT_EQ(std::string(buffer, static_cast<size_t>(got)), "got-ping\n");
}

TEST(Process, InheritsNoOtherEnvironment) {
  ::setenv("LYCEUM_SECRET", "x", 1);
  Process process({.arguments = {"env"}, .environment = {"A=b"}});
  process.close_input();
  const std::string out = process.read_all(4096);
  EXPECT_NE(out.find("A=b"), std::string::npos);
  EXPECT_EQ(out.find("LYCEUM_SECRET"), std::string::npos);
}

TEST(Process, MissingProgramIsAnError) { EXPECT_THROW(Process({.arguments = {"no-such-program-here"}, .environment = {}}), Error); }

}  // namespace
}  // namespace lyceum::api
