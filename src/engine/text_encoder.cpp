#include "engine/text_encoder.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"

namespace lyceum::engine {
namespace {

constexpr uint64_t kSmallFileMax = 16u << 20;
constexpr uint64_t kTokenizerMax = 256u << 20;
constexpr size_t kRowsAtOnce = 2048;

std::optional<json::value> find_file(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  return parse_json(read_file(path, kSmallFileMax), path.string(), kSmallFileMax);
}

// "sentence_transformers.models.Pooling", and whatever path later versions put before the class.
std::string_view class_of(std::string_view type) { return type.substr(type.rfind('.') + 1); }

bool is_on(const json::object& config, std::string_view field) {
  const json::value* value = config.if_contains(field);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::unique_ptr<text::Tokenizer> load_tokenizer(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json";
  if (!fs::exists(file)) throw Error(Code::not_found, folder.string() + " has no tokenizer.json; save the tokenizer beside the model with save_pretrained()");
  return text::load_tokenizer_json(read_file(file, kTokenizerMax));
}

}  // namespace

TextEncoder::TextEncoder(std::shared_ptr<const models::Encoder> encoder, std::unique_ptr<text::Tokenizer> tokenizer, unsigned threads)
    : encoder_(std::move(encoder)), tokenizer_(std::move(tokenizer)), context_(encoder_->config.context()), pool_(threads), forward_(*encoder_, pool_) {}

std::unique_ptr<TextEncoder> TextEncoder::open(const std::filesystem::path& folder, unsigned threads) {
  std::unique_ptr<TextEncoder> out(new TextEncoder(models::load_encoder(folder), load_tokenizer(folder), threads));
  out->read_modules(folder);
  out->read_limits(folder);
  out->find_special_tokens();
  return out;
}

void TextEncoder::read_modules(const std::filesystem::path& folder) {
  const auto file = find_file(folder / "modules.json");
  if (!file) return;
  if (!file->is_array()) throw Error(Code::unprocessable, "modules.json is not a list");
  for (const json::value& entry : file->get_array()) {
    const json::object& module = get_object(entry, "modules.json");
    const std::string type = get_string(module, "type"), path = find_string(module, "path").value_or("");
    if (path.find("..") != std::string::npos || path.starts_with('/')) throw Error(Code::unprocessable, "modules.json: path " + path + " leads out of the model");
    if (class_of(type) == "Transformer") continue;
    if (class_of(type) == "Pooling") {
      read_pooling(folder / path / "config.json");
    } else if (class_of(type) == "Normalize") {
      normalise_ = true;
    } else {
      throw Error(Code::unsupported, "modules.json: a " + type + " after the encoder is not implemented; Transformer, Pooling and Normalize are");
    }
  }
}

void TextEncoder::read_pooling(const std::filesystem::path& file) {
  const auto value = find_file(file);
  if (!value) throw Error(Code::not_found, file.string() + " is missing, which modules.json names");
  const json::object& config = get_object(*value, file.string());
  struct Mode {
    std::string_view field, name;
    Pooling pooling;
  };
  constexpr Mode kModes[] = {{"pooling_mode_cls_token", "cls", Pooling::first},
                             {"pooling_mode_mean_tokens", "mean", Pooling::mean},
                             {"pooling_mode_max_tokens", "max", Pooling::max},
                             {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Pooling::root_mean}};
  const std::string name = find_string(config, "pooling_mode").value_or("");
  size_t found = 0;
  for (const Mode& mode : kModes) {
    if (!is_on(config, mode.field) && name != mode.name) continue;
    pooling_ = mode.pooling;
    ++found;
  }
  const bool other = is_on(config, "pooling_mode_weightedmean_tokens") || is_on(config, "pooling_mode_lasttoken");
  if (found != 1 || other) throw Error(Code::unsupported, file.string() + ": exactly one of cls, mean, max and mean_sqrt_len pooling is implemented");
}

void TextEncoder::read_limits(const std::filesystem::path& folder) {
  const auto limit = [this](int64_t tokens) {
    if (tokens > 2) context_ = std::min(context_, static_cast<size_t>(tokens));
  };
  if (const auto config = find_file(folder / "tokenizer_config.json"); config && config->is_object()) {
    if (const auto most = find_int(config->get_object(), "model_max_length")) limit(*most);   // absent or 1e30: no limit
  }
  if (const auto config = find_file(folder / "sentence_bert_config.json"); config && config->is_object()) {
    if (const auto most = find_int(config->get_object(), "max_seq_length")) limit(*most);
    const bool folds = tokenizer_->encode("Ab") == tokenizer_->encode("ab");
    if (is_on(config->get_object(), "do_lower_case") && !folds) throw Error(Code::unsupported, "sentence_bert_config.json: do_lower_case with a tokenizer that keeps case is not implemented");
  }
  if (const auto config = find_file(folder / "config_sentence_transformers.json"); config && config->is_object()) {
    const auto name = find_string(config->get_object(), "default_prompt_name");
    const json::object* prompts = find_object(config->get_object(), "prompts");
    if (name && prompts != nullptr) prompt_ = find_string(*prompts, *name).value_or("");
  }
}

// What the tokenizer puts around a text.
void TextEncoder::find_special_tokens() {
  const std::vector<int32_t> bare = tokenizer_->encode("a", {.add_special_tokens = false}), whole = tokenizer_->encode("a");
  const auto at = std::search(whole.begin(), whole.end(), bare.begin(), bare.end());
  before_.assign(whole.begin(), at);
  after_.assign(at + std::min<ptrdiff_t>(static_cast<ptrdiff_t>(bare.size()), whole.end() - at), whole.end());
  if (before_.size() + 2 * after_.size() + before_.size() + 2 > context_) throw Error(Code::unprocessable, "the model's context has no room for a text");
}

EncoderInput TextEncoder::encode(std::string_view text, bool cut) const {
  std::vector<int32_t> ids = tokenizer_->encode(prompt_ + std::string(text), {.add_special_tokens = false});
  const size_t room = context_ - before_.size() - after_.size();
  if (cut && ids.size() > room) ids.resize(room);
  EncoderInput out{before_, SIZE_MAX};
  out.ids.insert(out.ids.end(), ids.begin(), ids.end());
  out.ids.insert(out.ids.end(), after_.begin(), after_.end());
  return out;
}

// BERT: [CLS] a [SEP] b [SEP], the second half of type 1. RoBERTa: <s> a </s> </s> b </s>, all of type 0.
EncoderInput TextEncoder::encode_pair(std::string_view first, std::string_view second, bool cut) const {
  const bool roberta = encoder_->config.family == models::EncoderFamily::roberta;
  std::vector<int32_t> a = tokenizer_->encode(first, {.add_special_tokens = false}), b = tokenizer_->encode(second, {.add_special_tokens = false});
  const size_t special = before_.size() + (roberta ? 3 : 2) * after_.size();
  while (cut && a.size() + b.size() + special > context_) (a.size() > b.size() ? a : b).pop_back();
  EncoderInput out{before_, SIZE_MAX};
  const auto append = [&](const std::vector<int32_t>& ids) { out.ids.insert(out.ids.end(), ids.begin(), ids.end()); };
  append(a);
  append(after_);
  if (roberta) {
    append(after_);
  } else {
    out.second = out.ids.size();
  }
  append(b);
  append(after_);
  return out;
}

void TextEncoder::check(const EncoderInput& input) const {
  if (input.ids.empty()) throw Error(Code::invalid_argument, "the input has no tokens");
  if (input.ids.size() > context_) {
    throw Error(Code::invalid_argument, "the input has " + std::to_string(input.ids.size()) + " tokens; this model reads " + std::to_string(context_), "context_length_exceeded");
  }
  for (const int32_t id : input.ids) {
    if (id < 0 || static_cast<uint32_t>(id) >= encoder_->config.vocab) throw Error(Code::invalid_argument, "token id " + std::to_string(id) + " is outside the model's vocabulary");
  }
}

template <typename Take>
void TextEncoder::for_each(std::span<const EncoderInput> inputs, Take take) {
  for (const EncoderInput& input : inputs) check(input);
  const std::lock_guard lock(mutex_);
  for (size_t begin = 0; begin < inputs.size();) {
    size_t end = begin, rows = 0;
    while (end < inputs.size() && (end == begin || rows + inputs[end].ids.size() <= kRowsAtOnce)) rows += inputs[end++].ids.size();
    const kernels::ConstRows hidden = forward_.run(inputs.subspan(begin, end - begin));
    size_t row = 0;
    for (size_t i = begin; i < end; ++i) {
      take(i, kernels::ConstRows(hidden.row(row), inputs[i].ids.size(), hidden.columns));
      row += inputs[i].ids.size();
    }
    begin = end;
  }
}

std::vector<float> TextEncoder::pool(kernels::ConstRows tokens) const {
  std::vector<double> sum(tokens.columns, 0.0);
  const size_t rows = pooling_ == Pooling::first ? 1 : tokens.rows;
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < sum.size(); ++i) {
      const double value = static_cast<double>(tokens.row(row)[i]);
      sum[i] = pooling_ == Pooling::max && row > 0 ? std::max(sum[i], value) : pooling_ == Pooling::max ? value : sum[i] + value;
    }
  }
  double scale = 1;
  if (pooling_ == Pooling::mean) scale = 1.0 / static_cast<double>(rows);
  if (pooling_ == Pooling::root_mean) scale = 1.0 / std::sqrt(static_cast<double>(rows));
  if (normalise_) {
    double squares = 0;
    for (const double value : sum) squares += value * value * scale * scale;
    scale /= std::max(std::sqrt(squares), 1e-12);
  }
  std::vector<float> out(sum.size());
  std::ranges::transform(sum, out.begin(), [scale](double value) { return static_cast<float>(value * scale); });
  return out;
}

std::vector<std::vector<float>> TextEncoder::embed(std::span<const EncoderInput> inputs) {
  std::vector<std::vector<float>> out(inputs.size());
  for_each(inputs, [&](size_t i, kernels::ConstRows tokens) { out[i] = pool(tokens); });
  return out;
}

std::vector<float> TextEncoder::rank(std::span<const EncoderInput> pairs) {
  if (!ranks()) throw Error(Code::unprocessable, "this model does not rank: it has " + std::to_string(encoder_->config.labels) + " labels, and a ranking needs one");
  std::vector<float> out(pairs.size());
  for_each(pairs, [&](size_t i, kernels::ConstRows tokens) { out[i] = forward_.labels({tokens.data, 1, tokens.columns}).row(0)[0]; });
  return out;
}

}  // namespace lyceum::engine
