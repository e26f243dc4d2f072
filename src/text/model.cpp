#include "text/model.h"

#include <array>

namespace lyceum::text {
namespace {

struct Entry {
  std::string_view type;
  std::unique_ptr<Model> (*make)(const json::object&);
};
constexpr std::array<Entry, 3> kModels = {{
    {"BPE", make_bpe_model},
    {"WordPiece", make_word_piece_model},
    {"WordLevel", make_word_level_model},
}};

// Files written before the "type" key existed are told apart by their other keys.
std::string type_of(const json::object& spec) {
  if (auto type = find_string(spec, "type")) return *type;
  if (spec.contains("merges")) return "BPE";
  if (spec.contains("max_input_chars_per_word")) return "WordPiece";
  if (const auto* vocab = spec.if_contains("vocab"); vocab != nullptr && vocab->is_array()) return "Unigram";
  return "WordLevel";
}

class WordLevelModel final : public Model {
 public:
  explicit WordLevelModel(const json::object& spec) : vocabulary_(get_object(spec.at("vocab"), "model.vocab")) {
    unknown_ = vocabulary_.find(get_string(spec, "unk_token"));
  }
  void encode(std::string_view piece, std::vector<int32_t>& out) const override {
    if (const auto id = vocabulary_.find(piece)) {
      out.push_back(*id);
    } else if (unknown_) {
      out.push_back(*unknown_);
    } else {
      throw Error(Code::unprocessable, "the WordLevel vocabulary has neither this word nor an unknown token");
    }
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
  std::optional<int32_t> unknown_;
};

}  // namespace

Vocabulary::Vocabulary(const json::object& tokens) {
  ids_.reserve(tokens.size());
  for (const auto& [token, id] : tokens) {
    const auto number = id.is_int64() ? id.get_int64() : -1;
    if (number < 0 || number > kTokenIdMax) {
      throw Error(Code::invalid_argument,
                  "the id of token '" + std::string(token) + "' is not a whole number below 2^24");
    }
    insert(std::string(token), static_cast<int32_t>(number));
  }
}

void Vocabulary::insert(std::string token, int32_t id) {
  const auto index = static_cast<size_t>(id);
  if (index >= tokens_.size()) tokens_.resize(index + 1);
  auto owned = std::make_unique<const std::string>(std::move(token));
  ids_.insert_or_assign(std::string_view(*owned), id);  // an existing key stays: its string is kept below
  // An entry that lost its text keeps the old string alive, because the map's key may point into it.
  if (tokens_[index]) replaced_.push_back(std::move(tokens_[index]));
  tokens_[index] = std::move(owned);
}

std::optional<int32_t> Vocabulary::find(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

bool Vocabulary::has(int32_t id) const noexcept {
  return id >= 0 && static_cast<size_t>(id) < tokens_.size() && tokens_[static_cast<size_t>(id)] != nullptr;
}

std::string_view Vocabulary::token(int32_t id) const noexcept {
  return has(id) ? std::string_view(*tokens_[static_cast<size_t>(id)]) : std::string_view{};
}

std::unique_ptr<Model> make_model(const json::object& spec) {
  const std::string type = type_of(spec);
  if (!spec.contains("vocab")) throw Error(Code::invalid_argument, "the tokenizer's model has no 'vocab'");
  for (const Entry& entry : kModels) {
    if (entry.type == type) return entry.make(spec);
  }
  throw Error(Code::unsupported, "tokenizer model '" + type + "' is not supported (BPE, WordPiece and WordLevel are)");
}

std::unique_ptr<Model> make_word_level_model(const json::object& spec) {
  return std::make_unique<WordLevelModel>(spec);
}

}  // namespace lyceum::text
