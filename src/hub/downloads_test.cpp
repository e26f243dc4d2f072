#include "hub/downloads.h"

#include "hub/catalogue.h"
#include "hub/download_rules.h"
#include "hub/hub_fixture.h"

namespace lyceum::hub {
namespace {

TEST(DownloadRules, EveryQueryIsInTheLanguage) {
  EXPECT_GT(library_rules().size(), 150u);
  for (const LibraryRule& rule : library_rules()) EXPECT_TRUE(evaluate_rule(rule.query, "folder/some.file")) << rule.library << ": " << rule.query;
}

TEST(DownloadRules, LanguageMeansWhatItSays) {
  EXPECT_TRUE(*evaluate_rule("path:\"a\" OR (path_filename:\"config\" AND path_extension:\"json\")", "x/config.json"));
  EXPECT_FALSE(*evaluate_rule("path_extension:\"pt\" AND path_prefix:\"checkpoints/\"", "other/a.pt"));
  EXPECT_TRUE(*evaluate_rule("_exists_:\"path_prefix\"", "x/y"));
  EXPECT_FALSE(*evaluate_rule("_exists_:\"path_prefix\"", "y"));
  for (const char* bad : {"", "path", "path:a", "path:\"a", "other:\"a\"", "path:\"a\" path:\"b\"", "(path:\"a\""}) EXPECT_FALSE(evaluate_rule(bad, "a")) << bad;
}

TEST(DownloadRules, FollowTheLibrary) {
  EXPECT_TRUE(counts_as_download("transformers", "config.json"));
  EXPECT_TRUE(counts_as_download("", "params.json"));
  EXPECT_FALSE(counts_as_download("transformers", "model.safetensors"));
  EXPECT_FALSE(counts_as_download("transformers", "sub/config.json"));
  EXPECT_TRUE(counts_as_download("peft", "adapter_config.json"));
  EXPECT_FALSE(counts_as_download("peft", "config.json"));
  EXPECT_TRUE(counts_as_download("timm", "model.safetensors"));
  EXPECT_TRUE(counts_as_download("anything", "q4.gguf"));
  EXPECT_TRUE(counts_as_download("diffusers", "model_index.json"));
  EXPECT_TRUE(counts_as_download("diffusers", "sd.safetensors"));
  EXPECT_FALSE(counts_as_download("diffusers", "unet/model.safetensors"));
}

TEST(ClientEstimate, IsCloseAndMerges) {
  ClientEstimate one, other;
  const auto value = [](uint64_t i) { return (i + 1) * 0x9e3779b97f4a7c15ULL ^ ((i + 1) * 0xff51afd7ed558ccdULL) >> 29; };
  EXPECT_EQ(one.count(), 0u);
  for (uint64_t i = 0; i < 20; ++i) one.add(value(i));
  EXPECT_NEAR(static_cast<double>(one.count()), 20, 2);
  for (uint64_t i = 0; i < 20'000; ++i) other.add(value(i));
  EXPECT_NEAR(static_cast<double>(other.count()), 20'000, 4'000);
  const uint64_t before = other.count();
  other.merge(one.bytes());
  EXPECT_EQ(other.count(), before);
}

class Counting : public HubFixture {
 protected:
  void serve(const Repo& repo, const std::string& path, const std::string& from = "10.0.0.1", uint64_t bytes = 0, const std::string& agent = "client") {
    hub->downloads().record(repo, {path, from, agent, bytes});
  }
  static constexpr int64_t kDay = 86'400'000;
};

TEST_F(Counting, WindowIsThirtyDaysAndTotalStays) {
  const Repo repo = make_repo("m");
  serve(repo, "config.json");
  serve(repo, "model.safetensors", "10.0.0.1", 1000);
  serve(repo, "config.json", "10.0.0.2", 0, "bot; is_ci/true");
  EXPECT_EQ(again(repo).downloads, 2) << "what is not flushed is told too";
  hub->downloads().flush();
  EXPECT_EQ(again(repo).downloads, 2);
  const auto days = hub->downloads().series(repo, 30);
  ASSERT_EQ(days.size(), 1u);
  EXPECT_EQ(days[0].counted, 2u);
  EXPECT_EQ(days[0].requests, 3u);
  EXPECT_EQ(days[0].automatic, 1u);
  EXPECT_EQ(days[0].weight_bytes, 1000u);
  EXPECT_EQ(days[0].clients, 2u);
  hub->catalogue().settle();
  EXPECT_GT(hub->catalogue().facts(again(repo)).trending, 0);
  clock.advance_ms(29 * kDay);
  serve(repo, "config.json");
  hub->downloads().flush();
  EXPECT_EQ(again(repo).downloads, 3);
  clock.advance_ms(kDay);
  hub->downloads().flush();
  EXPECT_EQ(again(repo).downloads, 1) << "the first day has left the window without any new request";
  EXPECT_EQ(hub->catalogue().facts(again(repo)).downloads_all, 3);
}

TEST_F(Counting, NothingIsLostOnAGracefulStop) {
  const Repo repo = make_repo("m");
  for (int i = 0; i < 100; ++i) serve(repo, "config.json");
  reopen();
  EXPECT_EQ(again(repo).downloads, 100);
  hub->delete_repo(alice, repo.repo_id);
  serve(repo, "config.json");
  EXPECT_NO_THROW(hub->downloads().flush());
}

TEST_F(Counting, DatasetCountsOncePerAddressAndFiveMinutes) {
  const Repo repo = make_repo("d", false, RepoType::dataset);
  for (const char* path : {"a.parquet", "b.parquet", "README.md"}) serve(repo, path);
  serve(repo, "a.parquet", "10.0.0.2");
  EXPECT_EQ(again(repo).downloads, 2);
  clock.advance_ms(5 * 60'000);
  serve(repo, "a.parquet");
  EXPECT_EQ(again(repo).downloads, 3);
}

}  // namespace
}  // namespace lyceum::hub
