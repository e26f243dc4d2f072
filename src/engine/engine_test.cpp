#include "engine/engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "base/error.h"
#include "engine/golden_files.h"
#include "engine/kv_pool.h"
#include "grammar/gbnf.h"
#include "models/load.h"

namespace lyceum::engine {
namespace {

constexpr const char* kCharacters =
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\x7f";

// One printable character a token, so that texts are readable and ids follow from them.
class CharTokenizer final : public text::Tokenizer {
 public:
  std::vector<int32_t> encode(std::string_view utf8, const text::EncodeOptions&) const override {
    std::vector<int32_t> ids;
    for (const char c : utf8) ids.push_back(c - ' ');
    return ids;
  }
  std::string decode(std::span<const int32_t> ids, bool) const override {
    std::string out;
    for (const int32_t id : ids) out += static_cast<char>(' ' + id);
    return out;
  }
  size_t vocab_size() const override { return 96; }
  std::optional<int32_t> find_id(std::string_view) const override { return std::nullopt; }
  std::string_view token(int32_t id) const override { return std::string_view(kCharacters).substr(static_cast<size_t>(id), 1); }
  bool is_special(int32_t) const override { return false; }
};

std::unique_ptr<Engine> make_engine(const EngineOptions& options = {}) {
  const auto decoder = models::load_decoder(goldens_folder() / "cases/llama_gqa_tied");
  return Engine::create(decoder, std::make_shared<CharTokenizer>(), options);
}

GenerateRequest request_of(const Engine& engine, std::string_view prompt, uint32_t max_tokens = 20) {
  GenerateRequest request;
  request.prompt = engine.tokenizer().encode(prompt);
  request.sampling.temperature = 0;
  request.max_tokens = max_tokens;
  request.ignore_eos = true;
  return request;
}

struct Answer {
  std::string text;
  std::vector<int32_t> ids;
  GenerateResult result;
};

Answer run(Engine& engine, const GenerateRequest& request) {
  Answer out;
  out.result = engine.generate(request, [&](const GeneratedToken& token) {
    out.text += token.text;
    if (token.id >= 0) out.ids.push_back(token.id);
    return true;
  });
  return out;
}

std::vector<Answer> run_together(Engine& engine, const std::vector<GenerateRequest>& requests) {
  std::vector<Answer> out(requests.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < requests.size(); ++i) threads.emplace_back([&, i] { out[i] = run(engine, requests[i]); });
  for (std::thread& thread : threads) thread.join();
  return out;
}

// Different prompts, seeds and lengths.
std::vector<GenerateRequest> mixed_requests(const Engine& engine, size_t count) {
  std::vector<GenerateRequest> requests;
  for (size_t i = 0; i < count; ++i) {
    GenerateRequest request = request_of(engine, "abcdefgh ijklmn" + std::string(i, static_cast<char>('a' + i)), static_cast<uint32_t>(10 + i));
    request.sampling.temperature = i % 3 == 0 ? 0.0f : 0.9f;
    request.sampling.seed = i;
    request.sampling.repetition_penalty = i % 2 == 0 ? 1.0f : 1.2f;
    requests.push_back(request);
  }
  return requests;
}

TEST(Engine, GreedyFollowsTheLogitsOfTheWholeText) {
  const auto engine = make_engine();
  const Answer got = run(*engine, request_of(*engine, "hello world"));
  std::vector<int32_t> all = engine->tokenizer().encode("hello world");
  all.insert(all.end(), got.ids.begin(), got.ids.end());
  const std::vector<float> logits = engine->logits(all);
  for (size_t i = 0; i < got.ids.size(); ++i) {
    const auto row = logits.begin() + static_cast<ptrdiff_t>((11 + i - 1) * 96);
    EXPECT_EQ(std::max_element(row, row + 96) - row, got.ids[i]) << i;
  }
  EXPECT_EQ(got.result.finish, Finish::length);
  EXPECT_EQ(got.result.prompt_tokens, 11u);
  EXPECT_EQ(got.result.completion_tokens, 20u);
  EXPECT_EQ(got.text, engine->tokenizer().decode(got.ids));
}

TEST(Engine, ABatchGivesWhatEachGetsAlone) {
  const auto engine = make_engine();
  const auto requests = mixed_requests(*engine, 9);
  const auto together = run_together(*engine, requests);
  const auto fresh = make_engine({.threads = 1});
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(together[i].ids, run(*fresh, requests[i]).ids) << i;
}

TEST(Engine, ChunkedPromptsGiveTheSameText) {
  const auto engine = make_engine();
  const auto small = make_engine({.step_tokens_max = 5});
  const GenerateRequest request = request_of(*engine, "a rather long prompt that takes many steps", 20);
  EXPECT_EQ(run(*engine, request).ids, run(*small, request).ids);
}

TEST(Engine, ACacheTooSmallForAllStillGivesTheSameText) {
  const auto engine = make_engine();
  const KvLayout layout{2, 16, tensor::DType::f32};
  const auto tight = make_engine({.kv_bytes_max = 4 * layout.block_bytes()});
  std::vector<GenerateRequest> requests = mixed_requests(*engine, 6);
  for (GenerateRequest& request : requests) request.max_tokens = 40;
  const auto together = run_together(*tight, requests);
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(together[i].ids, run(*engine, requests[i]).ids) << i;
}

TEST(Engine, SharesThePrefixOfEarlierRequests) {
  const auto engine = make_engine();
  const GenerateRequest request = request_of(*engine, std::string(40, 'x') + "tail", 15);
  const Answer first = run(*engine, request), second = run(*engine, request);
  EXPECT_EQ(first.result.cached_prompt_tokens, 0u);
  EXPECT_EQ(second.result.cached_prompt_tokens, kBlockTokens);
  EXPECT_EQ(first.ids, second.ids);
}

TEST(Engine, SharesAPrefixThatIsStillBeingComputed) {
  const auto engine = make_engine({.step_tokens_max = 32});
  const GenerateRequest request = request_of(*engine, std::string(33, 'p') + "end", 5);
  const auto runs = run_together(*engine, std::vector<GenerateRequest>(8, request));
  uint32_t cached = 0;
  for (const Answer& each : runs) {
    cached += each.result.cached_prompt_tokens;
    EXPECT_EQ(each.ids, runs.front().ids);
  }
  EXPECT_EQ(cached, 7 * kBlockTokens);
}

TEST(Engine, StopsAtEosUnlessTold) {
  const auto engine = make_engine();
  GenerateRequest request = request_of(*engine, "hello world", 30);
  const Answer free = run(*engine, request);
  request.stop_ids = {free.ids[4]};
  const Answer stopped = run(*engine, request);
  const auto first = static_cast<size_t>(std::ranges::find(free.ids, free.ids[4]) - free.ids.begin());
  EXPECT_EQ(stopped.result.finish, Finish::stop);
  EXPECT_EQ(stopped.ids.size(), first);
  EXPECT_EQ(stopped.result.completion_tokens, first + 1);
}

TEST(Engine, CutsBeforeAStopString) {
  const auto engine = make_engine();
  GenerateRequest request = request_of(*engine, "hello world", 30);
  const Answer free = run(*engine, request);
  request.stop_strings = {free.text.substr(6, 3)};
  const Answer stopped = run(*engine, request);
  EXPECT_EQ(stopped.text, free.text.substr(0, free.text.find(request.stop_strings[0])));
  EXPECT_EQ(stopped.result.finish, Finish::stop);
  EXPECT_EQ(stopped.result.stop_string, request.stop_strings[0]);
  EXPECT_EQ(free.result.stop_string, "");
}

std::shared_ptr<grammar::Constraint> constraint_of(Engine& engine, const std::string& gbnf) {
  return engine.constraints().get(gbnf, [&gbnf] { return grammar::parse_gbnf(gbnf); });
}

TEST(Engine, KeepsToAGrammarBesideFreeRequests) {
  const auto engine = make_engine();
  auto requests = mixed_requests(*engine, 9);
  const auto free = run_together(*engine, requests);
  for (size_t i = 0; i < requests.size(); i += 2) requests[i].constraint = constraint_of(*engine, "root ::= [a-f]{3,8} (\"-\" [0-9]+)? \".\"");
  const auto together = run_together(*engine, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    if (i % 2 == 1) {
      EXPECT_EQ(together[i].ids, free[i].ids) << i;
      continue;
    }
    const size_t letters = together[i].text.find_first_not_of("abcdef");
    EXPECT_GE(letters, 3u) << together[i].text;
    if (together[i].result.finish == Finish::stop) {
      EXPECT_TRUE(together[i].text.ends_with(".")) << together[i].text;
    }
    EXPECT_EQ(together[i].ids, run(*engine, requests[i]).ids) << i;
  }
}

// Text that repeats itself, so that guesses are made and many are right.
std::vector<GenerateRequest> repeating_requests(Engine& engine) {
  std::vector<GenerateRequest> requests = mixed_requests(engine, 10);
  const auto words = constraint_of(engine, "root ::= (\"abc \" | [a-d]{2} \" \")+");
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt = engine.tokenizer().encode("abc def abc def " + std::string(i, 'x') + " abc de abc def");
    requests[i].max_tokens = static_cast<uint32_t>(60 + i);
    if (i % 4 == 1) requests[i].constraint = words;
    if (i % 4 == 2) requests[i].sampling.logit_bias = {{'a' - ' ', 60.0f}, {'b' - ' ', 60.1f}};
    if (i % 5 == 3) requests[i].stop_strings = {"ab", "zzz"};
    requests[i].sampling.top_logprobs = i % 2 == 0 ? 2 : -1;
  }
  return requests;
}

// The requests together and alone, on `guessing`, must be answered as `plain` answers them. Adds up what was guessed.
void expect_same_answers(Engine& guessing, Engine& plain, uint64_t& guessed, uint64_t& right) {
  const auto requests = repeating_requests(guessing), same = repeating_requests(plain);
  const auto together = run_together(guessing, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const Answer alone = run(plain, same[i]), again = run(guessing, requests[i]);
    for (const Answer* one : {&together[i], &again}) {
      EXPECT_EQ(one->ids, alone.ids) << i;
      EXPECT_EQ(one->text, alone.text) << i;
      EXPECT_EQ(one->result.finish, alone.result.finish) << i;
      EXPECT_EQ(one->result.completion_tokens, alone.result.completion_tokens) << i;
      EXPECT_LE(one->result.right_guesses, one->result.guessed_tokens);
      guessed += one->result.guessed_tokens;
      right += one->result.right_guesses;
    }
    EXPECT_EQ(alone.result.guessed_tokens, 0u);
  }
}

TEST(Engine, GuessesChangeNoAnswer) {
  const KvLayout layout{2, 16, tensor::DType::f32};
  const auto plain = make_engine({.threads = 1, .prompt_lookup = false});
  for (const auto& engine : {make_engine(), make_engine({.kv_bytes_max = 6 * layout.block_bytes()})}) {
    uint64_t guessed = 0, right = 0;
    expect_same_answers(*engine, *plain, guessed, right);
    EXPECT_GT(right, 100u);
    EXPECT_LT(right, guessed);   // wrong ones were tried, too
  }
}

constexpr const char* kOtherModel = "llama_plain";

std::unique_ptr<Engine> make_drafted_engine(const std::string& draft, const EngineOptions& options) {
  const auto decoder = models::load_decoder(goldens_folder() / "cases/llama_gqa_tied");
  return Engine::create(decoder, std::make_shared<CharTokenizer>(), options, models::load_decoder(goldens_folder() / "cases" / draft));
}

TEST(Engine, ADraftModelChangesNoAnswer) {
  const KvLayout layout{2, 16, tensor::DType::f32};
  const auto plain = make_engine({.threads = 1, .prompt_lookup = false});
  uint64_t guessed = 0, right = 0;
  for (const uint64_t blocks : {1000u, 6u}) {   // the second: sequences are sent back to wait, the draft model's cache runs full
    for (const bool lookup : {false, true}) {
      const auto engine = make_drafted_engine("llama_gqa_tied", {.kv_bytes_max = blocks * layout.block_bytes(), .prompt_lookup = lookup, .draft_tokens = 4});
      expect_same_answers(*engine, *plain, guessed, right);
    }
  }
  EXPECT_GT(right, 100u);      // it is the model itself: greedy guesses are right
  EXPECT_LT(right, guessed);   // sampled ones not always
  uint64_t guessed_badly = 0, right_by_chance = 0;
  expect_same_answers(*make_drafted_engine(kOtherModel, {.prompt_lookup = false, .draft_tokens = 3}), *plain, guessed_badly, right_by_chance);
  EXPECT_GT(guessed_badly, 100u);
  EXPECT_LT(right_by_chance * 2, guessed_badly);
}

TEST(Engine, ADraftModelThatDoesNotPayIsNotAsked) {
  const auto engine = make_drafted_engine(kOtherModel, {.threads = 1, .prompt_lookup = false});
  const Answer answer = run(*engine, request_of(*engine, "fox", 60));
  EXPECT_GT(answer.result.guessed_tokens, 0u);
  EXPECT_LT(answer.result.guessed_tokens, answer.result.completion_tokens);   // as large as the model and mostly wrong: seldom tried
}

TEST(Engine, EndsAGrammarWhereNothingMayFollow) {
  const auto engine = make_engine();
  GenerateRequest request = request_of(*engine, "hello world", 30);
  request.constraint = constraint_of(*engine, "root ::= \"yes\" | \"no!\"");
  const Answer got = run(*engine, request);
  EXPECT_TRUE(got.text == "yes" || got.text == "no!") << got.text;
  EXPECT_EQ(got.result.finish, Finish::stop);
  EXPECT_EQ(got.result.completion_tokens, 3u);
  request.max_tokens = 2;
  const Answer cut = run(*engine, request);
  EXPECT_EQ(cut.result.finish, Finish::length);
  EXPECT_EQ(cut.text, got.text.substr(0, 2));
}

TEST(Engine, TakesAStopTokenOnlyWhereTheGrammarMayEnd) {
  const auto engine = make_engine();
  GenerateRequest request = request_of(*engine, "hello world", 50);
  request.sampling.temperature = 5;
  request.constraint = constraint_of(*engine, "root ::= ([a-c] [a-c])*");
  request.stop_ids = engine->tokenizer().encode("a");   // also a letter of the grammar: as text it never comes
  for (uint64_t seed = 0; seed < 20; ++seed) {
    request.sampling.seed = seed;
    const Answer got = run(*engine, request);
    EXPECT_EQ(got.text.size() % 2, 0u) << got.text;
    EXPECT_EQ(got.text.find_first_not_of("bc"), std::string::npos);
  }
}

TEST(Engine, SaysSoWhenTheVocabularyCannotSpellTheGrammar) {
  const auto engine = make_engine();
  std::vector<GenerateRequest> requests = {request_of(*engine, "hello"), request_of(*engine, "hello")};
  requests[0].constraint = constraint_of(*engine, "root ::= \"a\" \"é\"");
  const auto got = run_together(*engine, requests);
  EXPECT_EQ(got[0].result.finish, Finish::stuck);
  EXPECT_NE(got[0].result.error.find("no token"), std::string::npos);
  EXPECT_EQ(got[1].ids.size(), 20u);
}

TEST(Engine, EndsAtTheContext) {
  const auto engine = make_engine({.context_max = 30});
  const Answer got = run(*engine, request_of(*engine, "hello world", 1000));
  EXPECT_EQ(got.result.completion_tokens, 19u);
  EXPECT_EQ(got.result.finish, Finish::length);
}

TEST(Engine, CancelsFromTheCallbackAndFromTheFlag) {
  const auto engine = make_engine();
  GenerateRequest request = request_of(*engine, "hello", 50);
  int calls = 0;
  EXPECT_EQ(engine->generate(request, [&](const GeneratedToken&) { return ++calls < 3; }).finish, Finish::cancelled);
  EXPECT_EQ(calls, 3);
  std::atomic<bool> cancel{false};
  request.cancel = &cancel;
  const auto stop_at_two = [&](const GeneratedToken&) {
    cancel = true;
    return true;
  };
  EXPECT_EQ(engine->generate(request, stop_at_two).finish, Finish::cancelled);
}

TEST(Engine, PassesOnWhatTheCallbackThrows) {
  const auto engine = make_engine();
  const auto thrower = [](const GeneratedToken&) -> bool { throw Error(Code::unavailable, "client went away"); };
  EXPECT_THROW(engine->generate(request_of(*engine, "hello"), thrower), Error);
  EXPECT_EQ(run(*engine, request_of(*engine, "hello")).ids.size(), 20u);
}

TEST(Engine, RefusesWrongRequests) {
  const auto engine = make_engine();
  const auto refuses = [&](auto change) {
    GenerateRequest request = request_of(*engine, "hello");
    change(request);
    EXPECT_THROW(run(*engine, request), Error);
  };
  refuses([](GenerateRequest& r) { r.prompt.clear(); });
  refuses([](GenerateRequest& r) { r.prompt.push_back(96); });
  refuses([](GenerateRequest& r) { r.prompt.push_back(-1); });
  refuses([](GenerateRequest& r) { r.prompt.assign(64, 3); });
  refuses([](GenerateRequest& r) { r.max_tokens = 0; });
  refuses([](GenerateRequest& r) { r.adapter = "nobody"; });
  refuses([](GenerateRequest& r) { r.sampling.temperature = -1; });
  EXPECT_THROW(engine->embed(std::vector<int32_t>{}), Error);
  EXPECT_THROW(engine->score(std::vector<int32_t>(65, 1)), Error);
}

TEST(Engine, ServesAdaptersBesideEachOther) {
  const auto engine = make_engine();
  std::vector<GenerateRequest> requests = {request_of(*engine, "hello world"), request_of(*engine, "hello world")};
  for (const auto& name : list_goldens("adapters")) {
    engine->load_adapter(name, goldens_folder() / "adapters" / name);
    requests.push_back(request_of(*engine, "hello world"));
    requests.back().adapter = name;
  }
  const auto together = run_together(*engine, requests);
  EXPECT_EQ(together[0].ids, together[1].ids);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(together[i].ids, run(*engine, requests[i]).ids) << requests[i].adapter;
    EXPECT_EQ(together[i].ids == together[0].ids, requests[i].adapter.empty()) << requests[i].adapter;
  }
  EXPECT_EQ(engine->adapters().size(), 3u);
  engine->unload_adapter("all_linear");
  EXPECT_THROW(run(*engine, requests[2]), Error);
}

