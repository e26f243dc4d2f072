// EngineManager against real child processes: this test program, started again as "engine", plays the engine.
#include "api/openai/engine_manager.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "api/openai/engine_server.h"
#include "api/openai/fake_engine.h"
#include "api/openai/model_target.h"
#include "base/clock.h"
#include "base/files.h"
#include "http/client.h"

namespace lyceum::api {
namespace {

// argv: <program> engine --socket S --model M --name N --lifeline. The model "broken" cannot be loaded.
[[noreturn]] void play_engine(const std::vector<std::string>& arguments) {
  if (arguments[5].ends_with("broken")) {
    std::fprintf(stderr, "some log line\nmodel.safetensors: truncated at byte 12\n");
    ::_exit(3);
  }
  FakeEngine engine;
  http::ServerOptions options;
  options.unix_socket = arguments[3];
  http::Router router = make_engine_router(engine, arguments[7], {});
  router.add({"POST", "/die", [](http::Request&) -> http::Response {
                std::fprintf(stderr, "out of luck\n");
                ::_exit(9);
              }});
  http::Server server(router, options);
  server.start();
  char scratch[16];
  while (::read(STDIN_FILENO, scratch, sizeof scratch) > 0) {
  }
  server.stop();
  ::_exit(0);
}

class EngineRole : public ::testing::Environment {
 public:
  void SetUp() override {
    const std::string text = read_file("/proc/self/cmdline");
    std::vector<std::string> arguments;
    for (size_t at = 0; at < text.size(); at = text.find('\0', at) + 1) arguments.emplace_back(text.c_str() + at);
    if (arguments.size() > 7 && arguments[1] == "engine") play_engine(arguments);
  }
};
const auto* const kRole = ::testing::AddGlobalTestEnvironment(new EngineRole);

int pid_of(const EngineManager& manager, const std::string& key) {
  for (const auto& one : manager.list()) {
    if (one.key == key) return one.pid;
  }
  return 0;
}

bool gone_within(int pid, double seconds) {
  const double begin = monotonic_seconds();
  while (::kill(pid, 0) == 0) {
    if (monotonic_seconds() - begin > seconds) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

TEST(EngineManager, StartsOneEngineForManyCallers) {
  EngineManager manager({});
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      const auto lease = manager.ensure({"k", "/m", "me/m"});
      EXPECT_EQ(http::Client(lease.address()).send({.target = "/v1/models"}).status, 200);
    });
  }
  for (std::thread& one : callers) one.join();
  ASSERT_EQ(manager.list().size(), 1u);
  EXPECT_EQ(manager.list()[0].state, "ready");
  EXPECT_EQ(manager.list()[0].leases, 0u);
}

TEST(EngineManager, TellsWhyAModelDoesNotLoad) {
  EngineManager manager({});
  for (int round = 0; round < 2; ++round) {
    try {
      manager.ensure({"k", "/models/broken", "me/broken"});
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unavailable);
      EXPECT_NE(std::string(error.what()).find("me/broken cannot be loaded: exit status 3"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("truncated at byte 12"), std::string::npos) << error.what();
    }
  }
}

TEST(EngineManager, StartsAgainAfterACrashAndLoadsAdaptersAgain) {
  EngineManager manager({});
  int first = 0;
  {
    const auto lease = manager.ensure({"k", "/m", "me/m"});
    manager.load_adapter(lease, "me/a@1", "/a");
    first = pid_of(manager, "k");
    EXPECT_THROW(http::Client(lease.address()).send({.method = "POST", .target = "/die"}), Error);
    EXPECT_NE(manager.why_it_failed(lease).find("out of luck"), std::string::npos);
  }
  const auto lease = manager.ensure({"k", "/m", "me/m"});
  EXPECT_NE(pid_of(manager, "k"), first);
  EXPECT_TRUE(manager.list()[0].adapters.empty());
  manager.load_adapter(lease, "me/a@1", "/a");
  manager.load_adapter(lease, "me/a@2", "/a");
  EXPECT_EQ(manager.list()[0].adapters, std::vector<std::string>{"me/a@2"});
  try {
    manager.load_adapter(lease, "me/b@1", "/broken");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unprocessable);
    EXPECT_STREQ(error.what(), "adapter matches no layer");
  }
}

