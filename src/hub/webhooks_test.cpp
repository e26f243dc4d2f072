#include "hub/webhooks.h"

#include "base/error.h"
#include "hub/discussions.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class WebhooksTest : public HubFixture {
 protected:
  Webhook watch(const Caller& caller, const std::string& type, const std::string& name, std::vector<std::string> domains = {}) {
    Webhook wanted;
    wanted.url = "https://example.org/hook";
    wanted.watched = {{type, name}};
    wanted.domains = std::move(domains);
    return hub->webhooks().create(caller, wanted);
  }
  std::vector<std::string> scopes(const Caller& caller, const std::string& id) {
    std::vector<std::string> out;
    for (const Delivery& one : hub->webhooks().deliveries(caller, id, 100)) {
      const json::value payload = parse_json(one.payload, "payload");
      const json::object& event = payload.at("event").as_object();
      out.push_back(get_string(event, "scope") + " " + get_string(event, "action"));
    }
    std::reverse(out.begin(), out.end());
    return out;
  }
};

TEST_F(WebhooksTest, EventsOfARepositoryAndOfANamespaceAreQueued) {
  const Webhook space = watch(bob, "user", "alice"), model = watch(bob, "model", "alice/m"), other = watch(bob, "model", "alice/x");
  const Repo repo = make_repo("m");
  commit(repo, {AddFile{"a.txt", "1"}});
  hub->discussions().open(bob, repo.repo_id, {"t", "text", false, "open"});
  hub->delete_repo(alice, repo.repo_id);
  const std::vector<std::string> expected{"repo create", "repo.content update", "discussion create", "discussion.comment create", "repo delete"};
  EXPECT_EQ(scopes(bob, space.id), expected);
  EXPECT_EQ(scopes(bob, model.id), expected);
  EXPECT_TRUE(scopes(bob, other.id).empty());
}

TEST_F(WebhooksTest, DomainsAndRightsFilter) {
  const Repo secret = make_repo("secret", true);
  const Webhook stranger = watch(bob, "model", "alice/secret"), owner = watch(alice, "model", "alice/secret"), talk = watch(alice, "model", "alice/secret", {"discussion"});
  commit(secret, {AddFile{"a.txt", "1"}});
  EXPECT_TRUE(scopes(bob, stranger.id).empty());
  EXPECT_EQ(scopes(alice, owner.id).size(), 1u);
  EXPECT_TRUE(scopes(alice, talk.id).empty());
}

TEST_F(WebhooksTest, OthersWebhooksDoNotExist) {
  const Webhook mine = watch(alice, "user", "alice");
  EXPECT_EQ(code_of([&] { hub->webhooks().get(bob, mine.id); }), Code::not_found);
  EXPECT_EQ(code_of([&] { hub->webhooks().remove(bob, mine.id); }), Code::not_found);
  EXPECT_EQ(code_of([&] { hub->webhooks().list(nobody); }), Code::unauthorized);
  EXPECT_EQ(code_of([&] { watch(alice, "model", "no-slash"); }), Code::invalid_argument);
}

TEST_F(WebhooksTest, ADeliveryIsTriedAgainLaterAndSurvivesARestart) {
  const Webhook hook = watch(alice, "user", "alice");
  make_repo("m");
  auto due = hub->webhooks().take_due();
  ASSERT_TRUE(due);
  EXPECT_EQ(due->delivery.attempts, 1);
  EXPECT_FALSE(hub->webhooks().take_due());  // claimed
  hub->webhooks().record(*due, {503, "busy"});
  EXPECT_FALSE(hub->webhooks().take_due());
  reopen();
  clock.advance_ms(10'000);
  due = hub->webhooks().take_due();
  ASSERT_TRUE(due);
  EXPECT_EQ(due->delivery.attempts, 2);
  hub->webhooks().record(*due, {200, "ok"});
  clock.advance_ms(10'000'000);
  EXPECT_FALSE(hub->webhooks().take_due());
  EXPECT_EQ(hub->webhooks().deliveries(alice, hook.id, 10).at(0).state, "done");
}

TEST_F(WebhooksTest, AClaimThatNobodyFinishesComesBack) {
  watch(alice, "user", "alice");
  make_repo("m");
  ASSERT_TRUE(hub->webhooks().take_due());
  clock.advance_ms(120'000);
  EXPECT_TRUE(hub->webhooks().take_due());
}

TEST_F(WebhooksTest, RepeatedFailureDisablesAndEnablingStartsAfresh) {
  const Webhook hook = watch(alice, "user", "alice");
  for (int i = 0; i < 3; ++i) make_repo("m" + std::to_string(i));
  int attempts = 0;
  while (!hub->webhooks().get(alice, hook.id).disabled) {
    clock.advance_ms(3'600'000);
    const auto due = hub->webhooks().take_due();
    ASSERT_TRUE(due);
    hub->webhooks().record(*due, {0, "no answer"});
    ASSERT_LE(++attempts, Webhooks::kFailuresMax);
  }
  EXPECT_EQ(attempts, Webhooks::kFailuresMax);
  EXPECT_FALSE(hub->webhooks().find_next_ms());
  EXPECT_NE(hub->webhooks().get(alice, hook.id).disabled_reason, "");
  EXPECT_FALSE(hub->webhooks().set_disabled(alice, hook.id, false).disabled);
  const auto log = hub->webhooks().deliveries(alice, hook.id, 10);
  EXPECT_EQ(hub->webhooks().replay(alice, hook.id, log.back().id).payload, log.back().payload);
  EXPECT_TRUE(hub->webhooks().take_due());
}

TEST_F(WebhooksTest, ARefusedChangeIsNotAnnounced) {
  const Webhook hook = watch(alice, "user", "alice");
  make_repo("m");
  const size_t before = scopes(alice, hook.id).size();
  EXPECT_EQ(code_of([&] { make_repo("m"); }), Code::conflict);
  EXPECT_EQ(scopes(alice, hook.id).size(), before);
}

}  // namespace
}  // namespace lyceum::hub
