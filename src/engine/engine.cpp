#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <shared_mutex>

#include "base/error.h"
#include "engine/adapter.h"
#include "engine/assets.h"
#include "engine/fim.h"
#include "engine/kv_layout.h"
#include "engine/scheduler.h"
#include "kernels/dispatch.h"
#include "models/load.h"

namespace lyceum::engine {

namespace {

constexpr size_t kLogitRowsAtOnce = 64;

// `given`, then anything.
grammar::Grammar begins_with(const std::string& given) {
  grammar::Grammar out;
  const auto anything = out.repeat(out.chars(grammar::CharSet::all()), 0);
  out.set_root(out.add_rule("root", out.sequence({out.literal(given), anything})));
  return out;
}

class DecoderEngine final : public Engine {
 public:
  DecoderEngine(std::shared_ptr<const models::Decoder> decoder, Assets assets, const EngineOptions& options, std::shared_ptr<const models::Decoder> draft)
      : decoder_(std::move(decoder)), assets_(std::move(assets)), context_(decoder_->config.context), pool_(options.threads),
        documents_(*decoder_, pool_, nullptr), constraints_(*assets_.tokenizer, decoder_->config.vocab) {
    static_cast<void>(kernels::current_isa());  // an instruction set that was forced wrongly is refused here, not in a kernel
    if (options.context_max != 0) context_ = std::min(context_, options.context_max);
    SchedulerOptions scheduling;
    scheduling.layout = make_kv_layout(*decoder_, options.kv_type);
    scheduling.kv_bytes_max = options.kv_bytes_max;
    scheduling.sequences_max = std::max(options.sequences_max, 1u);
    scheduling.context = context_;
    scheduling.step_tokens_max = std::max(options.step_tokens_max, 1u);
    scheduling.products = options.integer_products ? Products::integer : Products::exact;
    scheduling.prompt_lookup = options.prompt_lookup;
    scheduling.draft = std::move(draft);
    scheduling.draft_guesses = options.draft_tokens;
    scheduling.eos_ids = assets_.eos_ids;
    scheduler_ = std::make_unique<Scheduler>(*decoder_, *assets_.tokenizer, pool_, std::move(scheduling));
  }

  const models::Decoder& decoder() const override { return *decoder_; }
  uint32_t context() const override { return context_; }
  const std::vector<int32_t>& eos_ids() const override { return assets_.eos_ids; }
  const text::Tokenizer& tokenizer() const override { return *assets_.tokenizer; }
  grammar::Constraints& constraints() override { return constraints_; }
  const text::ChatTemplate* chat_template() const override { return assets_.chat_template.get(); }
  std::vector<int32_t> render_chat(const text::ChatInputs& inputs) const override;
  FimOrder fim_order() const override { return assets_.fim_order; }
  std::optional<FimPrompt> find_fim_prompt(std::string_view prefix, std::string_view suffix, const FimOptions& options, std::vector<int32_t>& stop_ids) const override {
    return engine::find_fim_prompt(*assets_.tokenizer, decoder_->config.bos_id, options, prefix, suffix, stop_ids);
  }

  void load_adapter(const std::string& name, const std::filesystem::path& folder) override;
  void unload_adapter(const std::string& name) override;
  std::vector<std::string> adapters() const override;

  GenerateResult generate(const GenerateRequest& request, const std::function<bool(const GeneratedToken&)>& on_token) override {
    if (!request.given.empty()) return generate_after_given(request, on_token);
    return scheduler_->generate(request, get_adapter(request.adapter), on_token);
  }
  std::vector<float> embed(std::span<const int32_t> tokens, const std::string& adapter) override;
  std::vector<float> score(std::span<const int32_t> tokens, const std::string& adapter) override;
  std::vector<GeneratedToken> evaluate(std::span<const int32_t> tokens, size_t top, const std::string& adapter) override;
  std::vector<float> logits(std::span<const int32_t> tokens, const std::string& adapter) override;

 private:
  AdapterUse get_adapter(const std::string& name) const;
  GenerateResult generate_after_given(const GenerateRequest& request, const std::function<bool(const GeneratedToken&)>& on_token);
  void run_document(std::span<const int32_t> tokens, const AdapterUse& use);
  // Calls take(first row, logits) for all rows, a few at a time. Holds documents_mutex_.
  template <typename Take>
  void for_logits(std::span<const int32_t> tokens, const std::string& adapter, Take take);

