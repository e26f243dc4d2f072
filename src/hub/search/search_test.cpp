#include "hub/search/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/error.h"
#include "hub/search/order.h"
#include "hub/search/postings.h"
#include "hub/search/string_pool.h"
#include "hub/search/tag_kinds.h"
#include "hub/search/words.h"

namespace lyceum::hub::search {
namespace {

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t operator()() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

TEST(StringPool, ComparesWithoutCaseAndKeepsTheFirstSpelling) {
  StringPool pool;
  const uint32_t first = pool.intern("License:MIT");
  EXPECT_EQ(pool.intern("license:mit"), first);
  EXPECT_EQ(pool.text(first), "License:MIT");
  for (int i = 0; i < 5000; ++i) pool.intern("text-" + std::to_string(i));
  EXPECT_EQ(pool.size(), 5001u);
  EXPECT_EQ(pool.find("TEXT-4999"), 5000u);
  EXPECT_FALSE(pool.find("text-5000"));
}

TEST(Postings, GiveBackWhatWasAdded) {
  Random random(1);
  std::vector<uint32_t> rows;
  Postings postings;
  for (uint32_t row = 0; row < 3'000'000; row += 1 + random() % (rows.size() % 7 == 0 ? 200'000u : 40u)) {
    rows.push_back(row);
    postings.add(row);
    postings.add(row);
  }
  Postings moved = std::move(postings);
  std::vector<uint32_t> seen;
  moved.for_each([&](uint32_t row) { return seen.push_back(row), true; });
  EXPECT_EQ(seen, rows);
  EXPECT_EQ(moved.count(), rows.size());
  EXPECT_EQ(postings.count(), 0u);  // NOLINT: moved from, on purpose
}

TEST(WordList, FindsBeginningsAndTypingErrors) {
  WordList words;
  for (const char* word : {"llama", "llamas", "lambda", "mistral", "mixtral", "qwen2", "instruct", "instrument", "deepseek"}) words.intern(word);
  words.sort();
  const auto found = [&](std::string_view typed, unsigned errors) {
    std::string out;
    std::vector<std::string> texts;
    for (const WordMatch& match : words.find(typed, errors, 100)) texts.push_back(std::string(words.text(match.word)) + (match.errors > 0 ? std::to_string(match.errors) : "") + (match.whole ? "!" : ""));
    std::sort(texts.begin(), texts.end());
    for (const auto& text : texts) out += text + " ";
    return out;
  };
  EXPECT_EQ(found("llam", 0), "llama llamas ");
  EXPECT_EQ(found("llama", 0), "llama! llamas ");
  EXPECT_EQ(found("mstral", 1), "mistral1! ");
  EXPECT_EQ(found("mitsral", 1), "mistral1! ") << "two letters swapped are one error";
  EXPECT_EQ(found("mistral", 1), "mistral! mixtral1! ");
  EXPECT_EQ(found("instur", 1), "instruct1 instrument1 ");
  EXPECT_EQ(found("depseak", 2), "deepseek2! ");
  EXPECT_EQ(found("zzz", 1), "");
}

// The walk over the sorted words skips subtrees; the plain way looks at every word.
TEST(WordList, AgreesWithThePlainWay) {
  Random random(7);
  WordList words;
  std::set<std::string> all;
  for (int i = 0; i < 3000; ++i) {
    std::string word;
    for (size_t length = 1 + random() % 9; word.size() < length;) word.push_back(static_cast<char>('a' + random() % 4));
    words.intern(word);
    all.insert(word);
    if (i == 1500) words.sort();
  }
  words.sort();
  const auto distance = [](const std::string& a, const std::string& b) {
    std::vector<std::vector<unsigned>> d(a.size() + 1, std::vector<unsigned>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) {
      for (size_t j = 0; j <= b.size(); ++j) {
        if (i == 0 || j == 0) {
          d[i][j] = static_cast<unsigned>(i + j);
          continue;
        }
        d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
    unsigned best = 255;
    for (size_t i = 0; i <= a.size(); ++i) best = std::min(best, d[i][b.size()]);
    return best;
  };
  for (const std::string typed : {"abca", "ddab", "abcdabc", "aaaa"}) {
    for (unsigned errors = 0; errors <= 2; ++errors) {
      std::set<std::string> expected, seen;
      for (const std::string& word : all) {
        if (distance(word, typed) <= errors) expected.insert(word);
      }
      for (const WordMatch& match : words.find(typed, errors, 100'000)) seen.emplace(words.text(match.word));
      EXPECT_EQ(seen, expected) << typed << " " << errors;
    }
  }
}

TEST(Order, StaysRightWhileKeysChange) {
  Random random(3);
  std::vector<int> keys;
  std::vector<uint8_t> dead;
  const auto before = [&](uint32_t a, uint32_t b) { return keys[a] != keys[b] ? keys[a] > keys[b] : a > b; };
  Order order(before, [&](std::vector<uint32_t>& rows) { std::sort(rows.begin(), rows.end(), before); });
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < (round % 20 == 0 ? 6000 : 50); ++i) {
      const unsigned what = random() % 3;
      uint32_t row = keys.empty() ? 0 : random() % static_cast<uint32_t>(keys.size());
      if (what == 0 || keys.empty()) {
        row = static_cast<uint32_t>(keys.size());
        keys.push_back(0);
        dead.push_back(0);
      } else if (what == 1 && i % 7 == 0) {
        dead[row] = 1;
      }
      keys[row] = static_cast<int>(random() % 500);
      order.note(row);
    }
    order.prepare(dead);
    std::vector<uint32_t> expected, seen, reversed;
    for (uint32_t row = 0; row < keys.size(); ++row) {
      if (dead[row] == 0) expected.push_back(row);
    }
    std::sort(expected.begin(), expected.end(), before);
    const auto none = [](uint32_t) { return false; };
    order.walk(false, none, [&](uint32_t row) { return dead[row] != 0 || (seen.push_back(row), true); });
    order.walk(true, none, [&](uint32_t row) { return dead[row] != 0 || (reversed.push_back(row), true); });
    ASSERT_EQ(seen, expected) << round;
    std::reverse(reversed.begin(), reversed.end());
    ASSERT_EQ(reversed, expected) << round;
    std::vector<uint32_t> rest;
    order.walk(false, [&](uint32_t row) { return keys[row] >= 250; }, [&](uint32_t row) { return dead[row] != 0 || (rest.push_back(row), true); });
    std::erase_if(expected, [&](uint32_t row) { return keys[row] >= 250; });
    ASSERT_EQ(rest, expected) << round;
  }
}

TEST(TagKinds, AreKnownByPrefixAndTable) {
  EXPECT_EQ(meaning_of(RepoType::model, "license:mit").kind, TagKind::license);
  EXPECT_EQ(meaning_of(RepoType::model, "license:mit").label, "mit");
  EXPECT_EQ(meaning_of(RepoType::model, "text-generation").kind, TagKind::task);
  EXPECT_EQ(meaning_of(RepoType::model, "peft").kind, TagKind::library);
  EXPECT_EQ(meaning_of(RepoType::model, "no").kind, TagKind::language);
  EXPECT_EQ(meaning_of(RepoType::dataset, "no").kind, TagKind::other);
  EXPECT_EQ(meaning_of(RepoType::model, "base_model:a/b").kind, TagKind::base_model);
  EXPECT_EQ(meaning_of(RepoType::model, "base_model:merge:a/b").kind, TagKind::other);
  EXPECT_EQ(kSizeClasses[size_class(7'000'000'000)].name, "6B-12B");
  EXPECT_EQ(kSizeClasses[size_class(UINT64_MAX)].name, ">500B");
}

class Searching : public testing::Test {
 protected:
  Entry make(int64_t id, const std::string& owner, const std::string& name, std::vector<std::string> tags = {}) {
    Entry entry;
    entry.id = id;
    entry.owner_id = owner == "carol" ? 9 : 1;
    entry.owner = owner;
    entry.name = name;
    entry.tags = std::move(tags);
    entry.created_ms = id * 10;
    entry.metrics.modified_ms = 1000 - id;
    entry.metrics.downloads = static_cast<uint32_t>(id * 7 % 11);
    return entry;
  }
  Summary summarise(Query query) {
    query.facet_values = 5;
    query.limit = 2;  // the summary is of everything that matches, not of the page
    return index->find(query).summary.value();
  }
  std::string ids(const Query& query) {
    std::string out;
    for (const int64_t id : index->find(query).ids) out += std::to_string(id) + " ";
    return out;
  }

  std::unique_ptr<Index> index = make_memory_index();
};

TEST_F(Searching, FiltersAreAllRequired) {
  Entry llama = make(1, "alice", "Llama-3.1-8B", {"license:mit", "en", "safetensors"});
  llama.pipeline_tag = "text-generation";
  llama.parameters = 8'000'000'000;
  index->put(RepoType::model, llama);
  Entry adapter = make(2, "bob", "llama-lora", {"license:MIT", "base_model:adapter:alice/Llama-3.1-8B"});
  adapter.library_name = "peft";
  adapter.gated = true;
  index->put(RepoType::model, adapter);
  index->put(RepoType::dataset, make(3, "bob", "llama-data", {"language:en"}));
  Query query;
  query.sort = Sort::id;
  EXPECT_EQ(ids(query), "1 2 ");
  query.tags = {"license:mit"};
  EXPECT_EQ(ids(query), "1 2 ");
  query.tags = {"license:mit", "language:en"};
  EXPECT_EQ(ids(query), "1 ");
  query.tags = {"text-generation"};
  EXPECT_EQ(ids(query), "1 ") << "a task is a tag too";
  query.tags = {"nothing-has-this"};
  EXPECT_EQ(ids(query), "");
  query.tags = {};
  query.library = "peft";
  EXPECT_EQ(ids(query), "2 ");
  query.library.clear();
  query.substrings = {"MA-3.1", "lice/"};
  EXPECT_EQ(ids(query), "1 ");
  query.substrings = {"ma_3"};
  EXPECT_EQ(ids(query), "");
  query.substrings.clear();
  query.parameters_min = 6'000'000'000;
  EXPECT_EQ(ids(query), "1 ") << "an unknown size is in no range";
  query.parameters_min = 0;
  query.gated = true;
  EXPECT_EQ(ids(query), "2 ");
  query.gated.reset();
  query.type = RepoType::dataset;
  query.author = "BOB";
  EXPECT_EQ(ids(query), "3 ");
}

TEST_F(Searching, PrivateRowsAreForTheirReaders) {
  Entry secret = make(1, "carol", "secret-llama", {"private-tag"});
  secret.is_private = true;
  index->put(RepoType::model, secret);
  Query query;
  const auto everywhere = [&] {
    Query text = query;
    text.text = "secret";
    text.sort = Sort::relevance;
    return ids(query) + ids(text) + std::to_string(index->count(query)) + " " + std::to_string(summarise(query).total) + " " +
           std::to_string(index->tags(RepoType::model, query.viewer, 10).size());
  };
  EXPECT_EQ(everywhere(), "0 0 0");
  query.viewer.owners = {1};
  EXPECT_EQ(everywhere(), "0 0 0");
  query.viewer.owners = {1, 9};
  EXPECT_EQ(everywhere(), "1 1 1 1 1");
  query.viewer = {true, {}, {}};
  EXPECT_EQ(everywhere(), "1 1 1 1 1");
}

TEST_F(Searching, PagesFitTogetherWhileRowsComeAndGo) {
  for (int64_t id = 1; id <= 200; ++id) index->put(RepoType::model, make(id, "a", "m" + std::to_string(id), {id % 2 == 0 ? "even" : "odd"}));
  for (const Sort sort : {Sort::modified, Sort::created, Sort::downloads, Sort::id, Sort::trending}) {
    for (const bool ascending : {false, true}) {
      Query query;
      query.sort = sort;
      query.ascending = ascending;
      query.limit = 7;
      query.tags = {"even"};
      std::vector<int64_t> seen;
      int64_t extra = 1000;
      while (true) {
        const Page page = index->find(query);
        seen.insert(seen.end(), page.ids.begin(), page.ids.end());
        if (page.next.empty()) break;
        query.cursor = page.next;
        ++extra;
        index->put(RepoType::model, make(extra, "z", "new" + std::to_string(extra), {"odd"}));
        index->remove(1 + 2 * (extra - 1001));
      }
      std::sort(seen.begin(), seen.end());
      EXPECT_EQ(seen.size(), 100u);
      EXPECT_TRUE(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
      for (int64_t id = 1; id < 200; id += 2) index->put(RepoType::model, make(id, "a", "m" + std::to_string(id), {"odd"}));
    }
  }
  Query bad;
  bad.cursor = "x'; DROP";
  EXPECT_THROW(index->find(bad), Error);
}

TEST_F(Searching, ManyChangesLeaveNoTrace) {
  for (int round = 0; round < 4; ++round) {
    for (int64_t id = 1; id <= 4000; ++id) index->put(RepoType::model, make(id, "a", "m" + std::to_string(id) + "-round" + std::to_string(round), {"round" + std::to_string(round)}));
    Query query;
    query.sort = Sort::downloads;
    query.tags = {"round" + std::to_string(round)};
    query.limit = 5000;
    EXPECT_EQ(index->find(query).ids.size(), 4000u);
    EXPECT_EQ(index->count(query), 4000u);
    query.tags = {"round" + std::to_string(round - 1)};
    EXPECT_EQ(index->count(query), 0u);
    query.tags = {};
    query.text = "m77 round" + std::to_string(round);
    query.sort = Sort::relevance;
    EXPECT_EQ(index->find(query).ids.front(), 77);
  }
  EXPECT_EQ(index->size(RepoType::model), 4000u);
}

TEST_F(Searching, ChangedMetricsMoveARow) {
  for (int64_t id = 1; id <= 5; ++id) index->put(RepoType::model, make(id, "a", "m" + std::to_string(id)));
  Query query;
  query.sort = Sort::downloads;
  query.limit = 1;
  EXPECT_EQ(ids(query), "3 ");
  index->set_metrics(1, {.modified_ms = 1, .downloads = 99});
  EXPECT_EQ(ids(query), "1 ");
  index->remove(1);
  EXPECT_EQ(ids(query), "3 ");
}

TEST_F(Searching, WordsAreFoundInNamesTagsAndCards) {
  Entry named = make(1, "mistralai", "Mistral-7B-Instruct");
  named.metrics.downloads = 5;
  Entry tagged = make(2, "x", "one", {"mistral"});
  Entry told = make(3, "x", "two");
  told.words = "trained from mistral weights";
  Entry popular = make(4, "y", "mistral-tune");
  popular.metrics.downloads = 100'000;
  for (const Entry& entry : {named, tagged, told, popular}) index->put(RepoType::model, entry);
  Query query;
  query.sort = Sort::relevance;
  query.text = "mistral";
  EXPECT_EQ(ids(query), "4 1 2 3 ");
  query.text = "mistarl instr";
  EXPECT_EQ(ids(query), "1 ");
  query.text = "one";
  EXPECT_EQ(ids(query), "2 ");
  query.text = "mistral nowhere-at-all";
  EXPECT_EQ(ids(query), "");
  query.text = "stral";
  EXPECT_EQ(ids(query), "4 1 2 3 ") << "inside a word";
  query.text = "...";
  EXPECT_EQ(ids(query), "");
  query.text = "mistral";
  query.sort = Sort::created;
  EXPECT_EQ(ids(query), "4 3 2 1 ");
}

TEST_F(Searching, FacetsCountTheHits) {
  for (int64_t id = 1; id <= 10; ++id) {
    Entry entry = make(id, "a", "m" + std::to_string(id), {id <= 3 ? "license:mit" : "license:apache-2.0", "en", "base_model:b/c", "base_model:finetune:b/c"});
    entry.pipeline_tag = id <= 6 ? "text-generation" : "fill-mask";
    entry.parameters = id == 1 ? 7'000'000'000 : 0;
    index->put(RepoType::model, entry);
  }
  Query query;
  query.tags = {"text-generation"};
  const Summary summary = summarise(query);
  EXPECT_EQ(summary.total, 6u);
  EXPECT_FALSE(summary.approximate);
  std::string text;
  for (const Facet& facet : summary.facets) {
    text += facet.name + ":";
    for (const auto& value : facet.values) text += " " + value.value + "=" + std::to_string(value.count);
    text += "; ";
  }
  query.text = "m";
  EXPECT_EQ(summarise(query).total, 6u);
  query.text = "m3";
  EXPECT_EQ(summarise(query).total, 1u);
  query.facet_values = 0;
  EXPECT_FALSE(index->find(query).summary.has_value());
  EXPECT_EQ(text, "task: text-generation=6; license: license:apache-2.0=3 license:mit=3; language: en=6; base_model: base_model:b/c=6; size: 6B-12B=1; ");
}

TEST_F(Searching, LinkedNamesAModelOrADataset) {
  int64_t id = 0;
  for (const char* tag : {"model:a/b", "dataset:c/d", "models", "license:mit"}) {
    ++id;
    index->put(RepoType::space, make(id, "a", "s" + std::to_string(id), {tag}));
  }
  Query query;
  query.type = RepoType::space;
  EXPECT_EQ(index->count(query), 4u);
  query.linked = true;
  EXPECT_EQ(index->count(query), 2u);
  query.facet_values = 5;
  EXPECT_EQ(index->find(query).summary.value().total, 2u);
}

// Without a filter the counts come from the lists' lengths: what nobody may see must be taken off them.
TEST_F(Searching, FacetsOfEverythingLeaveOutWhatIsHidden) {
  for (int64_t id = 1; id <= 40; ++id) {
    Entry entry = make(id, "a", "m" + std::to_string(id), {"license:mit"});
    entry.owner_id = 5;
    entry.is_private = id % 10 == 0;
    entry.disabled = id % 13 == 0;
    entry.parameters = id % 2 == 0 ? 2'000'000'000 : 0;
    index->put(RepoType::model, entry);
  }
  index->remove(2);
  index->put(RepoType::model, make(4, "a", "m4", {"license:other"}));
  Query query;
  const auto told = [&] {
    const Summary summary = summarise(query);
    std::string text = std::to_string(summary.total);
    for (const Facet& facet : summary.facets) {
      for (const auto& value : facet.values) text += " " + value.value + "=" + std::to_string(value.count);
    }
    return text;
  };
  EXPECT_EQ(told(), "32 license:mit=31 license:other=1 1B-3B=13");  // 40 - 1 removed - 4 private - 3 disabled; 4 has no size now
  query.viewer.owners = {5};
  EXPECT_EQ(told(), "36 license:mit=35 license:other=1 1B-3B=17");
  query.sort = Sort::id;
  EXPECT_EQ(index->count(query), 36u);
}

TEST_F(Searching, AnExactNameComesFirst) {
  for (int64_t id = 1; id <= 50; ++id) {
    Entry entry = make(id, "o" + std::to_string(id), id == 30 ? "Llama" : "llama-" + std::to_string(id));
    entry.metrics.downloads = static_cast<uint32_t>(id == 30 ? 0 : 1'000'000);
    index->put(RepoType::model, entry);
  }
  Query query;
  query.sort = Sort::relevance;
  query.limit = 1;
  for (const char* text : {"llama", "LLAMA", "o30/llama"}) {
    query.text = text;
    EXPECT_EQ(ids(query), "30 ") << text;
  }
  query.text = "lama";
  EXPECT_NE(ids(query), "30 ") << "not called so";
}

// Small shelves always gather, large ones walk first: both must agree with the plain way.
TEST_F(Searching, AgreesWithThePlainWay) {
  Random random(11);
  std::vector<Entry> all;
  const std::vector<std::string> tags = {"a", "b", "c", "d", "rare"};
  for (int64_t id = 1; id <= 60'000; ++id) {
    Entry entry = make(id, "owner" + std::to_string(random() % 50), (random() % 4 == 0 ? "llama-" : "other-") + std::to_string(random() % 1000) + "-" + std::to_string(id));
    for (size_t i = 0; i < 4; ++i) {
      if (random() % (i + 2) == 0) entry.tags.push_back(tags[i]);
    }
    if (random() % 2000 == 0) entry.tags.push_back("rare");
    entry.metrics.downloads = random() % 300;
    entry.parameters = random() % 3 == 0 ? 0 : random() % 10'000;
    index->put(RepoType::model, entry);
    all.push_back(std::move(entry));
  }
  index->finish_load();
  const auto check = [&](const Query& query, auto matches) {
    std::vector<std::pair<uint32_t, int64_t>> expected;
    for (const Entry& entry : all) {
      if (matches(entry)) expected.emplace_back(entry.metrics.downloads, entry.id);
    }
    std::sort(expected.rbegin(), expected.rend());
    EXPECT_EQ(index->count(query), expected.size());
    Query paged = query;
    std::vector<int64_t> seen;
    for (int page = 0; page < 3; ++page) {
      const Page answer = index->find(paged);
      seen.insert(seen.end(), answer.ids.begin(), answer.ids.end());
      if (answer.next.empty()) break;
      paged.cursor = answer.next;
    }
    for (size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], expected[i].second) << i;
    EXPECT_EQ(seen.size(), std::min<size_t>(expected.size(), 300));
  };
  const auto has = [](const Entry& entry, const char* tag) { return std::find(entry.tags.begin(), entry.tags.end(), tag) != entry.tags.end(); };
  Query query;
  query.sort = Sort::downloads;
  check(query, [](const Entry&) { return true; });
  query.tags = {"a", "c"};
  check(query, [&](const Entry& one) { return has(one, "a") && has(one, "c"); });
  query.tags = {"rare", "a"};
  check(query, [&](const Entry& one) { return has(one, "rare") && has(one, "a"); });
  query.tags = {};
  query.substrings = {"lama-77"};
  check(query, [&](const Entry& one) { return one.name.find("lama-77") != std::string::npos; });
  query.substrings = {};
  query.parameters_min = 9'900;
  check(query, [&](const Entry& one) { return one.parameters >= 9'900; });
  query.author = "owner7";
  check(query, [&](const Entry& one) { return one.parameters >= 9'900 && one.owner == "owner7"; });
}

TEST(CardWords, SkipFrontMatterAndSmallWords) {
  EXPECT_EQ(card_words("---\nlicense: mit\n---\n# A Model for the Medical domain, medical 2024 texts"), "model medical domain texts");
  EXPECT_EQ(card_words("---\nnever closed"), "");
}

}  // namespace
}  // namespace lyceum::hub::search
