// fim_order.h: which order of fill-in-the-middle a trained model answers better (engine/fim.h). Measured, because it cannot be told from the
// recipe: looking back over the suffix takes a model of some size and practice.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/fim.h"
#include "text/tokenizer.h"
#include "tuning/model/network.h"

namespace lyceum::tuning {

struct FimOrders {
  size_t middles = 0;
  double prefix_first = 0, suffix_first = 0;   // mean -log2 p of a middle's (and its end's) bytes
  engine::FimOrder better() const noexcept { return suffix_first < prefix_first ? engine::FimOrder::suffix_first : engine::FimOrder::prefix_first; }
};

// The same middles (blocks and lines) of pieces drawn evenly from the documents, asked in both orders; a function of its arguments. nullopt without FIM
// tokens or documents. sequence_length: of the longest sample, in tokens.
std::optional<FimOrders> measure_fim_orders(Network& network, const text::Tokenizer& tokenizer, const std::vector<std::string>& documents, size_t sequence_length,
                                            int32_t end_token, uint64_t seed);
json::object fim_orders_json(const FimOrders& orders);

}  // namespace lyceum::tuning