  std::shared_ptr<const models::Decoder> decoder_;
  Assets assets_;
  uint32_t context_;
  ThreadPool pool_;
  mutable std::shared_mutex adapters_mutex_;
  std::map<std::string, AdapterUse> adapters_;
  uint64_t adapters_loaded_ = 0;
  std::mutex documents_mutex_;          // one whole-document pass at a time; generation goes on beside it
  Forward documents_;
  grammar::Constraints constraints_;
  std::unique_ptr<Scheduler> scheduler_;   // last: its thread uses everything above
};

std::vector<int32_t> DecoderEngine::render_chat(const text::ChatInputs& inputs) const {
  if (assets_.chat_template == nullptr) {
    throw Error(Code::unprocessable, "this model has no chat template; use /v1/completions, or add chat_template.jinja to its repository");
  }
  text::ChatInputs complete = inputs;
  for (const auto& [key, value] : assets_.special_tokens) {
    if (!complete.extra.contains(key)) complete.extra[key] = value;
  }
  const auto token = [&](std::string_view key) { return find_string(assets_.special_tokens, key).value_or(""); };
  if (complete.bos_token.empty()) complete.bos_token = token("bos_token");
  if (complete.eos_token.empty()) complete.eos_token = token("eos_token");
  complete.extra.erase("bos_token");
  complete.extra.erase("eos_token");
  return assets_.tokenizer->encode(assets_.chat_template->render(complete), {false, true});
}

void DecoderEngine::load_adapter(const std::string& name, const std::filesystem::path& folder) {
  if (name.empty()) throw Error(Code::invalid_argument, "an adapter needs a name");
  std::shared_ptr<const Adapter> adapter = load_peft_adapter(folder, *decoder_);
  const std::unique_lock lock(adapters_mutex_);
  adapters_[name] = {std::move(adapter), kRootBit + ++adapters_loaded_};
}

void DecoderEngine::unload_adapter(const std::string& name) {
  const std::unique_lock lock(adapters_mutex_);
  if (adapters_.erase(name) == 0) throw Error(Code::not_found, "no adapter is loaded under the name " + name);
}

std::vector<std::string> DecoderEngine::adapters() const {
  const std::shared_lock lock(adapters_mutex_);
  std::vector<std::string> names;
  for (const auto& [name, use] : adapters_) names.push_back(name);
  return names;
}

AdapterUse DecoderEngine::get_adapter(const std::string& name) const {
  if (name.empty()) return {};
  const std::shared_lock lock(adapters_mutex_);
  const auto found = adapters_.find(name);
  if (found == adapters_.end()) throw Error(Code::not_found, "no adapter is loaded under the name " + name);
  return found->second;
}

GenerateResult DecoderEngine::generate_after_given(const GenerateRequest& request, const std::function<bool(const GeneratedToken&)>& on_token) {
  if (request.constraint != nullptr) throw Error(Code::invalid_argument, "an answer cannot begin with a given text and keep to a grammar");
  GenerateRequest inner = request;
  inner.given.clear();
  inner.constraint = constraints_.get("given " + request.given, [&] { return begins_with(request.given); });
  const auto given_tokens = static_cast<uint32_t>(assets_.tokenizer->encode(request.given, {false, false}).size());
  inner.max_tokens += std::min(given_tokens, UINT32_MAX - inner.max_tokens);
  size_t hidden = request.given.size();
  return scheduler_->generate(inner, get_adapter(request.adapter), [&](const GeneratedToken& token) {
    if (hidden == 0) return on_token(token);
    GeneratedToken shown = token;
    const size_t cut = std::min(hidden, shown.text.size());
    shown.text.erase(0, cut);
    hidden -= cut;
    return on_token(shown);
  });
}

void DecoderEngine::run_document(std::span<const int32_t> tokens, const AdapterUse& use) {
  if (tokens.empty()) throw Error(Code::invalid_argument, "the input has no tokens");
  if (tokens.size() > context_) {
    throw Error(Code::invalid_argument, "the input has " + std::to_string(tokens.size()) + " tokens; this model's context is " + std::to_string(context_),
                "context_length_exceeded");
  }
  for (const int32_t id : tokens) {
    if (id < 0 || static_cast<uint32_t>(id) >= decoder_->config.vocab) {
      throw Error(Code::invalid_argument, "token id " + std::to_string(id) + " is outside the model's vocabulary");
    }
  }
  ForwardSpan span;
  span.rows = tokens.size();
  span.rope_length = tokens.size();
  span.adapter = use.adapter.get();
  documents_.run(tokens, {&span, 1});
}

template <typename Take>
void DecoderEngine::for_logits(std::span<const int32_t> tokens, const std::string& adapter, Take take) {
  const AdapterUse use = get_adapter(adapter);
  const std::lock_guard lock(documents_mutex_);
  run_document(tokens, use);
  std::vector<size_t> rows;
  for (size_t first = 0; first < tokens.size(); first += kLogitRowsAtOnce) {
    rows.resize(std::min(kLogitRowsAtOnce, tokens.size() - first));
    std::iota(rows.begin(), rows.end(), first);
    take(first, documents_.logits(rows));
  }
}

std::vector<float> DecoderEngine::embed(std::span<const int32_t> tokens, const std::string& adapter) {
  const AdapterUse use = get_adapter(adapter);
  const std::lock_guard lock(documents_mutex_);
  run_document(tokens, use);
  std::vector<size_t> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), size_t{0});
  const kernels::Rows hidden = documents_.final_hidden(rows);
  std::vector<double> mean(hidden.columns, 0.0);
  for (size_t r = 0; r < hidden.rows; ++r) {
    for (size_t c = 0; c < hidden.columns; ++c) mean[c] += static_cast<double>(hidden.row(r)[c]);
  }
  double squares = 0;
  for (const double value : mean) squares += value * value;
  const double norm = std::max(std::sqrt(squares), 1e-30);
  std::vector<float> out(mean.size());
  for (size_t c = 0; c < mean.size(); ++c) out[c] = static_cast<float>(mean[c] / norm);
  return out;
}

