// engine.h: one model in memory, many requests at once (continuous batching), any number of LoRA adapters over it.
// Knows nothing of HTTP, users or repositories.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/fim.h"
#include "grammar/constraint.h"
#include "models/decoder.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace lyceum::engine {

struct Sampling {
  float temperature = 1.0f;          // 0 = greedy
  int32_t top_k = 0;                 // 0 = off
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;   // transformers' rule
  float presence_penalty = 0.0f;     // OpenAI's rules
  float frequency_penalty = 0.0f;
  std::vector<std::pair<int32_t, float>> logit_bias;
  uint64_t seed = 0;
  int32_t top_logprobs = 0;          // how many alternatives to report a token; -1 = none at all, 0 = the chosen one only
};

struct GenerateRequest {
  std::vector<int32_t> prompt;
  std::string adapter;                       // name given to load_adapter(); empty = base
  Sampling sampling;
  uint32_t max_tokens = 256;
  std::vector<int32_t> stop_ids;             // besides the model's eos ids
  std::vector<std::string> stop_strings;     // cut before the match, also across token borders
  bool ignore_eos = false;
  // The text of the answer: only tokens that keep to it are chosen, eos and stop_ids where it may end, and it ends where nothing may follow.
  // From Engine::constraints(). Null: free.
  std::shared_ptr<grammar::Constraint> constraint;
  // What the answer begins with (FimPrompt::given): only tokens that spell it are chosen, and it is no part of the text. Not with a constraint.
  std::string given;
  bool show_special = false;                 // special tokens are part of the text (those that end it are not)
  const std::atomic<bool>* cancel = nullptr; // set by the caller at any time: the request ends at the next step
};

struct TokenLogprob {
  int32_t id;
  float logprob;
};
struct GeneratedToken {
  int32_t id = -1;                           // -1: no token, only text that had been held back at the end
  std::string text;                          // whole UTF-8; may be empty
  float logprob = 0;
  std::vector<TokenLogprob> top;
};

enum class Finish { stop, length, cancelled, stuck, error };  // stuck: the request's grammar leaves no way on; error says which
struct GenerateResult {
  Finish finish = Finish::stop;
  std::string error;
  uint32_t prompt_tokens = 0;
  uint32_t cached_prompt_tokens = 0;
  uint32_t completion_tokens = 0;            // the stop token counts
  uint32_t guessed_tokens = 0, right_guesses = 0;   // by prompt lookup and the draft model; what they saved shows in the time alone
  std::string stop_string;                   // the one that ended it; empty: none did
};

struct EngineOptions {
  unsigned threads = 0;               // 0 = one per core
  uint64_t kv_bytes_max = 1ULL << 30; // all sequences together
  uint32_t sequences_max = 32;        // running at once; more wait
  uint32_t context_max = 0;           // 0 = the model's
  uint32_t step_tokens_max = 512;     // prompt tokens taken in one step; fewer while others decode, so that none stalls
  enum class KvType { automatic, f32, f16, bf16 };
  // Generating with block-quantised weights in whole numbers (kernels/integer.h). embed, score and logits are always exact.
  bool integer_products = true;
  bool prompt_lookup = true;          // guess tokens from the request's own text: same answers, sooner where it repeats itself
  std::filesystem::path draft_model = {};  // a smaller model with the same vocabulary, which guesses what comes next (drafter.h); empty: none. open() only
  uint32_t draft_tokens = 0;          // how many it guesses at a time; 0 = as many as pay, by what was measured
  KvType kv_type = KvType::automatic; // automatic: f32 for a model stored in F32, f16 otherwise
};

class Engine {
 public:
  // model_folder: as models::load_decoder takes; tokenizer.json, tokenizer_config.json, generation_config.json and
  // chat_template.jinja beside it are read too. Error(unprocessable) for a draft model whose tokens mean something else.
  static std::unique_ptr<Engine> open(const std::filesystem::path& model_folder, const EngineOptions& options);
  // From parts that are in memory already (evaluation of a model in training). No chat template; eos ids of the decoder's config. draft: as draft_model.
  static std::unique_ptr<Engine> create(std::shared_ptr<const models::Decoder> decoder, std::shared_ptr<const text::Tokenizer> tokenizer,
                                        const EngineOptions& options, std::shared_ptr<const models::Decoder> draft = nullptr);
  virtual ~Engine() = default;

  virtual const models::Decoder& decoder() const = 0;
  virtual uint32_t context() const = 0;                                    // prompt and answer together
  virtual const std::vector<int32_t>& eos_ids() const = 0;
  virtual const text::Tokenizer& tokenizer() const = 0;
  virtual grammar::Constraints& constraints() = 0;                         // over this model's vocabulary
  virtual const text::ChatTemplate* chat_template() const = 0;             // null if the model has none
  virtual std::vector<int32_t> render_chat(const text::ChatInputs& inputs) const = 0;  // template, then encode without special tokens
  virtual FimOrder fim_order() const = 0;                                  // what the model's config.json says
  // P, S -> the model's own fill-in-the-middle prompt; nullopt if its tokenizer has no FIM tokens. stop_ids gets the FIM stop tokens.
  virtual std::optional<FimPrompt> find_fim_prompt(std::string_view prefix, std::string_view suffix, const FimOptions& options, std::vector<int32_t>& stop_ids) const = 0;

  // PEFT adapter folder. Error(unprocessable) if it matches no layer, has unexpected or missing tensors, or wrong shapes.
  virtual void load_adapter(const std::string& name, const std::filesystem::path& folder) = 0;
  virtual void unload_adapter(const std::string& name) = 0;
  virtual std::vector<std::string> adapters() const = 0;

  // Blocks until the request ends. Throws Error before the first token when the request is wrong (empty prompt, longer than the
  // context, unknown adapter, parameter out of range). max_tokens is cut to what the context leaves. on_token runs on the engine's thread and returns false to cancel. Any number of callers.
  virtual GenerateResult generate(const GenerateRequest& request, const std::function<bool(const GeneratedToken&)>& on_token) = 0;

  // Mean-pooled last hidden state, L2-normalised.
  virtual std::vector<float> embed(std::span<const int32_t> tokens, const std::string& adapter = {}) = 0;
  // log p(token[i] | token[<i]) for i = 1..n-1.
  virtual std::vector<float> score(std::span<const int32_t> tokens, const std::string& adapter = {}) = 0;
  // The same for each of those tokens, with the `top` most likely ones in its place; texts are left empty.
  virtual std::vector<GeneratedToken> evaluate(std::span<const int32_t> tokens, size_t top, const std::string& adapter = {}) = 0;
  // All logits, row-major (tokens, vocab): for tests and comparisons.
  virtual std::vector<float> logits(std::span<const int32_t> tokens, const std::string& adapter = {}) = 0;
};

}  // namespace lyceum::engine
