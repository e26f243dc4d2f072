#include "tuning/evaluate/study.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tuning/evaluate/answers.h"
#include "tuning/evaluate/known_lines.h"
#include "tuning/evaluate/study_card.h"
#include "tuning/evaluate/study_page.h"
#include "tuning/evaluate/study_text.h"

namespace lyceum::tuning {
namespace {

CodeFile file_of(std::string path, std::string text) { return {.path = std::move(path), .text = std::move(text), .sha256 = {}, .licence = {}}; }

const std::string kPast =
    "import os\n\n\ndef first(value):\n    total = value + 1\n    print(total)\n    return total\n\n\ndef second(value):\n    total = value * 2\n    return total\n";

TEST(KnownLines, UnchangedMovedAndReindentedLinesAreKnown) {
  const KnownLines known({file_of("a.py", kPast)});
  for (const uint8_t is_new : known.find_new(kPast)) EXPECT_EQ(is_new, 0);
  const std::string moved = "class Box:\n    def second(value):\n        total = value * 2\n        return total\n";
  EXPECT_EQ(known.find_new(moved), (std::vector<uint8_t>{1, 0, 0, 0}));
}

TEST(KnownLines, ALineThatOnlyReadsLikeAnotherIsNew) {
  const KnownLines known({file_of("a.py", kPast)});
  const std::string changed = "import os\n\n\ndef first(value):\n    total = value + 1\n    log(total)\n    return total\n\n\ndef third(value):\n    count = value - 3\n    return total\n";
  const auto is_new = known.find_new(changed);
  EXPECT_EQ(is_new, (std::vector<uint8_t>{0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1}));
}

TEST(Bm25, FindsThePieceThatSharesRareNamesByTheirParts) {
  const std::vector<CodeFile> files = {file_of("a.py", "def open_door(handle):\n    return handle\n"), file_of("b.py", "def closeWindow(frame):\n    return frame\n"),
                                       file_of("c.py", "def other(handle):\n    return handle\n")};
  const Bm25 index(files);
  ASSERT_EQ(index.pieces(), 3u);
  ASSERT_FALSE(index.search("window", 2).empty());
  EXPECT_NE(index.search("window", 2)[0].find("closeWindow"), std::string_view::npos);
  EXPECT_NE(index.search("door handle", 3)[0].find("open_door"), std::string_view::npos);
  EXPECT_TRUE(index.search("absent", 3).empty());
}

TEST(Bm25, TermsAreIdentifiersAndTheirParts) {
  EXPECT_EQ(search_terms("ReadAll(x_1, 22)"), (std::vector<std::string>{"readall", "read", "all", "x_1", "x", "1"}));
}

std::vector<CodeFile> future_files() {
  return {file_of("a.py", kPast + "\n\ndef fresh(name, limit):\n    words = name.split()\n    if len(words) > limit:\n        words = words[:limit]\n    return words\n\n\nVALUE = fresh(\"a b\", 1)\nprint(VALUE)\n")};
}

TEST(Spans, MiddlesAreNewLinesOfTheirKind) {
  const auto files = future_files();
  const KnownLines known({file_of("a.py", kPast)});
  const std::vector<std::vector<uint8_t>> is_new = {known.find_new(files[0].text)};
  const size_t old_part = kPast.size();
  for (const SpanKind kind : kSpanKinds) {
    const auto spans = make_spans(files, is_new, kind, 20, 7);
    EXPECT_FALSE(spans.empty()) << span_name(kind);
    for (const Span& span : spans) {
      EXPECT_EQ(span.item.prefix + span.item.middle + span.item.suffix, files[0].text);
      EXPECT_GE(span.item.prefix.size(), old_part) << span_name(kind) << ": " << span.item.middle;
      const bool many = span.item.middle.find('\n') != std::string::npos;
      EXPECT_EQ(many, kind == SpanKind::block || kind == SpanKind::function) << span.item.middle;
    }
  }
  const auto functions = make_spans(files, is_new, SpanKind::function, 20, 7);
  ASSERT_EQ(functions.size(), 1u);
  EXPECT_TRUE(functions[0].item.middle.starts_with("words = name.split()"));
  EXPECT_TRUE(functions[0].item.middle.ends_with("return words"));
}

TEST(Answers, IdentifiersAreCountedWithoutKeywords) {
  EXPECT_EQ(identifiers("for x in range(x): return None"), (std::multiset<std::string>{"range", "x", "x"}));
  EXPECT_EQ(defined_names("class Box:\n  def open(self):\n    width = 3\n    return width == 4\n"), (std::set<std::string>{"Box", "open", "width"}));
  EXPECT_DOUBLE_EQ(multiset_f1({"a", "b"}, {"a", "c"}), 0.5);
  EXPECT_DOUBLE_EQ(multiset_f1({}, {"a"}), 0.0);
  EXPECT_EQ(answer_part("\n  one two \nthree", "x"), "one two");
  EXPECT_EQ(answer_part("one\ntwo\n", "x\ny"), "one\ntwo");
}

TEST(Answers, TheEnclosingStatementIsCutOut) {
  const std::string prefix = "import os\n\n@wrap\ndef f(x):\n    try:\n        y = ", suffix = "\n    except E:\n        pass\n\ndef g():\n    pass\n";
  const Enclosing part = enclosing_statement(prefix, suffix);
  EXPECT_EQ(part.prefix, "@wrap\ndef f(x):\n    try:\n        y = ");
  EXPECT_EQ(part.suffix, "\n    except E:\n        pass\n\n");
}

TEST(Answers, PythonSaysWhatParses) {
  const auto parsed = parse_python({"x = 1\n", "x = (1\n", "def f():\nreturn 1\n", "print('é')\n", std::string("a\0b", 3)});
  if (!parsed) GTEST_SKIP() << "no python3 on this machine";
  EXPECT_EQ(*parsed, (std::vector<bool>{true, false, false, true, false}));
}

json::object small_study() {
  const auto arm = [](const char* key, double value, double difference, double low, double high) {
    return json::object{{"arm", key}, {"value", value}, {"difference", difference}, {"interval_95", json::array{low, high}}};
  };
  return {{"arms", json::array{json::object{{"key", "base"}, {"name", "base"}}, json::object{{"key", "adapter"}, {"name", "<adapter>"}}}},
          {"learned", json::object{{"label", "past"}, {"commit_time", "2025-01-01T00:00:00Z"}}},
          {"measured_on", json::object{{"label", "future"}, {"new_lines", 12}, {"files", 3}}},
          {"metrics", json::array{json::object{{"key", "bits_per_byte_new"}, {"title", "Bits"}, {"lower_is_better", true}, {"items", 3}, {"files", 3},
                                               {"arms", json::array{arm("base", 1.5, 0, 0, 0), arm("adapter", 1.25, -0.25, -0.3, -0.2)}},
                                               {"contrasts", json::array{}}}}}};
}

TEST(StudyPage, SaysWhatWasFoundAndEscapesNames) {
  const json::object study = small_study();
  const auto findings = study_findings(study);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].verdict, "better");
  EXPECT_EQ(verdict_word(-0.1, 0.1, true), "no clear difference");
  EXPECT_EQ(verdict_word(0.1, 0.2, true), "worse");
  EXPECT_EQ(study_lead(study), "Tuned on past as of 2025-01-01, measured on samples of the 12 new lines in 3 files of future.");
  const std::string page = study_page(study);
  EXPECT_NE(page.find("-0.3000 … -0.2000"), std::string::npos);
  EXPECT_NE(page.find("&lt;adapter&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<adapter>"), std::string::npos);
  for (const char* outside : {"http:", "https:", "<script", "src="}) EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

TEST(StudyCard, ResultsGoIntoTheFrontMatterOnce) {
  json::object study = small_study();
  study["adapter"] = json::object{{"name", "mine"}, {"outputs_sha256", json::object{{"adapter_model.safetensors", "ab"}}}};
  study["base"] = json::object{{"name", "base"}, {"weights_sha256", "cd"}};
  study["options"] = json::object{{"items_of_each_kind", 4}};
  study["environment"] = json::object{{"program_version", "1"}};
  const std::string once = card_with_results("---\nlibrary_name: peft\ntags:\n- lora\n---\n\n# Mine\n", study, "ef");
  EXPECT_TRUE(once.starts_with("---\nlibrary_name: peft\ntags:\n- lora\nmodel-index:\n- name: \"mine\"\n")) << once;
  EXPECT_TRUE(once.ends_with("\n---\n\n# Mine\n")) << once;
  EXPECT_NE(once.find("\"type\": \"bits_per_byte_new\""), std::string::npos);
  EXPECT_NE(once.find("\"value\": 1.250000"), std::string::npos) << "1.25E0 is a text in YAML";
  EXPECT_EQ(once.find("future"), std::string::npos) << "the name of private data";
  EXPECT_EQ(card_with_results(once, study, "ef"), once) << "results take the place of earlier ones";
  EXPECT_TRUE(card_with_results("# Mine\n", study, "ef").ends_with("---\n# Mine\n"));
}

}  // namespace
}  // namespace lyceum::tuning
