// model.h: the vocabulary half of a tokenizer: cuts one pre-tokenized piece into token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"

namespace lyceum::text {

constexpr int32_t kTokenIdMax = (1 << 24) - 1;  // ids index tables; the largest real vocabularies have about 2^18

// Token text by id and id by token text. Ids may have holes.
class Vocabulary {
 public:
  Vocabulary() = default;
  explicit Vocabulary(const json::object& tokens);  // {"token": id}
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  void insert(std::string token, int32_t id);  // the later of two equal texts or ids wins
  std::optional<int32_t> find(std::string_view token) const;
  std::string_view token(int32_t id) const noexcept;  // empty where there is none
  bool has(int32_t id) const noexcept;
  size_t count() const noexcept { return ids_.size(); }      // distinct token texts
  size_t id_end() const noexcept { return tokens_.size(); }  // highest id + 1

 private:
  // unique_ptr keeps each text where the map's keys point while the table grows.
  std::vector<std::unique_ptr<const std::string>> tokens_;
  std::unordered_map<std::string_view, int32_t> ids_;
  std::vector<std::unique_ptr<const std::string>> replaced_;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual void encode(std::string_view piece, std::vector<int32_t>& out) const = 0;  // piece: valid UTF-8; any thread
  virtual const Vocabulary& vocabulary() const = 0;
};

// "model" of a tokenizer.json. The table of kinds is in model.cpp.
std::unique_ptr<Model> make_model(const json::object& spec);

std::unique_ptr<Model> make_bpe_model(const json::object& spec);
std::unique_ptr<Model> make_word_piece_model(const json::object& spec);
std::unique_ptr<Model> make_word_level_model(const json::object& spec);

}  // namespace lyceum::text
