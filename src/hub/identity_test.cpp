// Tokens with scopes, signing in from a browser, organisations' roles, and the audit log.
#include "hub/audit.h"
#include "hub/device_logins.h"
#include "hub/hub_fixture.h"
#include "hub/organisations.h"
#include "hub/sessions.h"
#include "hub/store/store.h"
#include "hub/tokens.h"

namespace lyceum::hub {
namespace {

class Identity : public HubFixture {
 protected:
  Caller scoped(const Caller& who, const Grant& grant, bool reads_gated = false) {
    return *hub->authenticate(hub->tokens().create(who, {.name = "f", .scope = Scope::fine_grained, .reads_gated = reads_gated, .grants = {grant}}));
  }
  StoreOptions store_options() {
    StoreOptions options = test_options(folder.path() / "data").store;
    if (options.target.empty()) options.target = folder.path() / "data" / "lyceum.db";
    return options;
  }
  Caller role(const std::string& name, const std::string& role) {
    const Caller out = sign_up(name);
    hub->set_member(alice, "lab", name, role);
    return out;
  }
};

constexpr uint32_t kRead = kReadContent;

TEST_F(Identity, FineGrainedTokenReachesItsRepositoryOnly) {
  const Repo in = make_repo("in", true), out = make_repo("out", true);
  const Caller reads = scoped(alice, {.type = "model", .name = "alice/in", .permissions = kRead});
  EXPECT_NO_THROW(hub->get_repo(reads, in.repo_id));
  EXPECT_EQ(code_of([&] { hub->get_repo(reads, out.repo_id); }), Code::not_found);
  EXPECT_EQ(code_of([&] { hub->require_write(reads, in.repo_id); }), Code::forbidden);
  EXPECT_EQ(hub->list_repos(reads, {}).size(), 1u);
  EXPECT_EQ(hub->count_repos(reads, {}), 1u);
  const Caller writes = scoped(alice, {.type = "model", .name = "alice/in", .permissions = *find_permission("repo.write")});
  EXPECT_NO_THROW(hub->require_write(writes, in.repo_id));
  EXPECT_EQ(code_of([&] { hub->create_repo(writes, {RepoType::model, "alice", "new"}, true, ""); }), Code::forbidden) << "the namespace is not in its scope";
  EXPECT_EQ(code_of([&] { hub->tokens().create(writes, {.name = "x"}); }), Code::forbidden) << "no token makes a stronger one";
}

TEST_F(Identity, FineGrainedTokenForANamespace) {
  const Caller writes = scoped(alice, {.type = "user", .name = "alice", .permissions = *find_permission("repo.write")});
  EXPECT_NO_THROW(hub->create_repo(writes, {RepoType::dataset, "alice", "d"}, true, ""));
  EXPECT_EQ(code_of([&] { scoped(bob, {.type = "user", .name = "alice", .permissions = kRead}); }), Code::forbidden);
  make_repo("hidden", true);
  EXPECT_EQ(code_of([&] { scoped(bob, {.type = "model", .name = "alice/hidden", .permissions = kRead}); }), Code::not_found);
}

TEST_F(Identity, GrantNeverExceedsTheUsersOwnRight) {
  hub->create_organisation(alice, "lab", "");
  const Repo repo = hub->create_repo(alice, {RepoType::model, "lab", "m"}, true, "");
  hub->set_member(alice, "lab", "bob", "write");
  const Caller bobs = scoped(bob, {.type = "org", .name = "lab", .permissions = *find_permission("repo.write")});
  EXPECT_NO_THROW(hub->require_write(bobs, repo.repo_id));
  hub->set_member(alice, "lab", "bob", "read");
  EXPECT_EQ(code_of([&] { hub->require_write(bobs, repo.repo_id); }), Code::forbidden);
  hub->set_member(alice, "lab", "bob", "");
  EXPECT_EQ(code_of([&] { hub->get_repo(bobs, repo.repo_id); }), Code::not_found) << "left the organisation";
}

TEST_F(Identity, FineGrainedTokenOfTheAdministratorSeesItsScopeOnly) {
  const Repo in = make_repo("in", true), out = make_repo("out", true);
  const Caller scoped_admin = scoped(admin, {.type = "model", .name = "alice/in", .permissions = kRead});
  EXPECT_FALSE(scoped_admin.administrator());
  EXPECT_NO_THROW(hub->get_repo(scoped_admin, in.repo_id));
  EXPECT_EQ(code_of([&] { hub->get_repo(scoped_admin, out.repo_id); }), Code::not_found);
  EXPECT_EQ(hub->count_repos(scoped_admin, {}), 1u);
}

TEST_F(Identity, TokensExpire) {
  const std::string token = hub->tokens().create(alice, {.name = "t", .scope = Scope::write, .expires_ms = clock.now_ms() + 1000});
  ASSERT_TRUE(hub->authenticate(token));
  const std::string cookie = hub->sessions().create(*hub->authenticate(token));
  clock.advance_ms(1000);
  EXPECT_FALSE(hub->authenticate(token));
  EXPECT_FALSE(hub->sessions().authenticate(cookie)) << "a session does not outlive the token it came from";
  EXPECT_EQ(code_of([&] { hub->tokens().create(alice, {.name = "t", .expires_ms = 1}); }), Code::invalid_argument);
}

TEST_F(Identity, SessionEndsWithItsTokenAndWhenIdle) {
  const std::string token = hub->create_token(*alice.user, "t", Scope::write);
  const Caller caller = *hub->authenticate(token);
  const std::string cookie = hub->sessions().create(caller);
  hub->tokens().revoke(alice, caller.token->id);
  EXPECT_FALSE(hub->sessions().authenticate(cookie));
  const std::string idle = hub->sessions().create(alice), busy = hub->sessions().create(alice);
  clock.advance_ms(kSessionIdleMs - 1000);
  EXPECT_TRUE(hub->sessions().authenticate(busy));
  clock.advance_ms(2000);
  EXPECT_FALSE(hub->sessions().authenticate(idle));
  EXPECT_TRUE(hub->sessions().authenticate(busy));
}

TEST_F(Identity, LeakedTokensAreEndedByWhoeverHoldsThem) {
  const std::string token = hub->create_token(*alice.user, "t", Scope::write);
  EXPECT_EQ(hub->tokens().revoke_leaked(nobody, {"hf_nothing", token}), 1u);
  EXPECT_FALSE(hub->authenticate(token));
}

TEST_F(Identity, DeviceLoginGivesTokensOnceAfterApproval) {
  DeviceLogins& logins = hub->device_logins();
  const DeviceCode code = logins.start("hf", "1.2.3.4");
  EXPECT_EQ(logins.poll("hf", code.device_code).error, "authorization_pending");
  EXPECT_EQ(logins.poll("hf", code.device_code).error, "slow_down");
  EXPECT_EQ(logins.poll("other", code.device_code).error, "invalid_grant");
  EXPECT_EQ(logins.find(code.user_code)->address, "1.2.3.4");
  logins.decide(alice, " " + code.user_code.substr(0, 4) + code.user_code.substr(5), true, Scope::read);
  EXPECT_EQ(code_of([&] { logins.decide(bob, code.user_code, true, Scope::write); }), Code::not_found) << "decided already";
  const OauthAnswer tokens = logins.poll("hf", code.device_code);
  ASSERT_EQ(tokens.error, "");
  const auto caller = hub->authenticate(tokens.access_token);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->user->name, "alice");
  EXPECT_FALSE(caller->may_write());
  EXPECT_EQ(logins.poll("hf", code.device_code).error, "expired_token") << "once";
}

TEST_F(Identity, DeviceLoginIsDeniedOrExpires) {
  DeviceLogins& logins = hub->device_logins();
  const DeviceCode denied = logins.start("hf", ""), late = logins.start("hf", "");
  logins.decide(alice, denied.user_code, false, Scope::read);
  EXPECT_EQ(logins.poll("hf", denied.device_code).error, "access_denied");
  clock.advance_ms(late.expires_in_s * 1000);
  EXPECT_EQ(code_of([&] { logins.decide(alice, late.user_code, true, Scope::read); }), Code::not_found);
  EXPECT_EQ(logins.poll("hf", late.device_code).error, "expired_token");
  EXPECT_EQ(logins.poll("hf", "never was").error, "expired_token");
}

TEST_F(Identity, StolenRefreshTokenEndsTheGrant) {
  DeviceLogins& logins = hub->device_logins();
  const DeviceCode code = logins.start("hf", "");
  logins.decide(alice, code.user_code, true, Scope::write);
  const OauthAnswer first = logins.poll("hf", code.device_code);
  const OauthAnswer second = logins.refresh("hf", first.refresh_token);
  ASSERT_EQ(second.error, "");
  EXPECT_TRUE(hub->authenticate(second.access_token)->may_write());
  EXPECT_EQ(logins.refresh("other", second.refresh_token).error, "invalid_grant");
  EXPECT_EQ(logins.refresh("hf", first.refresh_token).error, "") << "an answer that was lost may be asked for again at once";
  clock.advance_ms(120'000);
  EXPECT_EQ(logins.refresh("hf", first.refresh_token).error, "invalid_grant");
  EXPECT_FALSE(hub->authenticate(second.access_token));
  EXPECT_EQ(logins.refresh("hf", second.refresh_token).error, "invalid_grant");
}

TEST_F(Identity, RevokingAnOauthTokenEndsItsGrant) {
  DeviceLogins& logins = hub->device_logins();
  const DeviceCode code = logins.start("hf", "");
  logins.decide(alice, code.user_code, true, Scope::write);
  const OauthAnswer tokens = logins.poll("hf", code.device_code);
  hub->tokens().revoke(alice, hub->authenticate(tokens.access_token)->token->id);
  EXPECT_EQ(logins.refresh("hf", tokens.refresh_token).error, "invalid_grant");
}

TEST_F(Identity, RolesDecideWhoManagesMembers) {
  hub->create_organisation(alice, "lab", "");
  const Caller writer = role("wanda", "write"), manager = role("ada", "admin");
  EXPECT_EQ(code_of([&] { hub->set_member(writer, "lab", "bob", "read"); }), Code::forbidden);
  EXPECT_NO_THROW(hub->set_member(manager, "lab", "bob", "write"));
  EXPECT_EQ(code_of([&] { hub->set_member(manager, "lab", "bob", "admin"); }), Code::forbidden) << "admins come from owners";
  EXPECT_EQ(code_of([&] { hub->set_member(manager, "lab", "alice", ""); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { hub->set_member(alice, "lab", "bob", "king"); }), Code::invalid_argument);
  EXPECT_NO_THROW(hub->set_member(writer, "lab", "wanda", "")) << "anyone may leave";
  EXPECT_NO_THROW(hub->set_member(alice, "lab", "ada", "owner"));
  EXPECT_NO_THROW(hub->set_member(alice, "lab", "alice", ""));
  EXPECT_EQ(code_of([&] { hub->set_member(manager, "lab", "ada", ""); }), Code::conflict) << "the last owner stays";
  const auto members = hub->organisations().members(*hub->organisations().find("lab"), 0, 10);
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].role, Role::owner);
}

TEST_F(Identity, OrganisationIsRemovedWhenEmpty) {
  hub->create_organisation(alice, "lab", "");
  const Caller manager = role("ada", "admin");
  const RepoId id{RepoType::model, "lab", "m"};
  hub->create_repo(alice, id, false, "");
  EXPECT_EQ(code_of([&] { hub->organisations().remove(manager, "lab"); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { hub->organisations().remove(alice, "lab"); }), Code::conflict);
  hub->delete_repo(alice, id);
  hub->organisations().remove(alice, "lab");
  EXPECT_FALSE(hub->is_organisation("lab"));
}

TEST_F(Identity, AuditRecordsWhatHappenedAndOnlyThat) {
  Caller caller = alice;
  caller.address = "10.0.0.7";
  const Repo repo = hub->create_repo(caller, {RepoType::model, "alice", "seen"}, true, "");
  EXPECT_EQ(code_of([&] { hub->create_repo(caller, repo.repo_id, true, ""); }), Code::conflict);
  const auto events = hub->audit().list({.user = {}, .action = "repo.create", .target = "models/alice/seen"});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].user, "alice");
  EXPECT_EQ(events[0].address, "10.0.0.7");
  EXPECT_EQ(events[0].token_id, alice.token->id);
  hub->update_repo(caller, repo.repo_id, false, std::nullopt);
  hub->delete_repo(caller, repo.repo_id);
  EXPECT_EQ(hub->audit().list({.user = {}, .action = "repo.", .target = "models/alice/seen"}).size(), 3u);
  EXPECT_EQ(hub->audit().find_break(), std::nullopt);
}

TEST_F(Identity, AuditTellsWhereItWasEdited) {
  for (int i = 0; i < 5; ++i) hub->audit().record_alone(alice, "test", std::to_string(i));
  const auto last = hub->audit().list({.user = {}, .action = {}, .target = {}, .limit = 1}).at(0).sequence;
  hub.reset();
  {
    Store store(store_options());
    store.write([&](Database& database) { database.run("UPDATE audit SET target = 'changed' WHERE sequence = ?", last - 2); });
  }
  reopen();
  EXPECT_EQ(hub->audit().find_break(), last - 2);
  EXPECT_NE(hub->fsck({}).problems.at(0).find("audit log"), std::string::npos);
  hub.reset();
  {
    Store store(store_options());
    store.write([&](Database& database) {
      database.run("UPDATE audit SET target = ? WHERE sequence = ?", std::to_string(2), last - 2);
      database.run("DELETE FROM audit WHERE sequence = ?", last);
    });
  }
  reopen();
  EXPECT_EQ(hub->audit().find_break(), last) << "the newest row is missing";
}

}  // namespace
}  // namespace lyceum::hub
