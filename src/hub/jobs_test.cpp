#include "hub/jobs.h"

#include "hub/hub_fixture.h"
#include "hub/tokens.h"

namespace lyceum::hub {
namespace {

class JobsTest : public HubFixture {
 protected:
  JobsTest() {
    carol = sign_up("carol");
    hub->create_organisation(alice, "team", "The Team");
    hub->set_member(alice, "team", "carol", "read");
    make(alice, {RepoType::model, "team", "base"}, false);
    make(alice, {RepoType::dataset, "team", "code"}, true);
    make(alice, {RepoType::dataset, "alice", "diary"}, true);
  }

  void make(const Caller& caller, const RepoId& id, bool is_private) { hub->create_repo(caller, id, is_private, ""); }

  JobOrder order(const RepoId& data = {RepoType::dataset, "team", "code"}) {
    JobOrder out;
    out.base = jobs().pin(alice, {RepoType::model, "team", "base"}, "main");
    out.data = jobs().pin(alice, data, "main");
    out.recipe = {{"max_steps", 3}};
    out.target = "team/tuned";
    out.memory_bytes = 1000;
    return out;
  }

  Job submit(const JobOrder& wanted, size_t queue_max = 8) { return jobs().submit(alice, "team", wanted, queue_max); }
  Jobs& jobs() { return jobs_of(*hub); }
  Code code_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  }