TEST(Engine, AnAdaptersPrefixIsNotSharedWithTheBase) {
  const auto engine = make_engine();
  engine->load_adapter("a", goldens_folder() / "adapters/all_linear");
  GenerateRequest request = request_of(*engine, std::string(40, 'x'), 5);
  run(*engine, request);
  request.adapter = "a";
  EXPECT_EQ(run(*engine, request).result.cached_prompt_tokens, 0u);
}

TEST(Engine, ScoreIsTheLogSoftmaxOfTheLogits) {
  const auto engine = make_engine();
  const std::vector<int32_t> ids = engine->tokenizer().encode("some text here");
  const std::vector<float> scores = engine->score(ids), logits = engine->logits(ids);
  ASSERT_EQ(scores.size(), ids.size() - 1);
  for (size_t i = 0; i < scores.size(); ++i) {
    double sum = 0;
    for (size_t c = 0; c < 96; ++c) sum += std::exp(static_cast<double>(logits[i * 96 + c]));
    EXPECT_NEAR(scores[i], logits[i * 96 + static_cast<size_t>(ids[i + 1])] - std::log(sum), 1e-4);
  }
}

TEST(Engine, EvaluatesTheTokensOfAText) {
  const auto engine = make_engine();
  const std::vector<int32_t> ids = engine->tokenizer().encode("some text here");
  const std::vector<float> scores = engine->score(ids), logits = engine->logits(ids);
  const std::vector<GeneratedToken> tokens = engine->evaluate(ids, 3);
  ASSERT_EQ(tokens.size(), ids.size() - 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i].id, ids[i + 1]);
    EXPECT_EQ(tokens[i].logprob, scores[i]);
    ASSERT_EQ(tokens[i].top.size(), 3u);
    const float* const row = &logits[i * 96];
    EXPECT_EQ(tokens[i].top[0].id, std::max_element(row, row + 96) - row);
    EXPECT_GE(tokens[i].top[0].logprob, tokens[i].top[1].logprob);
    EXPECT_GE(tokens[i].top[1].logprob, tokens[i].top[2].logprob);
    EXPECT_GE(tokens[i].top[0].logprob, tokens[i].logprob);
  }
  EXPECT_TRUE(engine->evaluate(std::span(ids).first(1), 3).empty());
}

