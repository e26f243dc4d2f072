// Several hubs over one PostgreSQL, one S3 store and one shared folder. Needs tests/with_servers.py.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class TwoHubs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (environment("LYCEUM_TEST_POSTGRES").empty()) GTEST_SKIP() << "run through tests/with_servers.py";
    one = open("one");
    alice = *one->authenticate(one->create_token(one->create_user("alice", "", "", "", false), "t", Scope::write));
    two = open("two");
    repo = one->create_repo(alice, {RepoType::model, "alice", "m"}, false, "");
  }
  std::unique_ptr<Hub> open(const std::string& name) {
    HubOptions options;
    options.data_folder = folder.path() / name;
    options.shared_folder = folder.path() / "shared";
    options.store.target = test_postgres(folder.path().string());
    options.s3 = test_s3(folder.path().string());
    return Hub::open(options, clock);
  }
  CommitInfo commit(Hub& hub, const std::string& path, const std::string& content) {
    return hub.commit(alice, repo.repo_id, {"main", "c", "", "", {AddFile{path, content}}});
  }
  static std::string read(Hub& hub, const Repo& where, const std::string& path) {
    const auto entry = hub.find_entry(where, hub.resolve_revision(where, "main"), path);
    return entry ? hub.read_small(where, *entry) : "(absent)";
  }
  // Runs `work` in a process of its own with a hub of its own, and kills it in the middle of what it does last.
  void die_while(const std::function<void(Hub&)>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto own = open("three");
      work(*own);
      ::raise(SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child must get as far as its end";
  }
  // As a restart of the database server does, or an administrator: locks are gone, transactions are rolled back.
  void end_sessions() {
    PostgresDatabase(test_postgres(folder.path().string()), Database::Access::read_write)
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
  }
  std::string git(const std::string& arguments) {
    const std::string command = "git -C '" + bare() + "' " + arguments + " 2>&1";
    std::string out;
    FILE* const pipe = ::popen(command.c_str(), "r");
    char buffer[4096];
    while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
    ::pclose(pipe);
    return out;
  }
  std::string bare() { return (folder.path() / "shared/repos" / repo.public_id.substr(0, 2) / repo.public_id.substr(2, 2) / (repo.public_id + ".git")).string(); }

  TempFolder folder;
  FakeClock clock;
  std::unique_ptr<Hub> one, two;
  Caller alice;
  Repo repo;
};

TEST_F(TwoHubs, ServeTheSame) {
  commit(*one, "x", "1");
  EXPECT_EQ(read(*two, repo, "x"), "1");
  commit(*two, "y", "2");
  EXPECT_EQ(read(*one, repo, "y"), "2");
  EXPECT_EQ(one->signing_key(), two->signing_key());
  const auto writer = one->write_blob();
  writer->write(as_bytes("weights"));
  const std::string sha256 = writer->finish(std::nullopt);
  one->link_blob(repo, sha256);
  EXPECT_TRUE(two->repo_has_blob(repo, sha256));
  EXPECT_EQ(read_file(two->blob_path(sha256)), "weights");
  EXPECT_EQ(git("rev-parse main"), one->get_repo(alice, repo.repo_id).head + "\n");
  EXPECT_TRUE(two->fsck({}).problems.empty());
}

