#include "cli/line_editor.h"

#include <editline/readline.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>

namespace lyceum::cli {
namespace {

constexpr int kHistoryMax = 1000;
constexpr const char* kQuotes = "\"\"\"";

volatile std::sig_atomic_t dropped = 0;

// While a line is being typed Ctrl-C drops it, whatever it does otherwise.
class DropOnInterrupt {
 public:
  DropOnInterrupt() {
    dropped = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { dropped = 1; };   // without SA_RESTART: reading ends
    ::sigaction(SIGINT, &action, &before_);
  }
  ~DropOnInterrupt() { ::sigaction(SIGINT, &before_, nullptr); }
  DropOnInterrupt(const DropOnInterrupt&) = delete;
  DropOnInterrupt& operator=(const DropOnInterrupt&) = delete;

 private:
  struct sigaction before_ {};
};

}  // namespace

std::optional<std::string> LineJoiner::add(const std::string& line) {
  if (quoted_) {
    const size_t end = line.find(kQuotes);
    text_ += line.substr(0, end);
    if (end == std::string::npos) {
      text_ += '\n';
      return std::nullopt;
    }
    return finish();
  }
  if (text_.empty() && line.starts_with(kQuotes)) {
    quoted_ = true;
    const std::string rest = line.substr(3);
    return rest.empty() ? std::nullopt : add(rest);
  }
  if (line.ends_with('\\')) {
    text_ += line.substr(0, line.size() - 1) + '\n';
    return std::nullopt;
  }
  text_ += line;
  return finish();
}

std::optional<std::string> LineJoiner::finish() {
  if (!open()) {
    clear();
    return std::nullopt;
  }
  std::string out = std::move(text_);
  clear();
  return out;
}

void LineJoiner::clear() {
  text_.clear();
  quoted_ = false;
}

LineEditor::LineEditor(std::filesystem::path history) : history_(std::move(history)), terminal_(::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
  if (!terminal_) return;
  std::setlocale(LC_CTYPE, "");
  rl_readline_name = "lyceum";
  using_history();
  stifle_history(kHistoryMax);
  read_history(history_.c_str());
}

LineEditor::~LineEditor() {
  if (!terminal_) return;
  std::error_code error;
  std::filesystem::create_directories(history_.parent_path(), error);
  const mode_t before = ::umask(0077);   // what people ask a model is private
  write_history(history_.c_str());
  ::umask(before);
}

std::optional<std::string> LineEditor::read_line(const char* prompt) {
  if (terminal_) {
    const DropOnInterrupt guard;
    const std::unique_ptr<char, decltype(&std::free)> line(::readline(prompt), &std::free);
    if (dropped != 0) {
      std::cout << std::endl;
      joiner_.clear();
      return std::string();
    }
    if (line == nullptr) return std::nullopt;
    return std::string(line.get());
  }
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

std::optional<std::string> LineEditor::read() {
  joiner_.clear();
  while (true) {
    const auto line = read_line(joiner_.open() ? ". " : "> ");
    if (!line) return joiner_.finish();
    if (terminal_ && !line->empty()) add_history(line->c_str());
    if (auto text = joiner_.add(*line)) return text;
    if (!joiner_.open()) return std::string();   // an empty line
  }
}

}  // namespace lyceum::cli
