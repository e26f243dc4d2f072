#include "hub/hub_fixture.h"
#include "hub/sessions.h"
#include "hub/tokens.h"

namespace lyceum::hub {
namespace {

class Accounts : public HubFixture {};

TEST_F(Accounts, BootstrapHappensOnce) {
  EXPECT_EQ(hub->bootstrap_administrator("second"), std::nullopt);
  EXPECT_TRUE(admin.administrator());
  reopen();
  EXPECT_EQ(hub->bootstrap_administrator("third"), std::nullopt);
}

TEST_F(Accounts, TokensHaveTheShapeClientsExpect) {
  const std::string token = hub->create_token(*alice.user, "t", Scope::read);
  EXPECT_EQ(token.size(), 40u);
  EXPECT_TRUE(token.starts_with("hf_"));
  const auto caller = hub->authenticate(token);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->user->name, "alice");
  EXPECT_FALSE(caller->may_write());
  EXPECT_FALSE(hub->authenticate(token + "x"));
  EXPECT_FALSE(hub->authenticate(""));
}

TEST_F(Accounts, RevokedTokenIsDead) {
  const std::string token = hub->create_token(*alice.user, "t", Scope::write);
  const int64_t id = hub->authenticate(token)->token->id;
  EXPECT_EQ(code_of([&] { hub->tokens().revoke(bob, id); }), Code::not_found) << "not his";
  hub->tokens().revoke(alice, id);
  EXPECT_FALSE(hub->authenticate(token));
}

TEST_F(Accounts, NoSecretIsStored) {
  const std::string token = hub->create_token(*alice.user, "t", Scope::write);
  const std::string cookie = hub->sessions().create(alice);
  hub->set_password(*alice.user, "correct horse battery");
  hub.reset();
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    if (entry.is_regular_file()) all += read_file(entry.path());
  }
  EXPECT_EQ(all.find(token), std::string::npos);
  EXPECT_EQ(all.find(cookie), std::string::npos);
  EXPECT_EQ(all.find("correct horse"), std::string::npos);
}

TEST_F(Accounts, PasswordsAreChecked) {
  EXPECT_FALSE(hub->try_password("alice", ""));
  hub->set_password(*alice.user, "correct horse battery");
  EXPECT_TRUE(hub->try_password("alice", "correct horse battery"));
  EXPECT_FALSE(hub->try_password("alice", "correct horse batterz"));
  EXPECT_FALSE(hub->try_password("nobody-here", "correct horse battery"));
  EXPECT_EQ(code_of([&] { hub->set_password(*alice.user, "short"); }), Code::invalid_argument);
}

TEST_F(Accounts, SessionsExpireAndEnd) {
  const std::string cookie = hub->sessions().create(alice);
  ASSERT_TRUE(hub->sessions().authenticate(cookie));
  EXPECT_TRUE(hub->sessions().authenticate(cookie)->may_write());
  const std::string other = hub->sessions().create(alice);
  hub->sessions().end(alice, other);
  EXPECT_FALSE(hub->sessions().authenticate(other));
  clock.advance_ms(31LL * 24 * 3600 * 1000);
  EXPECT_FALSE(hub->sessions().authenticate(cookie));
}

TEST_F(Accounts, NamesAreCheckedAndUnique) {
  for (const char* name : {"", "a--b", "a..b", "x.git", "x.lock", "-a", "a-", "a b", "a/b", "api", "Models", "ä"}) {
    EXPECT_EQ(code_of([&] { hub->create_user(name, "", "", "", false); }), Code::invalid_argument) << name;
  }
  EXPECT_EQ(code_of([&] { hub->create_user("ALICE", "", "", "", false); }), Code::conflict);
  EXPECT_EQ(code_of([&] { hub->create_organisation(bob, "alice", ""); }), Code::conflict);
}

TEST_F(Accounts, OrganisationRolesDecide) {
  hub->create_organisation(alice, "lab", "The lab");
  EXPECT_TRUE(hub->is_organisation("lab"));
  EXPECT_FALSE(hub->is_organisation("alice"));
  const RepoId id{RepoType::model, "lab", "m"};
  EXPECT_EQ(code_of([&] { hub->create_repo(bob, id, true, ""); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { hub->set_member(bob, "lab", "bob", "admin"); }), Code::forbidden);
  hub->create_repo(alice, id, true, "");
  EXPECT_EQ(code_of([&] { hub->get_repo(bob, id); }), Code::not_found);
  hub->set_member(alice, "lab", "bob", "read");
  EXPECT_NO_THROW(hub->get_repo(bob, id));
  EXPECT_EQ(code_of([&] { hub->require_write(bob, id); }), Code::forbidden);
  hub->set_member(alice, "lab", "bob", "write");
  EXPECT_NO_THROW(hub->require_write(bob, id));
  EXPECT_EQ(hub->memberships(*bob.user).at(0).role, "write");
  hub->set_member(alice, "lab", "bob", "");
  EXPECT_EQ(code_of([&] { hub->get_repo(bob, id); }), Code::not_found);
  EXPECT_EQ(code_of([&] { hub->set_member(alice, "lab", "alice", "read"); }), Code::conflict) << "the last admin stays";
}

}  // namespace
}  // namespace lyceum::hub
