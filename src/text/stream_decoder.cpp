#include "text/components.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
// Four tokens hold at least four bytes, the longest UTF-8 character, so what is before them cannot change any more.
constexpr size_t kByteWindow = 4;

// Bytes of text that no later token can change: a U+FFFD at the end may be a character that is still arriving.
size_t settled_size(std::string_view text) {
  return text.ends_with(kReplacement) ? text.size() - kReplacement.size() : text.size();
}

}  // namespace

bool Tokenizer::is_byte_token(int32_t id) const {
  const std::string_view text = token(id);
  if (text.size() != 6 || !text.starts_with("<0x") || !text.ends_with('>')) return false;
  return text.substr(3, 2).find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string token_bytes(const Tokenizer& tokenizer, int32_t id) {
  const std::string_view token = tokenizer.token(id);
  if (token.empty()) return {};
  if (tokenizer.stream_rule() == StreamRule::bytes) {
    std::string bytes;
    for (size_t i = 0; i < token.size();) {
      const int byte = byte_of_alphabet(next_code_point(token, i));
      if (byte < 0) return std::string(token);   // an added token stands for its own text
      bytes.push_back(static_cast<char>(byte));
    }
    return bytes;
  }
  if (tokenizer.is_byte_token(id)) return std::string(1, static_cast<char>(std::stoi(std::string(token.substr(3, 2)), nullptr, 16)));
  // Alone, many decoders would drop the space that a word begins with.
  const int32_t twice[2] = {id, id};
  const std::string once = tokenizer.decode(std::span(twice, 1), false);
  const std::string both = tokenizer.decode(twice, false);
  return both.starts_with(once) ? both.substr(once.size()) : once;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer), skip_special_(skip_special) {}

std::string StreamDecoder::push(int32_t id) {
  const bool silent = tokenizer_.token(id).empty() || (skip_special_ && tokenizer_.is_special(id));
  if (silent) return {};
  switch (tokenizer_.stream_rule()) {
    case StreamRule::bytes:
      return push_bytes(id);
    case StreamRule::pieces:
      return push_piece(id);
    case StreamRule::whole:
      window_.push_back(id);
      break;
  }
  return {};
}

std::string StreamDecoder::push_bytes(int32_t id) {
  window_.push_back(id);
  std::string text = tokenizer_.decode(window_, false);
  const size_t settled = settled_size(text);
  std::string out = settled > emitted_prefix_ ? text.substr(emitted_prefix_, settled - emitted_prefix_) : std::string{};
  if (settled == text.size()) {
    window_.clear();
    emitted_prefix_ = 0;
  } else if (window_.size() > kByteWindow) {
    window_.erase(window_.begin(), window_.end() - kByteWindow);
    emitted_prefix_ = settled_size(tokenizer_.decode(window_, false));
  } else {
    emitted_prefix_ = settled;
  }
  return out;
}

// The window is the last settled token, which keeps the next one from being read as the first of the text, and a run of
// byte tokens.
std::string StreamDecoder::push_piece(int32_t id) {
  window_.push_back(id);
  if (tokenizer_.is_byte_token(id)) return {};
  const std::string text = tokenizer_.decode(window_, false);
  std::string out = text.substr(std::min(emitted_prefix_, text.size()));
  window_.assign(1, id);
  emitted_prefix_ = tokenizer_.decode(window_, false).size();
  return out;
}

std::string StreamDecoder::finish() {
  const std::string text = tokenizer_.decode(window_, false);
  std::string out = text.substr(std::min(emitted_prefix_, text.size()));
  window_.clear();
  emitted_prefix_ = 0;
  return out;
}

}  // namespace lyceum::text