TEST(Engine, ReportsLogprobsOfTheModel) {
  const auto engine = make_engine();
  GenerateRequest request = request_of(*engine, "hello world", 3);
  request.sampling.top_logprobs = 4;
  std::vector<GeneratedToken> tokens;
  engine->generate(request, [&](const GeneratedToken& token) {
    tokens.push_back(token);
    return true;
  });
  std::vector<int32_t> all = request.prompt;
  for (const GeneratedToken& token : tokens) all.push_back(token.id);
  const std::vector<float> scores = engine->score(all);
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_NEAR(tokens[i].logprob, scores[request.prompt.size() - 1 + i], 1e-4);
    ASSERT_EQ(tokens[i].top.size(), 4u);
    EXPECT_EQ(tokens[i].top[0].id, tokens[i].id);
  }
}

TEST(Engine, EmbeddingsAreUnitVectors) {
  const auto engine = make_engine();
  const std::vector<float> vector = engine->embed(engine->tokenizer().encode("some text"));
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  EXPECT_EQ(vector.size(), 32u);
  EXPECT_NEAR(squares, 1.0, 1e-5);
}

TEST(Engine, StoppingEndsWhatIsRunning) {
  auto engine = make_engine();
  std::thread destroyer;
  GenerateRequest request = request_of(*engine, "hello", 50);
  const GenerateResult result = engine->generate(request, [&](const GeneratedToken&) {
    if (!destroyer.joinable()) destroyer = std::thread([&] { engine.reset(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return true;
  });
  destroyer.join();
  EXPECT_EQ(result.finish, Finish::error);
}

}  // namespace
}  // namespace lyceum::engine