  Caller carol;
};

TEST_F(JobsTest, KeepsWhatWasAskedFor) {
  JobOrder wanted = order();
  wanted.labels = {{"name", "first"}};
  wanted.timeout_s = 60;
  const Job job = submit(wanted);
  EXPECT_EQ(job.state, JobState::queued);
  EXPECT_EQ(job.owner, "team");
  EXPECT_EQ(job.user, "alice");
  EXPECT_TRUE(job.owner_is_organisation);
  EXPECT_EQ(job.order.base.commit, wanted.base.commit);
  EXPECT_EQ(job.order.data.id.full_name(), "team/code");
  EXPECT_EQ(job.order.recipe.at("max_steps").as_int64(), 3);
  EXPECT_EQ(job.order.timeout_s, 60);
  reopen();
  EXPECT_EQ(jobs().get(alice, "team", job.id).order.labels, wanted.labels);
}

TEST_F(JobsTest, ShowsAJobOnlyToThoseWhoMayReadItsInputs) {
  const Job shared = submit(order());
  EXPECT_EQ(jobs().get(carol, "team", shared.id).id, shared.id) << "a member who may read the data";
  EXPECT_EQ(jobs().get(admin, "team", shared.id).id, shared.id);
  EXPECT_EQ(code_of([&] { jobs().get(bob, "team", shared.id); }), Code::not_found);
  EXPECT_EQ(code_of([&] { jobs().get({}, "team", shared.id); }), Code::not_found);

  const Job own = submit(order({RepoType::dataset, "alice", "diary"}));
  EXPECT_EQ(code_of([&] { jobs().get(carol, "team", own.id); }), Code::not_found) << "a member, but the data is alice's own";
  EXPECT_EQ(jobs().list(carol, {}).size(), 1u);
  EXPECT_EQ(jobs().list(alice, {.owner = "team", .states = {}}).size(), 2u);
  EXPECT_TRUE(jobs().list(bob, {}).empty());

  hub->delete_repo(alice, {RepoType::dataset, "team", "code"});
  EXPECT_EQ(code_of([&] { jobs().get(carol, "team", shared.id); }), Code::not_found) << "the data has gone; who may know what was in it is not known any more";
  EXPECT_EQ(jobs().get(alice, "team", shared.id).id, shared.id);
}

TEST_F(JobsTest, LeavesAJobWhoseUserLostTheDataHidden) {
  hub->create_organisation(bob, "other", "");
  hub->set_member(bob, "other", "alice", "read");
  make(bob, {RepoType::dataset, "other", "lent"}, true);
  const Job job = submit(order({RepoType::dataset, "other", "lent"}));
  hub->set_member(bob, "other", "alice", "");
  EXPECT_EQ(code_of([&] { jobs().get(alice, "team", job.id); }), Code::not_found);
}

TEST_F(JobsTest, RefusesThoseWithoutTheRight) {
  EXPECT_EQ(code_of([&] { jobs().submit(carol, "team", order(), 8); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { jobs().submit(bob, "team", order(), 8); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { jobs().submit({}, "team", order(), 8); }), Code::unauthorized);
  EXPECT_EQ(code_of([&] { jobs().pin(bob, {RepoType::dataset, "team", "code"}, "main"); }), Code::not_found);
  const Caller reader = *hub->authenticate(hub->create_token(*alice.user, "r", Scope::read));
  EXPECT_EQ(code_of([&] { jobs().submit(reader, "team", order(), 8); }), Code::forbidden);
  const Job job = submit(order());
  EXPECT_EQ(code_of([&] { jobs().stop(carol, job); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { jobs().remove(carol, job); }), Code::forbidden);
  EXPECT_EQ(code_of([&] { jobs().require_see(bob, "team"); }), Code::forbidden);
  EXPECT_NO_THROW(jobs().require_see(carol, "team"));
  EXPECT_EQ(code_of([&] { jobs().require_start(carol, "team"); }), Code::forbidden);
}

TEST_F(JobsTest, KeepsWhatWasLearnedFromPrivateDataPrivate) {
  JobOrder open = order();
  open.private_result = false;
  EXPECT_EQ(code_of([&] { submit(open); }), Code::forbidden);
  make(alice, {RepoType::model, "team", "tuned"}, false);
  EXPECT_EQ(code_of([&] { submit(order()); }), Code::forbidden) << "a public repository that is there already";
  JobOrder elsewhere = order();
  elsewhere.target = "bob/tuned";
  EXPECT_EQ(code_of([&] { submit(elsewhere); }), Code::invalid_argument);
}

TEST_F(JobsTest, GoesThroughItsStates) {
  JobOrder plan = order();
  plan.plan_only = true;
  Job job = submit(plan);
  jobs().set_running(job);
  EXPECT_EQ(code_of([&] { jobs().remove(alice, job); }), Code::conflict) << "it runs";
  jobs().finish(job, JobState::planned, "");
  job = jobs().start(alice, *jobs().find(job.row), 8);
  EXPECT_EQ(job.state, JobState::queued);
  EXPECT_FALSE(job.order.plan_only);
  EXPECT_EQ(code_of([&] { jobs().start(alice, job, 8); }), Code::conflict) << "it is on its way already";
  jobs().set_running(job);
  EXPECT_TRUE(jobs().stop(alice, job).stop_asked);
  EXPECT_EQ(jobs().find(job.row)->state, JobState::running) << "it stops when it can";
  jobs().finish(job, JobState::stopped, "stopped after step 2");
  job = jobs().resume(alice, job, 8);
  EXPECT_FALSE(job.stop_asked);
  EXPECT_EQ(jobs().stop(alice, job).state, JobState::stopped) << "it had not begun";
  jobs().remove(alice, job);
  EXPECT_FALSE(jobs().find(job.row));
}

TEST_F(JobsTest, RefusesWhenTheQueueIsFull) {
  const Job first = submit(order(), 2);
  submit(order(), 2);
  EXPECT_EQ(code_of([&] { submit(order(), 2); }), Code::unavailable);
  jobs().set_running(first);
  EXPECT_NO_THROW(submit(order(), 2)) << "one that runs does not wait";
  const std::vector<Job> waiting = jobs().with_state(JobState::queued);
  ASSERT_EQ(waiting.size(), 2u);
  EXPECT_LT(waiting[0].row, waiting[1].row);
}

TEST_F(JobsTest, GoesOnAfterARestartButNotForEver) {
  Job job = submit(order());
  for (int i = 0; i < Jobs::kStartsMax; ++i) {
    EXPECT_EQ(jobs().find(job.row)->state, JobState::queued);
    jobs().set_running(job);
    reopen();
    jobs().recover();
  }
  EXPECT_EQ(jobs().find(job.row)->state, JobState::interrupted);
  job = jobs().resume(alice, job, 8);
  jobs().set_running(job);
  jobs().put_back(job);
  EXPECT_EQ(jobs().find(job.row)->starts, 0) << "a hub that stops in good order is no reason for suspicion";
  jobs().set_running(job);
  jobs().stop(alice, job);
  jobs().recover();
  EXPECT_EQ(jobs().find(job.row)->state, JobState::stopped);
}

TEST_F(JobsTest, FindsByStateAndLabelAndForgetsTheOldest) {
  JobOrder wanted = order();
  wanted.labels = {{"env", "prod"}};
  const Job job = submit(wanted);
  const Job other = submit(order());
  EXPECT_EQ(jobs().list(alice, {.owner = "team", .states = {}, .labels = {{"env", "prod"}}}).size(), 1u);
  EXPECT_EQ(jobs().list(alice, {.owner = "team", .states = {JobState::running}}).size(), 0u);
  EXPECT_EQ(jobs().set_labels(alice, other, {{"env", "prod"}}).order.labels.size(), 1u);
  EXPECT_EQ(code_of([&] { jobs().set_labels(alice, other, {{"env", 1}}); }), Code::invalid_argument);
  EXPECT_EQ(jobs().list(alice, {.owner = "team", .states = {}, .labels = {}, .limit = 1, .offset = 1}).at(0).id, job.id);
  EXPECT_TRUE(jobs().take_old().empty());
}

}  // namespace
}  // namespace lyceum::hub