TEST_F(TwoHubs, CommittersTakeTurns) {
  std::vector<std::thread> threads;
  for (Hub* hub : {one.get(), two.get()}) {
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([this, hub, t] {
        for (int i = 0; i < 5; ++i) commit(*hub, (hub == one.get() ? "one-" : "two-") + std::to_string(t) + "-" + std::to_string(i), "x");
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  size_t total = 0;
  one->commits(repo, "main", 1, 0, &total);
  EXPECT_EQ(total, 21u);
  EXPECT_EQ(two->tree(repo, two->resolve_revision(repo, "main"), "", false, false).size(), 21u);
  EXPECT_TRUE(two->fsck({}).problems.empty());
}

TEST_F(TwoHubs, LockIsHeldAcrossHubsAndFreedByDeath) {
  const auto held = one->take_lock("a");
  die_while([](Hub& own) { const auto other = own.take_lock("b"); ::raise(SIGKILL); });
  EXPECT_TRUE(two->take_lock("b"));
}

TEST_F(TwoHubs, RefFilesOfADeadHubAreWrittenByAnother) {
  const std::string first = commit(*one, "x", "1").id;
  die_while([&](Hub& own) {
    commit(own, "x", "2");
    git("update-ref refs/heads/main " + first);  // as if it had died between the transaction and the ref file
    PostgresDatabase(test_postgres(folder.path().string()), Database::Access::read_write).execute("UPDATE repos SET refs_pending = 1");
  });
  EXPECT_EQ(read(*two, repo, "x"), "2");
  two->git_folder(repo);  // what a fetch asks for
  EXPECT_EQ(git("rev-parse main"), two->get_repo(alice, repo.repo_id).head + "\n");
  EXPECT_EQ(read(*two, repo, "x"), "2") << "the database is the truth, not the file that was not written yet";
  EXPECT_TRUE(one->fsck({}).problems.empty());
}

// The lock is gone while its holder lives.
TEST_F(TwoHubs, APushThatLostItsLockOverwritesNoCommit) {
  const std::string pushed = commit(*one, "x", "1").id;
  commit(*one, "x", "2");
  auto push = one->begin_push(alice, repo.repo_id);
  end_sessions();
  const std::string later = commit(*two, "y", "3").id;
  git("update-ref refs/heads/main " + pushed);
  EXPECT_THROW(push->finish(), Error);
  EXPECT_EQ(two->resolve_revision(repo, "main"), later);
  commit(*two, "z", "4");
  EXPECT_EQ(read(*one, repo, "y"), "3");
  EXPECT_EQ(git("rev-parse main"), two->get_repo(alice, repo.repo_id).head + "\n");
  EXPECT_TRUE(one->fsck({}).problems.empty());
}

TEST_F(TwoHubs, APushThatLostItsLockIsDecidedBeforeItsAnswer_regression) {
  const std::string first = commit(*one, "x", "1").id;
  const std::string second = commit(*one, "x", "2").id;
  auto push = one->begin_push(alice, repo.repo_id);
  git("update-ref refs/heads/pushed " + first);
  end_sessions();
  push->finish();  // nobody else has written: the push is recorded
  EXPECT_EQ(two->resolve_revision(repo, "pushed"), first);
  push = one->begin_push(alice, repo.repo_id);
  git("update-ref refs/heads/late " + second);
  end_sessions();
  commit(*two, "y", "3");
  EXPECT_EQ(two->resolve_revision(repo, "late"), second) << "who takes the lock adopts what is there";
  push->finish();
  EXPECT_TRUE(one->fsck({}).problems.empty());
}

TEST_F(TwoHubs, PushOfADeadHubIsAdoptedThoughNobodyWrites) {
  const std::string next = commit(*one, "x", "1").id;
  die_while([&](Hub& own) {
    const auto push = own.begin_push(alice, repo.repo_id);
    git("update-ref refs/heads/pushed " + next);
    ::raise(SIGKILL);
  });
  const auto adopted = [&] {
    try {
      return two->resolve_revision(repo, "pushed") == next;
    } catch (const Error&) {
      return false;
    }
  };
  for (int i = 0; i < 300 && !adopted(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(adopted());
}

TEST_F(TwoHubs, PushOfADeadHubIsAdoptedByAnother) {
  const std::string next = commit(*one, "x", "1").id;
  die_while([&](Hub& own) {
    const auto push = own.begin_push(alice, repo.repo_id);
    git("update-ref refs/heads/pushed " + next);
    ::raise(SIGKILL);
  });
  commit(*two, "y", "2");  // takes the lock, and with it what was left
  EXPECT_EQ(two->resolve_revision(repo, "pushed"), next);
  EXPECT_TRUE(one->fsck({}).problems.empty());
}

TEST_F(TwoHubs, GarbageIsCollectedByAnyAndWhatAnotherKeepsStays) {
  const auto upload = [&](const std::string& content) {
    const auto writer = one->write_blob();
    writer->write(as_bytes(content));
    const std::string sha256 = writer->finish(std::nullopt);
    one->link_blob(repo, sha256);
    return sha256;
  };
  const std::string named = upload("named"), dead = upload("its commit never came"), kept = upload("another hub is about to name it");
  one->commit(alice, repo.repo_id, {"main", "c", "", "", {AddLargeFile{"named.bin", named, 5}}});
  const auto everything = GarbageOptions{.dry_run = false, .grace_ms = 3000, .staging_grace_ms = kStagingGraceMs};
  EXPECT_EQ(two->collect_garbage(everything).blobs, 0u) << "all are young";
  std::this_thread::sleep_for(std::chrono::seconds(5));
  two->link_blob(repo, kept);
  EXPECT_EQ(one->collect_garbage(everything).blobs, 1u);
  EXPECT_TRUE(two->has_blob(kept));
  EXPECT_FALSE(one->has_blob(dead));
  EXPECT_FALSE(two->repo_has_blob(repo, dead));
  EXPECT_EQ(read_file(two->blob_path(named)), "named");
  EXPECT_EQ(upload("its commit never came"), dead) << "comes back whole";
  EXPECT_TRUE(two->fsck({}).problems.empty());
  const auto busy = two->take_lock("garbage");
  EXPECT_THROW(one->collect_garbage(everything), Error) << "one collection at a time, wherever it runs";
}

TEST_F(TwoHubs, NeedPostgresql) {
  HubOptions options;
  options.data_folder = folder.path() / "four";
  options.shared_folder = folder.path() / "shared";
  EXPECT_THROW(Hub::open(options, clock), Error);
}

}  // namespace
}  // namespace lyceum::hub
