#include "hub/quotas.h"

#include "base/error.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

class QuotasTest : public HubFixture {
 protected:
  void restrict(uint64_t repo_bytes, uint64_t namespace_bytes) {
    hub.reset();
    HubOptions options = test_options(folder.path() / "data");
    options.repo_quota_bytes = repo_bytes;
    options.namespace_quota_bytes = namespace_bytes;
    hub = Hub::open(options, clock);
  }
};

TEST_F(QuotasTest, AFileCountsOncePerNamespace) {
  const Repo one = make_repo("one"), two = make_repo("two");
  const std::string sha256 = put_blob(std::string(1000, 'x'));
  hub->link_blob(one, sha256), hub->link_blob(two, sha256);
  EXPECT_EQ(hub->quotas().of_repo(two).used_bytes, 1000u);
  EXPECT_EQ(hub->quotas().of_namespace("alice").used_bytes, 1000u);
}

TEST_F(QuotasTest, AFileThatDoesNotFitIsRefusedAndNothingChanges) {
  restrict(1500, 0);
  const Repo repo = make_repo("m");
  hub->link_blob(repo, put_blob(std::string(1000, 'x')));
  std::string tag;
  const std::string more = put_blob(std::string(501, 'y'));
  EXPECT_EQ(code_of([&] { hub->link_blob(repo, more); }, &tag), Code::forbidden);
  EXPECT_EQ(tag, "QuotaExceeded");
  EXPECT_FALSE(hub->repo_has_blob(repo, more));
  hub->link_blob(repo, put_blob(std::string(500, 'z')));
  EXPECT_EQ(code_of([&] { hub->quotas().require_room(repo, 1); }), Code::forbidden);
}

TEST_F(QuotasTest, AnExceptionForANamespaceWins) {
  restrict(0, 100);
  const Repo repo = make_repo("m");
  const std::string sha256 = put_blob(std::string(1000, 'x'));
  EXPECT_EQ(code_of([&] { hub->link_blob(repo, sha256); }), Code::forbidden);
  hub->quotas().set_namespace_limit("alice", 2000);
  hub->link_blob(repo, sha256);
  EXPECT_EQ(hub->quotas().of_namespace("alice").limit_bytes, 2000u);
  hub->quotas().set_namespace_limit("alice", std::nullopt);
  EXPECT_EQ(hub->quotas().of_namespace("alice").limit_bytes, 100u);
}

}  // namespace
}  // namespace lyceum::hub