std::vector<float> DecoderEngine::score(std::span<const int32_t> tokens, const std::string& adapter) {
  std::vector<float> out(tokens.empty() ? 0 : tokens.size() - 1);
  for_logits(tokens, adapter, [&](size_t first, kernels::Rows logits) {
    pool_.run(logits.rows, [&](size_t i, unsigned) {
      const size_t row = first + i;
      if (row < out.size()) out[row] = log_probability({logits.row(i), logits.columns}, tokens[row + 1]);
    });
  });
  return out;
}

std::vector<GeneratedToken> DecoderEngine::evaluate(std::span<const int32_t> tokens, size_t top, const std::string& adapter) {
  std::vector<GeneratedToken> out(tokens.empty() ? 0 : tokens.size() - 1);
  for_logits(tokens, adapter, [&](size_t first, kernels::Rows logits) {
    pool_.run(logits.rows, [&](size_t i, unsigned) {
      if (first + i >= out.size()) return;
      const std::span<const float> row{logits.row(i), logits.columns};
      GeneratedToken& token = out[first + i];
      token.id = tokens[first + i + 1];
      token.logprob = log_probability(row, token.id);
      token.top = top_log_probabilities(row, top);
    });
  });
  return out;
}

std::vector<float> DecoderEngine::logits(std::span<const int32_t> tokens, const std::string& adapter) {
  std::vector<float> out;
  out.reserve(tokens.size() * decoder_->config.vocab);
  for_logits(tokens, adapter, [&](size_t, kernels::Rows logits) { out.insert(out.end(), logits.data, logits.data + logits.rows * logits.columns); });
  return out;
}

// Models of one family are padded to different sizes; what both have must agree.
void check_vocabulary(const text::Tokenizer& tokenizer, const text::Tokenizer& draft, const std::filesystem::path& draft_model) {
  for (size_t i = 0; i < std::min(tokenizer.vocab_size(), draft.vocab_size()); ++i) {
    const auto id = static_cast<int32_t>(i);
    if (tokenizer.token(id) == draft.token(id)) continue;
    throw Error(Code::unprocessable, "the draft model " + draft_model.string() + " has another vocabulary: token " + std::to_string(id) + " is '" + std::string(draft.token(id)) +
                                         "' there and '" + std::string(tokenizer.token(id)) + "' in the model; take a smaller model of the same family");
  }
}

}  // namespace

std::unique_ptr<Engine> Engine::open(const std::filesystem::path& model_folder, const EngineOptions& options) {
  std::shared_ptr<const models::Decoder> decoder = models::load_decoder(model_folder), draft;
  Assets assets = load_assets(model_folder, decoder->config);
  if (!options.draft_model.empty()) {
    draft = models::load_decoder(options.draft_model);
    check_vocabulary(*assets.tokenizer, *load_assets(options.draft_model, draft->config).tokenizer, options.draft_model);
  }
  return std::make_unique<DecoderEngine>(std::move(decoder), std::move(assets), options, std::move(draft));
}

std::unique_ptr<Engine> Engine::create(std::shared_ptr<const models::Decoder> decoder, std::shared_ptr<const text::Tokenizer> tokenizer,
                                       const EngineOptions& options, std::shared_ptr<const models::Decoder> draft) {
  Assets assets;
  assets.tokenizer = std::move(tokenizer);
  assets.eos_ids = decoder->config.eos_ids;
  return std::make_unique<DecoderEngine>(std::move(decoder), std::move(assets), options, std::move(draft));
}

}  // namespace lyceum::engine
