// hub_fixture.h: a hub in a temporary folder with a fake clock, an administrator and two users, for tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files.h"
#include "base/hash.h"
#include "hub/hub.h"
#include "hub/test_options.h"

namespace lyceum::hub {

class HubFixture : public ::testing::Test {
 protected:
  HubFixture() {
    reopen();
    admin = *hub->authenticate(*hub->bootstrap_administrator("root-admin"));
    alice = sign_up("alice");
    bob = sign_up("bob");
  }

  void reopen() {
    hub.reset();
    hub = Hub::open(test_options(folder.path() / "data"), clock);
  }

  Caller sign_up(const std::string& name) {
    const User user = hub->create_user(name, name, name + "@example.org", "", false);
    return *hub->authenticate(hub->create_token(user, "test", Scope::write));
  }

  Repo make_repo(const std::string& name, bool is_private = false, RepoType type = RepoType::model) {
    return hub->create_repo(alice, {type, "alice", name}, is_private, "");
  }

  std::string put_blob(const std::string& content) {
    const auto writer = hub->write_blob();
    writer->write(as_bytes(content));
    return writer->finish(std::nullopt);
  }

  CommitInfo commit(const Repo& repo, std::vector<CommitAction> actions, const std::string& branch = "main") {
    CommitRequest request;
    request.branch = branch;
    request.summary = "change";
    request.actions = std::move(actions);
    clock.advance_ms(1000);
    return hub->commit(alice, repo.repo_id, request);
  }

  Repo again(const Repo& repo) { return hub->get_repo(admin, repo.repo_id); }

  std::string read(const Repo& repo, const std::string& path, const std::string& revision = "main") {
    const auto entry = hub->find_entry(repo, hub->resolve_revision(repo, revision), path);
    return entry ? hub->read_small(repo, *entry) : "(absent)";
  }

  // `git fsck --strict` on the bare folder prints nothing and succeeds.
  static bool git_is_clean(const fs::path& git_folder) {
    return run_git("-C '" + git_folder.string() + "' fsck --strict --full 2>&1 | grep -v '^dangling' | grep -v '^Checking'; test ${PIPESTATUS[0]} = 0").empty();
  }

  // Runs git (by bash) and returns its output; a failure adds "(failed)".
  static std::string run_git(const std::string& arguments) {
    const std::string command = "exec bash -c \"$(cat <<'COMMAND'\nexport GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0\n"
                                "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@x GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@x\ngit " + arguments + "\nCOMMAND\n)\"";
    std::string out;
    FILE* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return "(failed)";
    char buffer[4096];
    while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
    if (::pclose(pipe) != 0) out += "(failed)";
    return out;
  }

  static Code code_of(const std::function<void()>& action, std::string* tag = nullptr) {
    try {
      action();
    } catch (const Error& error) {
      if (tag != nullptr) *tag = error.tag();
      return error.code();
    }
    ADD_FAILURE() << "no error was thrown";
    return Code::internal;
  }

  TempFolder folder;
  FakeClock clock;
  std::unique_ptr<Hub> hub;
  Caller admin, alice, bob;
  Caller nobody;
};

}  // namespace lyceum::hub
