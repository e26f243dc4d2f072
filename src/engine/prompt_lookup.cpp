#include "engine/prompt_lookup.h"

#include <algorithm>

namespace lyceum::engine {

// Mixed without loss of quality, not exact: a match is compared before it is used.
uint64_t PromptLookup::key(const int32_t* last) noexcept {
  uint64_t hash = 0;
  for (size_t i = 0; i < kMatch; ++i) hash = (hash ^ static_cast<uint32_t>(last[i])) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 29);
}

std::span<const int32_t> PromptLookup::propose(std::span<const int32_t> tokens, size_t most) {
  if (tokens.size() < resume_at_ || most == 0 || tokens.size() <= kMatch) return {};
  for (; indexed_ < tokens.size(); ++indexed_) after_[key(&tokens[indexed_ - kMatch])] = static_cast<uint32_t>(indexed_);
  const auto last = tokens.last(kMatch);
  const auto found = after_.find(key(last.data()));
  if (found == after_.end() || !std::ranges::equal(last, tokens.subspan(found->second - kMatch, kMatch))) return {};
  const size_t count = std::min({most, length_, tokens.size() - found->second});
  resume_at_ = tokens.size();   // learn() counts a pause from here
  return tokens.subspan(found->second, count);
}

void PromptLookup::learn(size_t proposed, size_t accepted) noexcept {
  if (accepted == proposed) {
    length_ = std::min(std::max(length_, proposed) * 2, kLengthMax);
    pause_ = kPauseMin;
  } else if (accepted * 2 < proposed) {
    length_ /= 2;
    if (length_ > 0) return;
    length_ = 1;
    resume_at_ += pause_;
    pause_ = std::min(pause_ * 2, kPauseMax);
  }
}

}  // namespace lyceum::engine
