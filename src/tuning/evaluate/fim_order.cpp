#include "tuning/evaluate/fim_order.h"

#include <algorithm>
#include <numbers>

#include "base/random.h"
#include "tuning/data/code_samples.h"
#include "tuning/data/fim.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kMiddlesMax = 96;
constexpr size_t kDocumentsMax = 48;
constexpr size_t kRoom = 8;   // FIM tokens, begin, end, and what a cut inside a token costs

// Pieces of documents spread evenly over all of them.
std::vector<std::string> draw_pieces(const text::Tokenizer& tokenizer, const std::vector<std::string>& documents, size_t tokens_max, Rng& rng) {
  std::vector<std::string> pieces;
  const size_t step = std::max<size_t>(1, documents.size() / kDocumentsMax);
  for (size_t i = 0; i < documents.size(); i += step) {
    for (std::string& piece : cut_to_pieces(tokenizer, documents[i], tokens_max)) pieces.push_back(std::move(piece));
  }
  for (size_t i = 0; i < std::min(kMiddlesMax, pieces.size()); ++i) std::swap(pieces[i], pieces[i + rng.below(pieces.size() - i)]);
  pieces.resize(std::min(kMiddlesMax, pieces.size()));
  return pieces;
}

}  // namespace

std::optional<FimOrders> measure_fim_orders(Network& network, const text::Tokenizer& tokenizer, const std::vector<std::string>& documents, size_t sequence_length,
                                            int32_t end_token, uint64_t seed) {
  const auto tokens = find_fim_tokens(tokenizer);
  if (!tokens || sequence_length <= 2 * kRoom) return std::nullopt;
  Rng rng(seed ^ 0xf1a0ULL);
  FimOrders out;
  size_t bytes = 0;
  for (const std::string& piece : draw_pieces(tokenizer, documents, sequence_length - kRoom, rng)) {
    const FimParts parts = rng.uniform() < 0.5 ? cut_block(piece, rng) : cut_lines(piece, rng);
    const auto bits = [&](bool spm) {
      const Sample sample = fim_sample(tokenizer, *tokens, parts, {.spm = spm, .middle_only = true, .begin = document_begin_token(tokenizer), .end = end_token});
      if (sample.ids.size() > sequence_length) return -1.0;
      Batch batch;
      Row row;
      append_sample(row, sample);
      append_row(batch, row);
      return network.loss(batch) / std::numbers::ln2;
    };
    const double first = bits(false), second = bits(true);
    if (parts.middle.empty() || first < 0 || second < 0) continue;
    out.prefix_first += first;
    out.suffix_first += second;
    bytes += parts.middle.size();
    ++out.middles;
  }
  if (out.middles == 0) return std::nullopt;
  out.prefix_first /= static_cast<double>(bytes);
  out.suffix_first /= static_cast<double>(bytes);
  return out;
}

json::object fim_orders_json(const FimOrders& orders) {
  return {{"better", engine::fim_order_name(orders.better())}, {"middles", orders.middles}, {"prefix_first_bits_per_byte", orders.prefix_first},
          {"suffix_first_bits_per_byte", orders.suffix_first}};
}

}  // namespace lyceum::tuning
