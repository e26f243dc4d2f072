#include "hub/catalogue.h"

#include "hub/downloads.h"
#include "hub/hub_fixture.h"
#include "hub/model_facts.h"

namespace lyceum::hub {
namespace {

// A safetensors file with one tensor of `count` F32 numbers and no data.
std::string tensors(size_t count) {
  const std::string header = R"({"w":{"dtype":"F32","shape":[)" + std::to_string(count) + R"(],"data_offsets":[0,)" + std::to_string(count * 4) + "]}}";
  std::string out(8, '\0');
  const uint64_t size = header.size();
  std::memcpy(out.data(), &size, 8);
  return out + header + std::string(count * 4, '\0');
}

class CatalogueTest : public HubFixture {
 protected:
  std::string names(const search::Query& query, const Caller& caller) {
    std::string out;
    for (const Repo& repo : hub->catalogue().list(caller, query).repos) out += repo.repo_id.full_name() + " ";
    return out;
  }
};

TEST_F(CatalogueTest, FactsFollowACommit) {
  const Repo repo = make_repo("m");
  commit(repo, {AddFile{"model.safetensors", tensors(1000)}, AddFile{"config.json", R"({"model_type":"llama","architectures":["LlamaForCausalLM"]})"}});
  hub->catalogue().settle();
  const RepoFacts facts = hub->catalogue().facts(again(repo));
  ASSERT_TRUE(facts.current);
  EXPECT_EQ(facts.parameters, 1000u);
  EXPECT_TRUE(facts.runnable);
  EXPECT_EQ(facts.details.at("safetensors").at("total").to_number<int>(), 1000);
  EXPECT_EQ(facts.details.at("siblings").as_array().size(), 3u);
  search::Query query;
  query.parameters_min = 900;
  EXPECT_EQ(names(query, nobody), "alice/m ");
  commit(repo, {DeleteEntry{"model.safetensors", false}});
  hub->catalogue().settle();
  EXPECT_EQ(names(query, nobody), "");
  reopen();
  EXPECT_EQ(hub->catalogue().facts(again(repo)).parameters, 0u);
}

TEST_F(CatalogueTest, AHeaderThatTheEngineWouldRefuseTellsNothing) {
  const Repo repo = make_repo("m");
  std::string hole = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  const uint64_t size = hole.size();
  hole = std::string(reinterpret_cast<const char*>(&size), 8) + hole + std::string(8, '\0');
  commit(repo, {AddFile{"a.safetensors", tensors(10)}, AddFile{"b.safetensors", tensors(10).substr(0, 90)}, AddFile{"c.safetensors", hole}, AddFile{"d.safetensors", "no"}});
  hub->catalogue().settle();
  const RepoFacts facts = hub->catalogue().facts(again(repo));
  ASSERT_TRUE(facts.current);
  EXPECT_EQ(facts.parameters, 10u) << "of the one whole file";
  const auto files = hub->tree(again(repo), again(repo).head, "", true, false);
  for (const FileEntry& file : files) {
    if (!file.path.ends_with(".safetensors")) continue;
    const auto header = find_safetensors_header(*hub, again(repo), file);
    ASSERT_EQ(header.has_value(), file.path == "a.safetensors") << file.path;
    if (header) {
      EXPECT_EQ(json::serialize(*header), R"({"w":{"dtype":"F32","shape":[10],"data_offsets":[0,40]}})");
    }
  }
}

TEST_F(CatalogueTest, BaseModelsComeFromFilesWhenTheCardNamesNone) {
  const Repo base = make_repo("base");
  const Repo adapter = make_repo("adapter"), merge = make_repo("merge"), stated = make_repo("stated");
  commit(adapter, {AddFile{"adapter_config.json", R"({"base_model_name_or_path":"alice/base"})"}});
  commit(merge, {AddFile{"mergekit_config.yml", "models:\n  - model: alice/base\n  - model: other/one\nmerge_method: ties\n"}});
  commit(stated, {AddFile{"README.md", "---\nbase_model: alice/base\nbase_model_relation: finetune\n---\n"}, AddFile{"adapter_config.json", R"({"base_model_name_or_path":"not/this"})"}});
  hub->catalogue().settle();
  std::string text;
  for (const auto& [relation, count] : hub->catalogue().children(nobody, base.repo_id)) text += relation + "=" + std::to_string(count) + " ";
  EXPECT_EQ(text, "adapter=1 finetune=1 merge=1 ");
  hub->update_repo(alice, adapter.repo_id, true, std::nullopt);
  EXPECT_EQ(hub->catalogue().children(nobody, base.repo_id).size(), 2u) << "a private child is not told";
}

TEST_F(CatalogueTest, GgufHeaderNamesItsBase) {
  std::string file = "GGUF";
  const auto put = [&](auto value) { file.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto text = [&](const std::string& value) {
    put(uint64_t{value.size()});
    file += value;
  };
  put(uint32_t{3});
  put(uint64_t{0});
  put(uint64_t{2});
  for (const auto& [key, value] : {std::pair("general.architecture", "llama"), std::pair("general.base_model.0.repo_url", "https://example.org/meta/Llama-3")}) {
    text(key);
    put(uint32_t{8});
    text(value);
  }
  EXPECT_EQ(json::serialize(gguf_facts(as_bytes(file), file.size(), "x.gguf").at("base_models")), R"(["meta/Llama-3"])");
  EXPECT_THROW(gguf_facts(as_bytes(std::string_view(file).substr(0, file.size() - 3)), file.size(), "x.gguf"), Error);
}

TEST_F(CatalogueTest, ListFollowsMovesVisibilityAndDeletion) {
  const Repo repo = make_repo("first");
  search::Query query;
  EXPECT_EQ(names(query, nobody), "alice/first ");
  hub->move_repo(alice, repo.repo_id, {RepoType::model, "alice", "second"});
  EXPECT_EQ(names(query, nobody), "alice/second ");
  hub->update_repo(alice, {RepoType::model, "alice", "second"}, true, std::nullopt);
  EXPECT_EQ(names(query, nobody) + names(query, bob), "");
  EXPECT_EQ(names(query, alice), "alice/second ");
  hub->delete_repo(alice, {RepoType::model, "alice", "second"});
  EXPECT_EQ(names(query, alice), "");
}

TEST_F(CatalogueTest, ImportedEntriesAreListedAndHaveNoFiles) {
  make_repo("mine");
  const std::string lines = R"({"id":"meta/Llama-3-8B","createdAt":"2024-04-17T09:35:16.000Z","lastModified":"2024-09-27T15:52:28.000Z","downloads":5000,"downloadsAllTime":90000,"likes":70,)"
                            R"("trendingScore":12,"tags":["license:llama3","en"],"pipeline_tag":"text-generation","library_name":"transformers","gated":"manual","safetensors":{"parameters":{"BF16":8030261248},"total":8030261248},"description":"An open language model"})"
                            "\n\n{\"id\":\"no-owner\"}\nnot json\n{\"id\":\"alice/mine\"}\n{\"id\":\"x/secret\",\"private\":true}\n{\"id\":\"x/y\"}";
  ImportReport report = hub->catalogue().import(RepoType::model, lines);
  EXPECT_EQ(report.added, 2u);
  ASSERT_EQ(report.refused_count, 4u);
  EXPECT_EQ(report.refused[0].line, 3u);
  EXPECT_EQ(report.refused[2].line, 5u) << "a repository of this hub is left alone";
  EXPECT_EQ(report.refused[3].line, 6u);
  report = hub->catalogue().import(RepoType::model, R"({"id":"x/y","likes":3})");
  EXPECT_EQ(report.updated, 1u);
  for (int round = 0; round < 2; ++round) {
    search::Query query;
    query.parameters_min = 7'000'000'000;
    query.tags = {"license:llama3", "transformers"};
    EXPECT_EQ(names(query, nobody), "meta/Llama-3-8B ");
    query = {};
    query.text = "langauge model";
    query.sort = search::Sort::relevance;
    EXPECT_EQ(names(query, nobody), "meta/Llama-3-8B ");
    const Repo entry = hub->get_repo(nobody, {RepoType::model, "meta", "Llama-3-8B"});
    EXPECT_EQ(entry.downloads, 5000);
    EXPECT_EQ(hub->catalogue().facts(entry).downloads_all, 90000);
    reopen();
  }
  const Repo entry = hub->get_repo(admin, {RepoType::model, "x", "y"});
  EXPECT_EQ(entry.likes, 3);
  std::string tag;
  EXPECT_EQ(code_of([&] { hub->resolve_revision(entry, "main"); }, &tag), Code::not_found);
  EXPECT_EQ(tag, "RevisionNotFound");
  CommitRequest request;
  request.actions = {AddFile{"a", "b"}};
  EXPECT_EQ(code_of([&] { hub->commit(admin, entry.repo_id, request); }), Code::conflict);
  EXPECT_EQ(code_of([&] { hub->begin_push(admin, entry.repo_id); }), Code::conflict);
  EXPECT_TRUE(hub->fsck({}).problems.empty());
  hub->delete_repo(admin, entry.repo_id);
  EXPECT_NO_THROW(hub->create_repo(admin, entry.repo_id, false, ""));
}

}  // namespace
}  // namespace lyceum::hub
