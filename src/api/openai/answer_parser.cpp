#include "api/openai/answer_parser.h"

#include <algorithm>
#include <utility>

namespace lyceum::api {
namespace {

constexpr std::string_view kBegin = "<think>", kEnd = "</think>";

// Bytes at the end of `text` that may be the beginning of `mark`.
size_t begun_size(std::string_view text, std::string_view mark) {
  size_t size = mark.empty() ? 0 : std::min(text.size(), mark.size() - 1);
  while (!text.ends_with(mark.substr(0, size))) --size;
  return size;
}

}  // namespace

ReasoningSplit::ReasoningSplit(Reasoning reasoning, std::string_view end)
    : state_(reasoning == Reasoning::none ? State::after : reasoning == Reasoning::begun ? State::inside : State::before), end_(end) {}

ReasoningSplit::Parts ReasoningSplit::push(std::string_view text) {
  Parts out;
  held_ += text;
  while (advance(out)) {
  }
  return out;
}

ReasoningSplit::Parts ReasoningSplit::finish() {
  Parts out;
  if (state_ == State::inside) {
    show_reasoning(std::exchange(held_, {}), out);
  } else {
    out.rest = std::exchange(held_, {});
  }
  return out;
}

bool ReasoningSplit::advance(Parts& out) {
  if (state_ == State::before) {
    std::string_view text = held_;
    text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
    if (text.size() < kBegin.size() && kBegin.starts_with(text)) return false;
    if (!text.starts_with(kBegin)) {
      state_ = State::after;
      return true;
    }
    held_ = std::string(text.substr(kBegin.size()));
    state_ = State::inside;
    return true;
  }
  if (state_ == State::inside) {
    const size_t end = held_.find(kEnd), other = end_.empty() ? std::string::npos : held_.find(end_);
    const size_t at = std::min(end, other);
    if (at == std::string::npos) {
      const size_t keep = std::max(begun_size(held_, kEnd), begun_size(held_, end_));
      show_reasoning(held_.substr(0, held_.size() - keep), out);
      held_.erase(0, held_.size() - keep);
      return false;
    }
    show_reasoning(held_.substr(0, at), out);
    held_.erase(0, at == end ? at + kEnd.size() : at);
    state_ = State::behind;
    return true;
  }
  if (state_ == State::behind) {
    held_.erase(0, std::min(held_.find_first_not_of('\n'), held_.size()));
    if (held_.empty()) return false;
    state_ = State::after;
  }
  out.rest += std::exchange(held_, {});
  return false;
}

// Without the line ends around it.
void ReasoningSplit::show_reasoning(std::string text, Parts& out) {
  if (!shown_) text.erase(0, std::min(text.find_first_not_of('\n'), text.size()));
  text = std::exchange(space_, {}) + text;
  const size_t last = text.find_last_not_of('\n');
  const size_t size = last == std::string::npos ? 0 : last + 1;
  space_ = text.substr(size);
  text.resize(size);
  shown_ = shown_ || !text.empty();
  out.reasoning += text;
}

AnswerParser::AnswerParser(const ToolFormat* tools, Reasoning reasoning) : reasoning_(reasoning, tools != nullptr ? tools->marker : std::string_view()) {
  if (tools != nullptr) tools_.emplace(*tools);
}

std::vector<ToolParser::Piece> AnswerParser::push(std::string_view text) { return pieces_of(reasoning_.push(text)); }

std::vector<ToolParser::Piece> AnswerParser::finish() {
  std::vector<ToolParser::Piece> out = pieces_of(reasoning_.finish());
  if (!tools_) return out;
  for (ToolParser::Piece& piece : tools_->finish()) out.push_back(std::move(piece));
  return out;
}

std::vector<ToolParser::Piece> AnswerParser::pieces_of(ReasoningSplit::Parts parts) {
  using Kind = ToolParser::Piece::Kind;
  std::vector<ToolParser::Piece> out;
  if (!parts.reasoning.empty()) out.push_back({Kind::reasoning, 0, std::move(parts.reasoning)});
  if (parts.rest.empty()) return out;
  if (!tools_) {
    out.push_back({Kind::content, 0, std::move(parts.rest)});
    return out;
  }
  for (ToolParser::Piece& piece : tools_->push(parts.rest)) out.push_back(std::move(piece));
  return out;
}

}  // namespace lyceum::api
