#include "tuning/evaluate/answers.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/files.h"
#include "tuning/evaluate/known_lines.h"

extern char** environ;

namespace lyceum::tuning {

namespace {

constexpr std::array<std::string_view, 35> kKeywords = {"False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif",
                                                        "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or",
                                                        "pass", "raise", "return", "try", "while", "with", "yield"};

bool is_word(char c) noexcept { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Calls visit(word, end offset) for every identifier.
template <typename Visit>
void for_each_word(std::string_view code, Visit visit) {
  for (size_t at = 0; at < code.size();) {
    size_t end = at;
    while (end < code.size() && is_word(code[end])) ++end;
    if (end > at && std::isdigit(static_cast<unsigned char>(code[at])) == 0) visit(code.substr(at, end - at), end);
    at = std::max(end, at + 1);
  }
}

bool assigned_at(std::string_view code, size_t end) noexcept {
  while (end < code.size() && code[end] == ' ') ++end;
  return end + 1 < code.size() && code[end] == '=' && code[end + 1] != '=';
}

// Begins a statement in column 0 that no line before it can belong to.
bool starts_statement(std::string_view line) {
  if (line.empty() || (!is_word(line[0]) && line[0] != '@' && line[0] != '"' && line[0] != '\'')) return false;
  for (const std::string_view word : {"else", "elif", "except", "finally", "case"}) {
    if (line.starts_with(word) && (line.size() == word.size() || !is_word(line[word.size()]))) return false;
  }
  return true;
}

// Reads "<length>\n<bytes>" again and again; writes a 1 or a 0 for each.
constexpr const char* kParser =
    "import ast,sys,warnings\n"
    "warnings.simplefilter('ignore')\n"
    "i=sys.stdin.buffer\n"
    "while True:\n"
    "  n=i.readline()\n"
    "  if not n: break\n"
    "  t=i.read(int(n))\n"
    "  try:\n"
    "    ast.parse(t); sys.stdout.write('1')\n"
    "  except Exception: sys.stdout.write('0')\n";

// Standard output of python3 with `input` (a file from its beginning) as standard input; nullopt if it cannot be run or fails.
std::optional<std::string> run_parser(int input) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("make a pipe for", "python3");
  UniqueFd reading(ends[0]), writing(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::array<std::string, 5> words = {"python3", "-I", "-S", "-c", kParser};
  std::array<char*, 6> argv = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), words[4].data(), nullptr};
  pid_t child = -1;
  const int failed = ::posix_spawnp(&child, "python3", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return std::nullopt;
  writing.reset();
  std::string out;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = ::read(reading.get(), buffer.data(), buffer.size())) > 0;) out.append(buffer.data(), static_cast<size_t>(got));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return std::nullopt;
  return out;
}

}  // namespace

std::string_view answer_part(std::string_view output, std::string_view wanted) {
  if (wanted.find('\n') != std::string_view::npos) return trimmed(output);
  const size_t first = std::min(output.find_first_not_of(" \t\r\n"), output.size());
  return trimmed(output.substr(0, output.find('\n', first)));
}

std::multiset<std::string> identifiers(std::string_view code, const std::set<std::string>* only) {
  std::multiset<std::string> out;
  for_each_word(code, [&](std::string_view word, size_t) {
    if (std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end()) return;
    if (only == nullptr || only->contains(std::string(word))) out.emplace(word);
  });
  return out;
}

std::set<std::string> defined_names(std::string_view code) {
  std::set<std::string> out;
  std::string_view before;
  for_each_word(code, [&](std::string_view word, size_t end) {
    if (before == "def" || before == "class" || assigned_at(code, end)) out.emplace(word);
    before = word;
  });
  return out;
}

double multiset_f1(const std::multiset<std::string>& found, const std::multiset<std::string>& wanted) {
  std::vector<std::string> shared;
  std::set_intersection(found.begin(), found.end(), wanted.begin(), wanted.end(), std::back_inserter(shared));
  return 2.0 * static_cast<double>(shared.size()) / static_cast<double>(found.size() + wanted.size());
}

Enclosing enclosing_statement(std::string_view prefix, std::string_view suffix) {
  const auto before = split_lines(prefix);
  size_t begin = before.size();
  const auto line = [&](size_t i) { return prefix.substr(before[i].begin, before[i].end - before[i].begin); };
  while (begin > 0 && !starts_statement(line(begin - 1))) --begin;
  begin -= begin > 0;
  while (begin > 0 && line(begin - 1).starts_with('@')) --begin;
  size_t end = suffix.size();
  size_t number = 0;
  for (const LineSpan& span : split_lines(suffix)) {
    if (number++ == 0 || !starts_statement(suffix.substr(span.begin, span.end - span.begin))) continue;   // the first is the rest of the cursor's line
    end = span.begin;
    break;
  }
  return {begin < before.size() ? prefix.substr(before[begin].begin) : prefix, suffix.substr(0, end)};
}

std::optional<std::vector<bool>> parse_python(const std::vector<std::string>& texts) {
  const UniqueFd input(::memfd_create("lyceum-parse", MFD_CLOEXEC));
  if (!input.valid()) throw_errno("make memory for", "python3");
  for (const std::string& text : texts) {
    const std::string framed = std::to_string(text.size()) + "\n" + text;
    write_all(input.get(), as_bytes(framed), "memory");
  }
  if (::lseek(input.get(), 0, SEEK_SET) != 0) throw_errno("go back in", "memory");
  const auto out = run_parser(input.get());
  if (!out || out->size() != texts.size()) return std::nullopt;
  std::vector<bool> parsed;
  for (const char c : *out) parsed.push_back(c == '1');
  return parsed;
}

}  // namespace lyceum::tuning
