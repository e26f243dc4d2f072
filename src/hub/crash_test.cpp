// kill -9 at random moments: what was acknowledged must be there, nothing may be half there.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <sstream>
#include <thread>

#include "base/random.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

struct Acknowledged {
  std::string repo, commit, path, content;
};

class Crash : public HubFixture {
 protected:
  // Runs `work` in a child process with its own hub and returns what it wrote. The child is killed at a random moment after it has
  // written `lines` lines; the moment is scaled by the time a line took, so that it falls inside a commit on a slow machine too.
  // Lines 0: the child ends itself.
  std::string run_and_kill(size_t lines, double moment, const std::function<void(Hub&, int fd)>& work) {
    hub.reset();
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      run_child(ends[1], work);
    }
    ::close(ends[1]);
    std::string out;
    char buffer[4096];
    double started = monotonic_seconds();
    bool killed = lines == 0;
    while (true) {
      const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
      if (got <= 0) break;
      if (out.empty()) started = monotonic_seconds();
      out.append(buffer, static_cast<size_t>(got));
      const auto written = static_cast<size_t>(std::count(out.begin(), out.end(), '\n')) - 1;  // "ready" does not count
      if (killed || written < lines) continue;
      const double per_line = (monotonic_seconds() - started) / static_cast<double>(written);
      std::this_thread::sleep_for(std::chrono::duration<double>(per_line * moment));
      ::kill(child, SIGKILL);
      killed = true;
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    reopen();
    return out;
  }

  [[noreturn]] void run_child(int fd, const std::function<void(Hub&, int fd)>& work) {
    try {
      const SystemClock system_clock;
      const auto own = Hub::open(test_options(folder.path() / "data"), system_clock);
      if (::write(fd, "ready\n", 6) == 6) work(*own, fd);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
    }
    ::raise(SIGKILL);
    std::abort();
  }

  static std::vector<Acknowledged> parse(const std::string& text) {
    std::vector<Acknowledged> out;
    std::istringstream lines(text);
    std::string word;
    while (lines >> word) {
      if (word == "ready") continue;
      Acknowledged item{word, {}, {}, {}};
      lines >> item.commit >> item.path >> item.content;
      out.push_back(item);
    }
    return out;
  }

