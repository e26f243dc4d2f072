#include "tuning/data/near_duplicates.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/random.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kShingleTokens = 5;
constexpr size_t kShinglesMin = 20;
constexpr size_t kBands = 16, kBandRows = 8;
constexpr size_t kSignature = kBands * kBandRows;
constexpr size_t kBucketMax = 16;          // texts of a bucket that a new one is compared with: keeps time linear
constexpr size_t kExactMax = 4;            // exact comparisons a text, the likeliest first
constexpr double kSignatureSlack = 0.12;   // four standard deviations of the estimate from 128 values

using Signature = std::array<uint32_t, kSignature>;

uint64_t mix(uint64_t value) noexcept { return Rng(value).next(); }

bool in_word(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || byte >= 0x80;
}

// Words and single other characters; spacing does not count.
std::vector<uint64_t> token_hashes(std::string_view text) {
  std::vector<uint64_t> out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r')) {
      ++at;
      continue;
    }
    uint64_t hash = 0xcbf29ce484222325ULL;   // FNV-1a
    const bool word = in_word(text[at]);
    do {
      hash = (hash ^ static_cast<unsigned char>(text[at++])) * 0x100000001b3ULL;
    } while (word && at < text.size() && in_word(text[at]));
    out.push_back(mix(hash));
  }
  return out;
}

// Sorted, without repeats.
std::vector<uint64_t> shingles_of(std::string_view text) {
  const std::vector<uint64_t> tokens = token_hashes(text);
  std::vector<uint64_t> out;
  for (size_t i = 0; i + kShingleTokens <= tokens.size(); ++i) {
    uint64_t hash = 0;
    for (size_t k = 0; k < kShingleTokens; ++k) hash = mix(hash ^ tokens[i + k]);
    out.push_back(hash);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

double similarity(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  size_t shared = 0;
  for (size_t i = 0, k = 0; i < a.size() && k < b.size();) {
    if (a[i] == b[k]) ++shared, ++i, ++k;
    else if (a[i] < b[k]) ++i;
    else ++k;
  }
  const size_t all = a.size() + b.size() - shared;
  return all == 0 ? 0.0 : static_cast<double>(shared) / static_cast<double>(all);
}

struct Permutations {
  std::array<uint64_t, kSignature> factor, offset;
  Permutations() {
    Rng rng(0x6c796365756d);
    for (size_t i = 0; i < kSignature; ++i) factor[i] = rng.next() | 1, offset[i] = rng.next();
  }
};

Signature sign(const std::vector<uint64_t>& shingles) {
  static const Permutations permutations;
  Signature out;
  out.fill(UINT32_MAX);
  for (const uint64_t shingle : shingles) {
    for (size_t i = 0; i < kSignature; ++i) {
      out[i] = std::min(out[i], static_cast<uint32_t>((shingle * permutations.factor[i] + permutations.offset[i]) >> 32));
    }
  }
  return out;
}

double estimate(const Signature& a, const Signature& b) noexcept {
  size_t equal = 0;
  for (size_t i = 0; i < kSignature; ++i) equal += a[i] == b[i];
  return static_cast<double>(equal) / kSignature;
}

// The texts that stay, by band.
class Index {
 public:
  Index(std::span<const std::string_view> texts, double threshold) : texts_(texts), threshold_(threshold) {}

  // The text that this one resembles; texts_.size() if none, and then this one is taken in.
  size_t find_or_add(size_t text) {
    const std::vector<uint64_t> shingles = shingles_of(texts_[text]);
    if (shingles.size() < kShinglesMin) return texts_.size();
    const Signature signature = sign(shingles);
    size_t compared = 0;
    for (const auto& [unlike, other] : candidates(signature)) {
      if (++compared > kExactMax) break;
      if (similarity(shingles, shingles_of(texts_[other])) >= threshold_) return other;
    }
    signatures_.emplace(text, signature);
    for (size_t band = 0; band < kBands; ++band) {
      std::vector<size_t>& bucket = buckets_[band][band_key(signature, band)];
      if (bucket.size() < kBucketMax) bucket.push_back(text);
    }
    return texts_.size();
  }

 private:
  static uint64_t band_key(const Signature& signature, size_t band) noexcept {
    uint64_t key = 0;
    for (size_t i = 0; i < kBandRows; ++i) key = mix(key ^ signature[band * kBandRows + i]);
    return key;
  }

  // (unlikeness, text), the likeliest first, then in order.
  std::vector<std::pair<double, size_t>> candidates(const Signature& signature) const {
    std::map<size_t, double> found;
    for (size_t band = 0; band < kBands; ++band) {
      const auto bucket = buckets_[band].find(band_key(signature, band));
      if (bucket == buckets_[band].end()) continue;
      for (const size_t other : bucket->second) {
        if (!found.contains(other)) found[other] = 1.0 - estimate(signature, signatures_.at(other));
      }
    }
    std::vector<std::pair<double, size_t>> out;
    for (const auto& [other, unlike] : found) {
      if (1.0 - unlike >= threshold_ - kSignatureSlack) out.emplace_back(unlike, other);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  std::span<const std::string_view> texts_;
  double threshold_;
  std::unordered_map<size_t, Signature> signatures_;
  std::array<std::unordered_map<uint64_t, std::vector<size_t>>, kBands> buckets_;
};

}  // namespace

std::vector<NearDuplicates> find_near_duplicates(std::span<const std::string_view> texts, double threshold) {
  LYCEUM_CHECK(threshold > 0 && threshold <= 1, "a similarity lies in (0, 1]");
  Index index(texts, threshold);
  std::map<size_t, std::vector<size_t>> groups;
  for (size_t i = 0; i < texts.size(); ++i) {
    const size_t like = index.find_or_add(i);
    if (like < texts.size()) groups[like].push_back(i);
  }
  std::vector<NearDuplicates> out;
  for (auto& [kept, left_out] : groups) out.push_back({kept, std::move(left_out)});
  return out;
}

double shingle_similarity(std::string_view a, std::string_view b) { return similarity(shingles_of(a), shingles_of(b)); }

}  // namespace lyceum::tuning
