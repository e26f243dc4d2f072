// fake_engine.h: an Engine for tests: every byte is a token, and the "model" answers with the prompt's text again, one byte a token.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "engine/engine.h"

namespace lyceum::api {

class ByteTokenizer final : public text::Tokenizer {
 public:
  std::vector<int32_t> encode(std::string_view utf8, const text::EncodeOptions& = {}) const override {
    std::vector<int32_t> ids;
    for (const char c : utf8) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(std::span<const int32_t> ids, bool = true) const override {
    std::string out;
    for (const int32_t id : ids) out += static_cast<char>(id);
    return out;
  }
  size_t vocab_size() const override { return 256; }
  std::optional<int32_t> find_id(std::string_view token) const override { return token.size() == 1 ? std::optional<int32_t>(token[0]) : std::nullopt; }
  std::string_view token(int32_t) const override { return "?"; }
  bool is_special(int32_t) const override { return false; }
};

class FakeEngine final : public engine::Engine {
 public:
  explicit FakeEngine(bool with_fim = true) : with_fim_(with_fim) {
    decoder_.config.vocab = 256;
    decoder_.config.hidden = 3;
    decoder_.config.bos_id = 1;
  }
  const models::Decoder& decoder() const override { return decoder_; }
  uint32_t context() const override { return 100; }
  const std::vector<int32_t>& eos_ids() const override { return eos_ids_; }
  const text::Tokenizer& tokenizer() const override { return tokenizer_; }
  grammar::Constraints& constraints() override { return constraints_; }
  const text::ChatTemplate* chat_template() const override { return &template_; }
  std::vector<int32_t> render_chat(const text::ChatInputs& inputs) const override { return tokenizer_.encode(template_.render(inputs)); }
  engine::FimOrder fim_order() const override { return engine::FimOrder::prefix_first; }
  std::optional<engine::FimPrompt> find_fim_prompt(std::string_view prefix, std::string_view suffix, const engine::FimOptions&, std::vector<int32_t>&) const override {
    if (!with_fim_) return std::nullopt;
    return engine::FimPrompt{tokenizer_.encode("P" + std::string(prefix) + "S" + std::string(suffix) + "M"), ""};
  }
  void load_adapter(const std::string& name, const std::filesystem::path& folder) override {
    if (folder == "/broken") throw Error(Code::unprocessable, "adapter matches no layer");
    const std::lock_guard lock(mutex_);
    adapters_[name] = folder;
  }
  void unload_adapter(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    if (adapters_.erase(name) == 0) throw Error(Code::not_found, "no adapter " + name);
  }
  std::vector<std::string> adapters() const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, folder] : adapters_) names.push_back(name);
    return names;
  }
  engine::GenerateResult generate(const engine::GenerateRequest& request, const std::function<bool(const engine::GeneratedToken&)>& on_token) override {
    engine::GenerateResult result;
    result.prompt_tokens = static_cast<uint32_t>(request.prompt.size());
    result.cached_prompt_tokens = 2;
    last = request;
    const std::string text = request.adapter + tokenizer_.decode(request.prompt);
    for (size_t i = 0; i < text.size(); ++i) {
      if (result.completion_tokens == request.max_tokens) {
        result.finish = engine::Finish::length;
        return result;
      }
      if (delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
      ++result.completion_tokens;
      engine::GeneratedToken token{static_cast<unsigned char>(text[i]), text.substr(i, 1), -0.5f, {}};
      if (request.sampling.top_logprobs > 0) token.top = {{token.id, -0.5f}, {'z', -2.0f}};
      if ((request.cancel != nullptr && *request.cancel) || !on_token(token)) {
        ++cancelled;
        result.finish = engine::Finish::cancelled;
        return result;
      }
    }
    return result;
  }
  std::vector<float> embed(std::span<const int32_t> tokens, const std::string&) override { return {static_cast<float>(tokens.size()), 0.5f, -1.0f}; }
  std::vector<float> score(std::span<const int32_t> tokens, const std::string& adapter) override {
    return std::vector<float>(tokens.size() - 1, adapter.empty() ? -1.0f : -0.25f);
  }
  std::vector<engine::GeneratedToken> evaluate(std::span<const int32_t> tokens, size_t top, const std::string&) override {
    std::vector<engine::GeneratedToken> out;
    for (size_t i = 1; i < tokens.size(); ++i) {
      out.push_back({tokens[i], "", -0.5f, {}});
      if (top > 0) out.back().top = {{tokens[i], -0.5f}};
    }
    return out;
  }
  std::vector<float> logits(std::span<const int32_t>, const std::string&) override { return {}; }

  std::atomic<int> cancelled{0};
  std::atomic<int> delay_ms{0};
  engine::GenerateRequest last;

 private:
  bool with_fim_;
  models::Decoder decoder_;
  ByteTokenizer tokenizer_;
  text::ChatTemplate template_{"{% for m in messages %}{% if m.role == 'bad' %}{{ raise_exception('no such role') }}{% endif %}[{{ m.content }}]{% endfor %}"};
  std::vector<int32_t> eos_ids_{0};
  grammar::Constraints constraints_{tokenizer_, 256};
  mutable std::mutex mutex_;
  std::map<std::string, std::filesystem::path> adapters_;
};

}  // namespace lyceum::api
