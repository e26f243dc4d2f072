// Applications that sign people in: who may ask, what a code is good for, what the token reaches.
#include "hub/oauth_apps.h"

#include "base/base64url.h"
#include "base/hash.h"
#include "base/rsa_key.h"
#include "hub/hub_fixture.h"
#include "hub/organisations.h"

namespace lyceum::hub {
namespace {

const std::string kBack = "https://example.org/back";
const std::string kVerifier(43, 'v');

class OauthAppsTest : public HubFixture {
 protected:
  OauthApps& apps() { return hub->oauth_apps(); }
  OauthApp make_app() { return apps().create(bob, {"Notebook", "https://example.org", {kBack}}).app; }
  static Approval approval(const OauthApp& app, std::vector<std::string> scopes) {
    return {app.client_id, kBack, std::move(scopes), {}, to_base64url(sha256_raw(kVerifier)), "n", "https://hub.example"};
  }
  static CodeExchange exchange_of(const std::string& code) { return {"", std::nullopt, code, kBack, kVerifier, "192.0.2.1"}; }
  Caller signed_in(const OauthApp& app, std::vector<std::string> scopes, std::vector<std::string> organisations = {}) {
    Approval wanted = approval(app, std::move(scopes));
    wanted.organisations = std::move(organisations);
    return *hub->authenticate(apps().exchange(exchange_of(apps().approve(alice, wanted))).access_token);
  }
};

TEST_F(OauthAppsTest, CodeBecomesOneTokenForItsUser) {
  const OauthApp app = make_app();
  const std::string code = apps().approve(alice, approval(app, {"openid", "profile"}));
  const CodeAnswer answer = apps().exchange(exchange_of(code));
  ASSERT_EQ(answer.error, "");
  EXPECT_EQ(answer.client_id, app.client_id);
  EXPECT_EQ(answer.nonce, "n");
  const auto caller = hub->authenticate(answer.access_token);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->user->name, "alice");
  EXPECT_TRUE(caller->fine_grained());
  clock.advance_ms(1000);
  EXPECT_EQ(apps().exchange(exchange_of(code)).error, "invalid_grant") << "used";
  EXPECT_FALSE(hub->authenticate(answer.access_token)) << "a code that comes twice was copied: its token ends";
}

TEST_F(OauthAppsTest, CodeIsForItsApplicationAddressVerifierAndTime) {
  const OauthApp app = make_app(), other = make_app();
  const auto attempt = [&](auto change) {
    CodeExchange wanted = exchange_of(apps().approve(alice, approval(app, {"openid"})));
    change(wanted);
    return apps().exchange(wanted).error;
  };
  EXPECT_EQ(attempt([](CodeExchange&) {}), "");
  EXPECT_EQ(attempt([&](CodeExchange& one) { one.client_id = app.client_id; }), "");
  EXPECT_EQ(attempt([&](CodeExchange& one) { one.client_id = other.client_id; }), "invalid_grant");
  EXPECT_EQ(attempt([](CodeExchange& one) { one.redirect_uri += "/"; }), "invalid_grant");
  EXPECT_EQ(attempt([](CodeExchange& one) { one.verifier = std::string(43, 'w'); }), "invalid_grant");
  EXPECT_EQ(attempt([](CodeExchange& one) { one.verifier.clear(); }), "invalid_grant");
  EXPECT_EQ(attempt([](CodeExchange& one) { one.code += "x"; }), "invalid_grant");
  EXPECT_EQ(attempt([&](CodeExchange&) { clock.advance_ms(301'000); }), "invalid_grant");
}

TEST_F(OauthAppsTest, ConfidentialApplicationProvesItselfByItsSecret) {
  const NewOauthApp made = apps().create(bob, {"Server", "", {kBack}, true});
  Approval wanted = approval(made.app, {"openid"});
  wanted.challenge.clear();
  CodeExchange request = exchange_of(apps().approve(alice, wanted));
  EXPECT_EQ(apps().exchange(request).error, "invalid_client");
  request.secret = "guess";
  EXPECT_EQ(apps().exchange(request).error, "invalid_client");
  request.secret = made.secret;
  EXPECT_EQ(apps().exchange(request).error, "invalid_grant") << "a verifier, but the challenge was left out on the way";
  request.verifier.clear();
  EXPECT_EQ(apps().exchange(request).error, "");
  wanted.client_id = make_app().client_id;
  EXPECT_EQ(code_of([&] { apps().approve(alice, wanted); }), Code::invalid_argument) << "without a secret PKCE is required";
}

TEST_F(OauthAppsTest, TokenReachesWhatWasApproved) {
  const OauthApp app = make_app();
  hub->create_organisation(alice, "lab", "The Lab");
  hub->create_organisation(alice, "club", "");
  const Repo own = make_repo("own", true);
  const Repo lab = hub->create_repo(alice, {RepoType::model, "lab", "m"}, true, ""), club = hub->create_repo(alice, {RepoType::model, "club", "m"}, true, "");
  const Caller identity = signed_in(app, {"openid"}), reads = signed_in(app, {"openid", "profile", "read-repos"}, {"lab"}), writes = signed_in(app, {"manage-repos", "email"});
  EXPECT_EQ(code_of([&] { hub->get_repo(identity, own.repo_id); }), Code::not_found);
  EXPECT_FALSE(identity.may_change_something());
  EXPECT_NO_THROW(hub->get_repo(reads, own.repo_id));
  EXPECT_NO_THROW(hub->get_repo(reads, lab.repo_id));
  EXPECT_EQ(code_of([&] { hub->get_repo(reads, club.repo_id); }), Code::not_found) << "an organisation that was not chosen";
  EXPECT_EQ(code_of([&] { hub->require_write(reads, own.repo_id); }), Code::forbidden);
  EXPECT_NO_THROW(hub->require_write(writes, own.repo_id));
  EXPECT_EQ(code_of([&] { hub->get_repo(writes, lab.repo_id); }), Code::not_found);
  EXPECT_TRUE(reads.lets_know_membership("lab") && !reads.lets_know_membership("club"));
  EXPECT_TRUE(writes.has_scope("email") && !reads.has_scope("email") && alice.has_scope("email"));
  EXPECT_EQ(code_of([&] { apps().approve(alice, approval(app, {"everything"})); }), Code::invalid_argument);
  EXPECT_EQ(code_of([&] { apps().approve(alice, approval(app, {})); }), Code::invalid_argument) << "no scopes would read as all of them";
  EXPECT_EQ(code_of([&] { hub->tokens().create(writes, {.name = "more", .scope = Scope::write}); }), Code::forbidden) << "no way to a stronger token";
}

TEST_F(OauthAppsTest, RemovingAnApplicationEndsItsTokens) {
  const OauthApp app = make_app();
  const std::string pending = apps().approve(alice, approval(app, {"openid"}));
  const std::string token = apps().exchange(exchange_of(apps().approve(alice, approval(app, {"openid"})))).access_token;
  EXPECT_EQ(code_of([&] { apps().remove(alice, app.client_id); }), Code::not_found) << "somebody else's";
  apps().remove(bob, app.client_id);
  EXPECT_FALSE(hub->authenticate(token));
  EXPECT_EQ(apps().exchange(exchange_of(pending)).error, "invalid_grant");
  EXPECT_TRUE(apps().list(*bob.user).empty());
}

TEST_F(OauthAppsTest, RedirectAddressesAreExactAndSafe) {
  const OauthApp app = apps().create(bob, {"Tool", "", {kBack, "http://127.0.0.1/done"}}).app;
  EXPECT_TRUE(accepts_redirect(app, kBack));
  EXPECT_TRUE(accepts_redirect(app, "http://127.0.0.1:49152/done")) << "a program listens where it can";
  for (const char* uri : {"https://example.org/back/", "https://example.org/back?x=1", "https://example.org:444/back", "https://example.org.evil.net/back", "http://example.org/back",
                          "https://example.org/other/../back", "http://127.0.0.1:1/other", "http://127.0.0.1.evil.net/done", "http://x@127.0.0.1/done", ""})
    EXPECT_FALSE(accepts_redirect(app, uri)) << uri;
  for (const char* uri : {"http://example.org/back", "https://example.org/#here", "https://user@example.org/", "javascript:alert(1)", "/back", "https://", "data:text/html,x", ""})
    EXPECT_EQ(code_of([&] { apps().create(bob, {"Bad", "", {uri}}); }), Code::invalid_argument) << uri;
  EXPECT_NO_THROW(apps().create(bob, {"Plain", "", {"http://hub.lan:3000/back"}, false, true}));
}

TEST_F(OauthAppsTest, OriginsOfApplicationsMayRead) {
  EXPECT_FALSE(apps().allows_origin("https://example.org"));
  const OauthApp app = make_app();
  EXPECT_TRUE(apps().allows_origin("https://example.org")) << "at once";
  EXPECT_FALSE(apps().allows_origin("https://example.org.evil.net"));
  EXPECT_FALSE(apps().allows_origin("null"));
  apps().remove(bob, app.client_id);
  EXPECT_FALSE(apps().allows_origin("https://example.org"));
}

TEST_F(OauthAppsTest, SigningKeyStays) {
  const std::string key = apps().signing_key();
  EXPECT_EQ(RsaKey::from_pem(key).sign("x").size(), 256u);
  reopen();
  EXPECT_EQ(apps().signing_key(), key);
}

}  // namespace
}  // namespace lyceum::hub
