// Likes, follows, collections, access requests.
#include "hub/access_requests.h"
#include "hub/collections.h"
#include "hub/follows.h"
#include "hub/hub_fixture.h"
#include "hub/likes.h"

namespace lyceum::hub {
namespace {

class Social : public HubFixture {
 protected:
  Account account(const Caller& caller) { return {caller.user->id, caller.user->name, caller.user->full_name, false}; }
};

TEST_F(Social, LikesAreCountedOnTheRepository) {
  const Repo repo = make_repo("m"), hidden = make_repo("h", true);
  hub->likes().like(bob, repo);
  hub->likes().like(bob, repo);
  hub->likes().like(alice, repo);
  hub->likes().like(alice, hidden);
  EXPECT_EQ(again(repo).likes, 2);
  EXPECT_EQ(hub->likes().likers(repo, 0, 10).size(), 2u);
  EXPECT_EQ(hub->likes().liked_by(alice, account(alice), 0, 10).size(), 2u);
  EXPECT_EQ(hub->likes().liked_by(bob, account(alice), 0, 10).size(), 1u) << "the hidden one stays hidden";
  hub->likes().unlike(bob, repo);
  EXPECT_EQ(again(repo).likes, 1);
  hub->delete_repo(alice, repo.repo_id);
  EXPECT_EQ(hub->likes().count_liked_by(alice, account(alice)), 1u);
}

TEST_F(Social, FollowsAreSeenFromBothEnds) {
  hub->follows().follow(bob, account(alice));
  hub->follows().follow(bob, account(alice));
  EXPECT_EQ(hub->follows().followers(account(alice), 0, 10).at(0).name, "bob");
  EXPECT_EQ(hub->follows().following(account(bob), 0, 10).at(0).name, "alice");
  EXPECT_TRUE(hub->follows().counts(bob, account(alice)).followed_by_caller);
  EXPECT_EQ(code_of([&] { hub->follows().follow(bob, account(bob)); }), Code::invalid_argument);
  hub->follows().unfollow(bob, account(alice));
  EXPECT_EQ(hub->follows().counts(bob, account(alice)).followers, 0);
}

TEST_F(Social, CollectionKeepsItemsInOrder) {
  Collections& collections = hub->collections();
  for (const char* name : {"a", "b", "c"}) make_repo(name);
  const Collection made = collections.create(alice, "alice", "My Models, 2026!", "", false);
  EXPECT_TRUE(made.full_slug().starts_with("alice/my-models-2026-")) << made.full_slug();
  for (const char* name : {"alice/a", "alice/b", "alice/c"}) collections.add_item(alice, made, "model", name, "");
  EXPECT_EQ(code_of([&] { collections.add_item(alice, made, "model", "alice/a", ""); }), Code::conflict);
  EXPECT_EQ(code_of([&] { collections.add_item(alice, made, "model", "alice/none", ""); }), Code::not_found);
  EXPECT_EQ(code_of([&] { collections.add_item(bob, made, "model", "alice/a", ""); }), Code::forbidden);
  const auto before = collections.items(alice, made, 10);
  ASSERT_EQ(before.size(), 3u);
  collections.update_item(alice, made, before[2].public_id, "first now", 0);
  const auto after = collections.items(bob, made, 10);
  EXPECT_EQ(after[0].repo->repo_id.name, "c");
  EXPECT_EQ(after[0].note, "first now");
  EXPECT_EQ(after[2].repo->repo_id.name, "b");
  collections.remove_item(alice, made, after[1].public_id);
  EXPECT_EQ(collections.items(alice, made, 10).size(), 2u);
}

TEST_F(Social, PrivateCollectionsAndItemsAreHidden) {
  Collections& collections = hub->collections();
  make_repo("h", true);
  const Collection open = collections.create(alice, "alice", "open", "", false), closed = collections.create(alice, "alice", "closed", "", true);
  collections.add_item(alice, open, "model", "alice/h", "");
  collections.add_item(alice, open, "collection", closed.full_slug(), "");
  EXPECT_EQ(collections.items(alice, open, 10).size(), 2u);
  EXPECT_EQ(collections.items(bob, open, 10).size(), 0u);
  EXPECT_EQ(code_of([&] { collections.get(bob, "alice", closed.slug + "-" + closed.public_id); }), Code::not_found);
  EXPECT_EQ(collections.list(bob, {}).size(), 1u);
  EXPECT_EQ(collections.list(alice, {.owners = {"alice"}, .items = {}, .text = "clos"}).size(), 1u);
  EXPECT_EQ(collections.list(alice, {.owners = {}, .items = {"models/alice/h"}, .text = {}}).size(), 1u);
  EXPECT_EQ(collections.list(bob, {.owners = {}, .items = {"models/alice/h"}, .text = {}}).size(), 0u) << "a search must not tell that it exists";
  collections.remove(alice, closed);
  EXPECT_EQ(collections.items(alice, open, 10).size(), 1u);
}

TEST_F(Social, ManualGateLetsInWhoWasAccepted) {
  Repo repo = make_repo("g");
  AccessRequests& requests = hub->access_requests();
  EXPECT_EQ(code_of([&] { requests.ask(bob, repo, {}); }), Code::invalid_argument) << "not gated";
  hub->update_repo(alice, repo.repo_id, std::nullopt, "manual");
  repo = again(repo);
  EXPECT_EQ(requests.ask(bob, repo, json::object{{"Why?", "science"}}), "pending");
  EXPECT_EQ(code_of([&] { hub->require_content(bob, repo); }), Code::forbidden);
  const auto pending = requests.list(repo, "pending", 0, 10);
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending[0].fields.at("Why?").as_string(), "science");
  requests.decide(alice, repo, {.user = "bob", .user_id = "", .request_id = "", .status = "accepted", .reason = ""});
  EXPECT_NO_THROW(hub->require_content(bob, repo));
  EXPECT_EQ(code_of([&] { requests.decide(alice, repo, {.user = "bob", .user_id = "", .request_id = "", .status = "accepted", .reason = ""}); }), Code::not_found);
  requests.decide(alice, repo, {.user = "", .user_id = "", .request_id = pending[0].public_id, .status = "rejected", .reason = "no"});
  EXPECT_EQ(code_of([&] { hub->require_content(bob, repo); }), Code::forbidden);
  EXPECT_EQ(requests.ask(bob, repo, {}), "rejected") << "asking again does not help";
  EXPECT_EQ(code_of([&] { requests.cancel(bob, repo); }), Code::not_found) << "nor does taking it back";
  requests.grant(alice, repo, "bob");
  EXPECT_NO_THROW(hub->require_content(bob, repo));
  EXPECT_EQ(code_of([&] { requests.grant(alice, repo, "bob"); }), Code::invalid_argument);
  EXPECT_EQ(code_of([&] { requests.grant(alice, repo, "nobody"); }), Code::not_found);
}

TEST_F(Social, AutomaticGateNeedsAskingOnly) {
  Repo repo = make_repo("g");
  hub->update_repo(alice, repo.repo_id, std::nullopt, "auto");
  repo = again(repo);
  EXPECT_EQ(code_of([&] { hub->require_content(bob, repo); }), Code::forbidden);
  EXPECT_EQ(hub->access_requests().ask(bob, repo, {}), "accepted");
  EXPECT_NO_THROW(hub->require_content(bob, repo));
  hub->access_requests().cancel(bob, repo);
  EXPECT_EQ(code_of([&] { hub->require_content(bob, repo); }), Code::forbidden);
}

}  // namespace
}  // namespace lyceum::hub
