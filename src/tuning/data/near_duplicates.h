// near_duplicates.h: texts that are nearly another text: copies with an edited header, a renamed variable, other spacing.
//
// MinHash (Broder 1997) over shingles of five tokens, 128 values a text; texts that agree in one of 16 bands of 8 are candidates
// and are then compared exactly. Two texts are near-duplicates when the Jaccard similarity of their shingle sets is at least the
// threshold. The first text stays, later ones that resemble one that stayed go: so the result depends on the order and on nothing
// drawn at random. Time is linear in the bytes, memory about a kilobyte a text.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace lyceum::tuning {

// Rises with every change of tokens, shingles or hashes: the same data may then give other groups.
inline constexpr int kNearDuplicateRulesVersion = 1;

struct NearDuplicates {
  size_t kept = 0;                  // index of the text that stays
  std::vector<size_t> left_out;     // ascending
};

// Only texts that have near-duplicates, in order of `kept`. Texts of fewer than 20 shingles are never compared: among a few lines
// likeness says nothing. REQUIRES: 0 < threshold <= 1.
std::vector<NearDuplicates> find_near_duplicates(std::span<const std::string_view> texts, double threshold);

// Exact similarity of two texts, as above.
double shingle_similarity(std::string_view a, std::string_view b);

}  // namespace lyceum::tuning