  // Commits in a loop, one line to the pipe per acknowledged commit.
  static void commit_forever(Hub& hub, const Caller& caller, const std::string& name, int fd, uint64_t seed) {
    Rng rng(seed);
    const RepoId id{RepoType::model, "alice", name};
    for (int i = 0; i < 100'000; ++i) {
      const std::string content = std::to_string(rng.next());
      const std::string path = "d" + std::to_string(rng.below(5)) + "/" + content;
      CommitRequest request{"main", "round", "", "", {AddFile{path, content}}};
      for (uint64_t extra = rng.below(4) == 0 ? rng.below(30) : 0; extra > 0; --extra) {
        request.actions.push_back(AddFile{"many/" + std::to_string(rng.below(1000)), std::to_string(rng.next())});
      }
      if (rng.below(3) == 0) request.actions.push_back(AddFile{"weights" + std::to_string(rng.below(4)) + ".bin", std::string(20'000, static_cast<char>('a' + i % 26)) + content});
      const CommitInfo info = hub.commit(caller, id, request);
      const std::string line = name + " " + info.id + " " + path + " " + content + "\n";
      if (::write(fd, line.data(), line.size()) < 0) return;
    }
  }

  void verify(const std::vector<Acknowledged>& all, size_t from) {
    std::map<std::string, std::set<std::string>> history;
    for (const std::string name : {"one", "two"}) {
      const Repo repo = hub->get_repo(alice, {RepoType::model, "alice", name});
      for (const CommitInfo& commit : hub->commits(repo, "main", SIZE_MAX, 0, nullptr)) history[name].insert(commit.id);
      EXPECT_TRUE(git_is_clean(hub->git_folder(repo))) << run_git("-C '" + hub->git_folder(repo).string() + "' fsck --strict --full 2>&1");
      EXPECT_EQ(run_git("-C '" + hub->git_folder(repo).string() + "' rev-parse main"), repo.head + "\n");
      EXPECT_EQ(hub->resolve_revision(repo, "main"), repo.head);
    }
    for (size_t i = 0; i < all.size(); ++i) {
      ASSERT_TRUE(history[all[i].repo].contains(all[i].commit)) << "acknowledged commit lost";
      if (i < from) continue;
      const Repo repo = hub->get_repo(alice, {RepoType::model, "alice", all[i].repo});
      EXPECT_EQ(read(repo, all[i].path, all[i].commit), all[i].content);
    }
    const auto report = hub->fsck({});
    EXPECT_TRUE(report.problems.empty()) << report.problems.front();
  }
};

TEST_F(Crash, KilledWhileCommittingLosesNothing) {
  make_repo("one");
  make_repo("two");
  Rng rng(20260820);
  std::vector<Acknowledged> all;
  for (int round = 0; round < 25; ++round) {
    const size_t before = all.size();
    const std::string written = run_and_kill(1 + rng.below(4), 2 * rng.uniform(), [&](Hub& own, int fd) {
      std::thread other([&] { commit_forever(own, alice, "two", fd, static_cast<uint64_t>(round) * 2 + 1); });
      commit_forever(own, alice, "one", fd, static_cast<uint64_t>(round) * 2);
      other.join();
    });
    for (const Acknowledged& item : parse(written)) all.push_back(item);
    verify(all, before);
    if (HasFatalFailure()) return;
  }
  EXPECT_GE(all.size(), 25u);
}

TEST_F(Crash, ADuplicateIsThereWholeOrNotAtAll) {
  const Repo repo = make_repo("m");
  CommitRequest request{"main", "c", "", "", {AddFile{"weights.bin", std::string(20'000, 'w')}}};
  for (int i = 0; i < 40; ++i) request.actions.push_back(AddFile{"d/" + std::to_string(i), std::to_string(i)});
  const CommitInfo content = hub->commit(alice, repo.repo_id, request);
  hub->create_tag(alice, repo.repo_id, "v1", "main", "a tag");
  Rng rng(20261122);
  size_t whole = 0;
  for (int round = 0; round < 8; ++round) {
    const auto name = [round](int i) { return "copy-" + std::to_string(round) + "-" + std::to_string(i); };
    const std::string written = run_and_kill(1 + rng.below(3), 2 * rng.uniform(), [&](Hub& own, int fd) {
      for (int i = 0; i < 10'000; ++i) {
        own.duplicate_repo(alice, repo.repo_id, {RepoType::model, "alice", name(i)}, false);
        if (::write(fd, "done\n", 5) < 0) return;
      }
    });
    const auto acknowledged = static_cast<int>(std::count(written.begin(), written.end(), '\n')) - 1;
    for (int i = 0; i <= acknowledged; ++i) {  // the last one was under way
      std::optional<Repo> copy;
      try {
        copy = hub->get_repo(alice, {RepoType::model, "alice", name(i)});
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), Code::not_found);
      }
      ASSERT_TRUE(copy || i == acknowledged) << "an acknowledged copy is lost";
      if (!copy) continue;
      ++whole;
      EXPECT_EQ(copy->head, content.id);
      EXPECT_EQ(read(*copy, "d/7"), "7");
      EXPECT_EQ(hub->refs(*copy).tags.size(), 1u);
      EXPECT_TRUE(git_is_clean(hub->git_folder(*copy)));
    }
    const auto report = hub->fsck({});
    ASSERT_TRUE(report.problems.empty()) << report.problems.front();
  }
  EXPECT_GE(whole, 8u);
}

TEST_F(Crash, PushThatReachedTheDiskIsAdopted) {
  const Repo repo = make_repo("m");
  const std::string work = (folder.path() / "work").string();
  const std::string bare = hub->git_folder(repo).string();
  run_git("clone -q '" + bare + "' '" + work + "' 2>&1");
  write_file_durable(fs::path(work) / "x", "pushed");
  run_git("-C '" + work + "' add -A && git -C '" + work + "' commit -q -m x");
  run_and_kill(0, 0, [&](Hub& own, int) {
    const auto guard = own.begin_push(alice, repo.repo_id);
    run_git("-C '" + work + "' push -q origin main 2>&1");
    ::raise(SIGKILL);
  });
  EXPECT_EQ(read(repo, "x"), "pushed");
  EXPECT_TRUE(hub->fsck({}).problems.empty());
}

TEST_F(Crash, RefsMovedBehindTheHubsBackAreNot) {
  const Repo repo = make_repo("m");
  const std::string head = commit(repo, {AddFile{"x", "1"}}).id;
  const std::string bare = hub->git_folder(repo).string();
  run_and_kill(0, 0, [&](Hub& own, int) {
    own.commit(alice, repo.repo_id, {"main", "c", "", "", {AddFile{"x", "2"}}});
    run_git("-C '" + bare + "' update-ref refs/heads/main " + head);  // as if the process died before it wrote the ref file
    ::raise(SIGKILL);
  });
  EXPECT_EQ(read(repo, "x"), "2");
  EXPECT_EQ(run_git("-C '" + bare + "' rev-parse main"), again(repo).head + "\n");
  EXPECT_TRUE(hub->fsck({}).problems.empty());
}

TEST_F(Crash, StaleLocksAndStagingAreCleaned) {
  const Repo repo = make_repo("m");
  const fs::path bare = hub->git_folder(repo);
  hub.reset();
  write_file_durable(bare / "refs/heads/main.lock", "");
  write_file_durable(bare / "objects/tmp_object_git2_abc", "half");
  write_file_durable(folder.path() / "data/staging/blob-x", "half");
  reopen();
  EXPECT_FALSE(fs::exists(folder.path() / "data/staging/blob-x"));
  commit(repo, {AddFile{"x", "1"}});
  EXPECT_EQ(run_git("-C '" + bare.string() + "' rev-parse main"), again(repo).head + "\n");
  EXPECT_FALSE(fs::exists(bare / "objects/tmp_object_git2_abc"));
}

// A small file system of our own, filled to the brim. Needs the right to mount; skipped without.
class FullDisk : public Crash {
 protected:
  void SetUp() override {
    if (is_postgresql(test_options(folder.path()).store.target)) GTEST_SKIP() << "the database is on another disk";
    hub.reset();
    fs::remove_all(folder.path() / "data");
    fs::create_directories(folder.path() / "data");
    if (::mount("tmpfs", (folder.path() / "data").c_str(), "tmpfs", 0, "size=24m,mode=700") != 0) GTEST_SKIP() << "mounting is not permitted here";
    mounted = true;
    reopen();
    admin = *hub->authenticate(*hub->bootstrap_administrator("root-admin"));
    alice = sign_up("alice");
  }
  void TearDown() override {
    hub.reset();
    if (mounted) ::umount2((folder.path() / "data").c_str(), MNT_DETACH);
  }
  void fill(uint64_t leave) {
    const fs::path filler = folder.path() / "data/filler";
    const uint64_t free = fs::space(folder.path() / "data").available;
    const UniqueFd fd = open_file(filler, O_WRONLY | O_CREAT | O_TRUNC);
    if (free <= leave) return;
    try {
      write_all(fd.get(), as_bytes(std::string(free - leave, 'f')), filler);
    } catch (const Error& error) {  // the hub's own threads wrote meanwhile: then the disk is full, too
      if (error.code() != Code::storage_full) throw;
    }
  }
  void empty() { fs::remove(folder.path() / "data/filler"); }
  bool mounted = false;
};

TEST_F(FullDisk, RefusesCleanlyAtEveryStep) {
  const Repo repo = make_repo("m");
  std::string head = repo.head;
  int refused = 0, accepted = 0;
  for (uint64_t leave = 0; leave < 400'000; leave += 12'288) {
    fill(leave);
    const std::string name = std::to_string(leave);
    try {
      std::vector<CommitAction> actions{AddFile{name, std::string(leave % 2 == 0 ? 100 : 60'000, 'x') + name}, AddFile{name + ".bin", std::string(70'000, 'y') + name}};
      for (int i = 0; i < 20; ++i) actions.push_back(AddFile{name + "d/" + std::to_string(i), name + secure_alphanumeric(500)});
      head = commit(repo, actions).id;
      ++accepted;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::storage_full) << error.what();
      ++refused;
    }
    EXPECT_EQ(again(repo).head, head) << "nothing half visible";
    empty();
  }
  EXPECT_GT(refused, 3);
  EXPECT_GT(accepted, 3);
  head = commit(repo, {AddFile{"after", "space again"}}).id;
  EXPECT_EQ(run_git("-C '" + hub->git_folder(repo).string() + "' rev-parse main"), head + "\n");
  EXPECT_TRUE(git_is_clean(hub->git_folder(repo)));
  const auto report = hub->fsck({});
  EXPECT_TRUE(report.problems.empty()) << report.problems.front();
}

TEST_F(FullDisk, UploadIsRefusedAndLeavesNothing) {
  fill(100'000);
  const auto writer = hub->write_blob();
  const auto send = [&] {  // it is written in large pieces, so the refusal may come late
    for (int i = 0; i < 5; ++i) writer->write(as_bytes(std::string(1'000'000, 'z')));
    writer->finish(std::nullopt);
  };
  EXPECT_EQ(code_of(send), Code::storage_full);
}

}  // namespace
}  // namespace lyceum::hub