TEST(EngineManager, StopsTheLeastRecentlyUsedAndSparesTheBusyAndPinned) {
  EngineManagerOptions options;
  options.engines_max = 2;
  options.place_wait_s = 0.2;
  EngineManager manager(options);
  manager.ensure({"pinned", "/m", "me/p", true});
  manager.ensure({"a", "/m", "me/a"});
  const int a = pid_of(manager, "a");
  {
    const auto b = manager.ensure({"b", "/m", "me/b"});
    EXPECT_TRUE(gone_within(a, 6));
    EXPECT_NE(pid_of(manager, "pinned"), 0);
    const auto p = manager.ensure({"pinned", "/m", "me/p"});
    EXPECT_THROW(manager.ensure({"c", "/m", "me/c"}), Error);
  }
  manager.ensure({"c", "/m", "me/c"});
  EXPECT_EQ(pid_of(manager, "b"), 0);
}

TEST(EngineManager, LetsRequestsWaitForAPlaceInTheirOrder) {
  EngineManagerOptions options;
  options.engines_max = 1;
  EngineManager manager(options);
  auto busy = std::make_optional(manager.ensure({"a", "/m", "me/a"}));
  std::mutex mutex;
  std::vector<std::string> served;
  std::vector<std::thread> callers;
  for (const char* key : {"b", "c", "d"}) {
    callers.emplace_back([&, key] {
      const auto lease = manager.ensure({key, "/m", std::string("me/") + key});
      const std::lock_guard lock(mutex);
      served.emplace_back(key);
    });
    const double begin = monotonic_seconds();
    while (manager.waiting() < callers.size() && monotonic_seconds() - begin < 5) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_EQ(manager.waiting(), callers.size());
  }
  manager.ensure({"a", "/m", "me/a"});   // what is there serves on
  busy.reset();
  for (std::thread& one : callers) one.join();
  EXPECT_EQ(served, (std::vector<std::string>{"b", "c", "d"}));
  EXPECT_EQ(manager.waiting(), 0u);
}

TEST(EngineManager, GivesTheFirstInLineItsTurnWhenOthersNeverPause) {
  EngineManagerOptions options;
  options.engines_max = 1;
  options.turn_after_s = 0.2;
  options.place_wait_s = 20;
  EngineManager manager(options);
  std::atomic<bool> stop{false};
  std::vector<std::thread> users;
  for (int i = 0; i < 4; ++i) {
    users.emplace_back([&, i] {   // so many that it is next to never free
      while (!stop) {
        const auto lease = manager.ensure({"a", "/m", "me/a"});
        std::this_thread::sleep_for(std::chrono::milliseconds(31 + 10 * i));
      }
    });
  }
  const double begin = monotonic_seconds();
  while (pid_of(manager, "a") == 0 && monotonic_seconds() - begin < 5) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_NO_THROW(manager.ensure({"b", "/m", "me/b"}));
  const double served = monotonic_seconds();
  while (pid_of(manager, "a") == 0 && monotonic_seconds() - served < 5) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_NE(pid_of(manager, "a"), 0);   // and gets its place back
  stop = true;
  for (std::thread& one : users) one.join();
}

