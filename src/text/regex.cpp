#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

// A pattern of a tokenizer needs a few steps per character; these stop only hostile ones.
constexpr uint32_t kMatchLimit = 10'000'000;
constexpr uint32_t kDepthLimit = 100'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;
constexpr size_t kPatternBytesMax = 64 * 1024;
constexpr size_t kJitStackBytesMax = 4u << 20;

std::string message_of(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

// Scratch memory of one thread: creating it for each of a million words would cost more than matching them.
struct Scratch {
  pcre2_match_data* data = pcre2_match_data_create(16, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, kJitStackBytesMax, nullptr);

  Scratch() {
    if (data == nullptr || context == nullptr || stack == nullptr) throw std::bad_alloc();
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_depth_limit(context, kDepthLimit);
    pcre2_set_heap_limit(context, kHeapLimitKib);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~Scratch() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

}  // namespace

struct Regex::State {
  std::string pattern;
  pcre2_code* code = nullptr;
  ~State() { pcre2_code_free(code); }
};

Regex::Regex(std::string_view oniguruma_pattern) : state_(std::make_unique<State>()) {
  if (oniguruma_pattern.size() > kPatternBytesMax)
    throw Error(Code::too_large, "a tokenizer's regular expression is over 64 KiB");
  state_->pattern = oniguruma_pattern;
  const std::string translated = translate_oniguruma(oniguruma_pattern);
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  if (context == nullptr) throw std::bad_alloc();
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  state_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context);
  pcre2_compile_context_free(context);
  if (state_->code == nullptr) {
    throw Error(Code::unsupported,
                "regular expression '" + state_->pattern + "' of the tokenizer is not supported: " + message_of(error));
  }
  pcre2_jit_compile(state_->code, PCRE2_JIT_COMPLETE);  // without JIT the interpreter gives the same matches
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

void Regex::find_all(std::string_view subject, std::vector<Match>& out) const {
  // PCRE2 reads outside of a subject that is not UTF-8. Checked once here, because PCRE2 would check the whole of it for every match.
  if (!is_valid_utf8(subject)) throw Error(Code::unprocessable, "regular expression '" + state_->pattern + "' was given a text that is not valid UTF-8");
  thread_local Scratch scratch;
  size_t covered = 0;
  size_t start = 0;
  bool any = false;
  while (start <= subject.size()) {
    const int count = pcre2_match(state_->code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), start,
                                  PCRE2_NO_UTF_CHECK, scratch.data, scratch.context);
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) {
      throw Error(Code::unprocessable,
                  "regular expression '" + state_->pattern + "' gave up on this text: " + message_of(count));
    }
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(scratch.data);
    const size_t begin = offsets[0];
    const size_t end = offsets[1];
    const bool empty_after_match = begin == end && any && begin == covered;
    if (!empty_after_match) {
      if (covered < begin) out.push_back({covered, begin, false});
      out.push_back({begin, end, true});
      covered = end;
      any = true;
    }
    start = end;
    if (begin == end) start += end < subject.size() ? utf8_length(static_cast<unsigned char>(subject[end])) : 1;
  }
  if (covered < subject.size()) out.push_back({covered, subject.size(), false});
}

std::string Regex::replace_all(std::string_view subject, std::string_view content) const {
  std::vector<Match> matches;
  find_all(subject, matches);
  std::string out;
  for (const Match& match : matches)
    out += match.matched ? content : subject.substr(match.begin, match.end - match.begin);
  return out;
}

std::string replace_literal(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t copied = 0;
  for (size_t found = text.find(from); found != std::string_view::npos; found = text.find(from, copied)) {
    out.append(text, copied, found - copied).append(to);
    copied = found + from.size();
  }
  return out.append(text, copied);
}

std::string escape_regex(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    if (std::string_view("\\.+*?()|[]{}^$#&-~").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace lyceum::text
