// line_editor.h: a prompt in the terminal with editing, history and input of several lines. When standard input is no terminal, lines are read as
// they are.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace lyceum::cli {

// What belongs together of the lines a person types: a line that ends with a backslash goes on in the next one, and everything between two
// lines of """ is one text.
class LineJoiner {
 public:
  // Takes one line; the whole text when it is complete.
  std::optional<std::string> add(const std::string& line);
  bool open() const noexcept { return quoted_ || !text_.empty(); }
  // What there is when no more comes; nullopt if nothing was begun.
  std::optional<std::string> finish();
  void clear();

 private:
  std::string text_;
  bool quoted_ = false;
};

// One at a time in a process (it wraps libedit, which keeps its own state).
class LineEditor {
 public:
  // history: a file of earlier texts, readable only by the user; made when needed. Kept: the last 1,000 lines.
  explicit LineEditor(std::filesystem::path history);
  ~LineEditor();   // writes the history
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The next text; nullopt at the end of input (Ctrl-D). Ctrl-C drops what was typed.
  std::optional<std::string> read();

 private:
  std::optional<std::string> read_line(const char* prompt);

  std::filesystem::path history_;
  bool terminal_;
  LineJoiner joiner_;
};

}  // namespace lyceum::cli
