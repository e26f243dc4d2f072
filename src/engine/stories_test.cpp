// First proof of life: a trained model whose greedy text is known. Compiled where ../shared is there when CMake runs, or where the
// environment names it in LYCEUM_SHARED; from then on a missing file is a failure.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/source_dir.h"
#include "engine/engine.h"

namespace lyceum::engine {
namespace {

constexpr const char* kKnownStart =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball.";

std::filesystem::path stories_path() {
  const char* shared = std::getenv("LYCEUM_SHARED");
  const std::filesystem::path folder = shared != nullptr ? std::filesystem::path(shared) : std::filesystem::path(kSourceDir) / "../shared";
  return folder / "data/stories260K.bin";
}

GenerateRequest story_request(const Engine& engine) {
  GenerateRequest request;
  request.prompt = engine.tokenizer().encode("");
  if (request.prompt.empty()) request.prompt = {1};
  request.sampling.temperature = 0;
  request.max_tokens = 60;
  return request;
}

TEST(Stories260K, GreedyTextIsTheKnownOne) {
  ASSERT_TRUE(std::filesystem::exists(stories_path())) << stories_path();
  const auto engine = Engine::open(stories_path(), {});
  std::string text;
  engine->generate(story_request(*engine), [&](const GeneratedToken& token) {
    text += token.text;
    return true;
  });
  EXPECT_TRUE(text.starts_with(kKnownStart)) << text;
}

}  // namespace
}  // namespace lyceum::engine