TEST(EngineManager, SparesWhatIsDeployedAndSaysThatThereIsNoPlace) {
  EngineManagerOptions options;
  options.engines_max = 1;
  options.place_wait_s = 0.4;
  options.turn_after_s = 0.1;
  EngineManager manager(options);
  const auto busy = manager.ensure({"a", "/m", "me/a", true});
  try {
    manager.ensure({"b", "/m", "me/b"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unavailable);
    EXPECT_NE(std::string(error.what()).find("--engines-max"), std::string::npos) << error.what();
  }
  EXPECT_NE(pid_of(manager, "a"), 0);
  EXPECT_EQ(manager.waiting(), 0u);
}

TEST(EngineManager, KeepsToItsMemory) {
  const TempFolder folder;
  for (const auto& [name, size] : {std::pair{"small.gguf", 3000}, {"other.gguf", 3000}, {"large.gguf", 9000}}) write_file_durable(folder.path() / name, std::string(size, 'x'));
  EngineManagerOptions options;
  options.kv_bytes = 1000;
  options.memory_max = 7999;   // one of the small ones
  EngineManager manager(options);
  EXPECT_EQ(expected_memory(folder.path() / "small.gguf", 1000), 4000u);
  EXPECT_EQ(expected_memory(folder.path() / "small.gguf", 1 << 20), 6000u);
  EXPECT_EQ(expected_memory(folder.path(), 1000), 16000u);
  EXPECT_EQ(expected_memory(folder.path() / "none", 1000), 0u);
  manager.ensure({"small", folder.path() / "small.gguf", "me/small"});
  manager.ensure({"other", folder.path() / "other.gguf", "me/other"});
  EXPECT_EQ(pid_of(manager, "small"), 0);
  EXPECT_NE(pid_of(manager, "other"), 0);
  try {
    manager.ensure({"large", folder.path() / "large.gguf", "me/large"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unprocessable);
    EXPECT_EQ(error.tag(), "model_too_large");
  }
  EXPECT_NE(pid_of(manager, "other"), 0);   // nothing was ended in vain
}

TEST(EngineManager, KeepsAnAdapterThatARequestUses) {
  EngineManagerOptions options;
  options.adapters_max = 2;
  EngineManager manager(options);
  const auto lease = manager.ensure({"k", "/m", "me/m"});
  const auto names = [&] { return manager.list()[0].adapters; };
  auto first = manager.load_adapter(lease, "me/a@1", "/a");
  EXPECT_NO_THROW(manager.load_adapter(lease, "me/a@1", "/broken"));   // it is there: nothing is read again
  manager.load_adapter(lease, "me/a@2", "/a");
  EXPECT_EQ(names(), (std::vector<std::string>{"me/a@1", "me/a@2"}));
  first.reset();
  manager.load_adapter(lease, "me/a@3", "/a");
  EXPECT_EQ(names(), std::vector<std::string>{"me/a@3"});
  manager.load_adapter(lease, "me/b@1", "/a");
  manager.load_adapter(lease, "me/a@3", "/a");
  manager.load_adapter(lease, "me/c@1", "/a");   // one too many: b was used before a
  EXPECT_EQ(names(), (std::vector<std::string>{"me/a@3", "me/c@1"}));
}

TEST(EngineManager, EndsWhatNobodyHasUsedForAWhile) {
  EngineManagerOptions options;
  options.idle_seconds_max = 0.3;
  EngineManager manager(options);
  manager.ensure({"pinned", "/m", "me/p", true});
  manager.ensure({"idle", "/m", "me/i"});
  const auto busy = manager.ensure({"busy", "/m", "me/b"});
  const int idle = pid_of(manager, "idle"), used = pid_of(manager, "busy");
  EXPECT_TRUE(gone_within(idle, 3));
  EXPECT_EQ(pid_of(manager, "idle"), 0);
  EXPECT_NE(pid_of(manager, "pinned"), 0);
  EXPECT_EQ(pid_of(manager, "busy"), used);
  manager.ensure({"idle", "/m", "me/i"});   // and it comes again when asked for
  EXPECT_NE(pid_of(manager, "idle"), idle);
}

TEST(EngineManager, EndsItsEngines) {
  int pid = 0;
  {
    EngineManager manager({});
    manager.ensure({"k", "/m", "me/m"});
    pid = pid_of(manager, "k");
  }
  EXPECT_TRUE(gone_within(pid, 1));
}

TEST(ModelName, IsOwnerNameRevisionVariant) {
  const auto name = find_model_name("me/m@refs/pr/1:Q4_K_M");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->id.full_name(), "me/m");
  EXPECT_EQ(name->revision, "refs/pr/1");
  EXPECT_EQ(name->variant, "Q4_K_M");
  EXPECT_EQ(find_model_name("me/m")->revision, "main");
  for (const char* bad : {"", "m", "/m", "me/", "a/b/c", "me/m@"}) EXPECT_FALSE(find_model_name(bad)) << bad;
}

}  // namespace
}  // namespace lyceum::api
