#include "tuning/data/secrets.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

namespace lyceum::tuning {

namespace {

constexpr size_t kFindingsMax = 100;
constexpr size_t kValueMax = 512;          // longer runs of characters are data, not a key
constexpr size_t kKeyBodySpan = 400;       // a private key's body begins within so many bytes of its head

enum class Alphabet { alnum, upper_alnum, lower_alnum, hex, word, url };   // word: with _; url: with _ and -

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(char c) noexcept { return c >= 'A' && c <= 'Z'; }
constexpr bool is_alnum(char c) noexcept { return is_digit(c) || is_lower(c) || is_upper(c); }
constexpr bool is_word(char c) noexcept { return is_alnum(c) || c == '_'; }
constexpr char lower(char c) noexcept { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool in(Alphabet alphabet, char c) noexcept {
  switch (alphabet) {
    case Alphabet::alnum: return is_alnum(c);
    case Alphabet::upper_alnum: return is_upper(c) || is_digit(c);
    case Alphabet::lower_alnum: return is_lower(c) || is_digit(c);
    case Alphabet::hex: return is_digit(c) || (c >= 'a' && c <= 'f');
    case Alphabet::word: return is_word(c);
    case Alphabet::url: return is_word(c) || c == '-';
  }
  return false;
}

struct TokenRule {
  std::string_view rule, prefix;
  Alphabet alphabet;
  size_t least, most;   // characters after the prefix
};

constexpr TokenRule kTokenRules[] = {
    {"aws-access-key", "AKIA", Alphabet::upper_alnum, 16, 16},
    {"aws-access-key", "ASIA", Alphabet::upper_alnum, 16, 16},
    {"github-token", "ghp_", Alphabet::alnum, 36, 255},
    {"github-token", "gho_", Alphabet::alnum, 36, 255},
    {"github-token", "ghu_", Alphabet::alnum, 36, 255},
    {"github-token", "ghs_", Alphabet::alnum, 36, 255},
    {"github-token", "ghr_", Alphabet::alnum, 36, 255},
    {"github-token", "github_pat_", Alphabet::word, 60, 255},
    {"gitlab-token", "glpat-", Alphabet::url, 20, 60},
    {"gitlab-token", "gldt-", Alphabet::url, 20, 60},
    {"gitlab-token", "glrt-", Alphabet::url, 20, 60},
    {"huggingface-token", "hf_", Alphabet::alnum, 34, 40},
    {"openai-key", "sk-proj-", Alphabet::url, 40, 255},
    {"openai-key", "sk-svcacct-", Alphabet::url, 40, 255},
    {"openai-key", "sk-", Alphabet::alnum, 48, 48},
    {"anthropic-key", "sk-ant-", Alphabet::url, 40, 255},
    {"slack-token", "xoxb-", Alphabet::url, 20, 255},
    {"slack-token", "xoxp-", Alphabet::url, 20, 255},
    {"slack-token", "xoxa-", Alphabet::url, 20, 255},
    {"slack-token", "xoxr-", Alphabet::url, 20, 255},
    {"slack-token", "xoxs-", Alphabet::url, 20, 255},
    {"slack-token", "xapp-", Alphabet::url, 20, 255},
    {"google-api-key", "AIza", Alphabet::url, 35, 35},
    {"google-oauth-secret", "GOCSPX-", Alphabet::url, 28, 28},
    {"google-oauth-token", "ya29.", Alphabet::url, 40, 511},
    {"stripe-key", "sk_live_", Alphabet::alnum, 16, 255},
    {"stripe-key", "rk_live_", Alphabet::alnum, 16, 255},
    {"stripe-webhook-secret", "whsec_", Alphabet::alnum, 24, 255},
    {"npm-token", "npm_", Alphabet::alnum, 36, 36},
    {"pypi-token", "pypi-AgEIcHlwaS5vcmc", Alphabet::url, 40, 511},
    {"digitalocean-token", "dop_v1_", Alphabet::hex, 64, 64},
    {"databricks-token", "dapi", Alphabet::hex, 32, 32},
    {"shopify-token", "shpat_", Alphabet::hex, 32, 32},
    {"shopify-token", "shpss_", Alphabet::hex, 32, 32},
    {"linear-key", "lin_api_", Alphabet::alnum, 40, 40},
    {"vault-token", "hvs.", Alphabet::url, 80, 255},
    {"age-secret-key", "AGE-SECRET-KEY-1", Alphabet::upper_alnum, 58, 58},
};

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(), [](char a, char b) { return lower(a) == lower(b); }) != text.end();
}

// xxxx…, 12345678, abcdefgh, EXAMPLE: what people write where a secret would stand.
bool made_up(std::string_view value, size_t distinct_min = 8) {
  std::array<bool, 256> seen{};
  size_t distinct = 0, ascending = 1;
  for (size_t i = 0; i < value.size(); ++i) {
    bool& known = seen[static_cast<unsigned char>(value[i])];
    distinct += !known;
    known = true;
    ascending = i > 0 && value[i] == value[i - 1] + 1 ? ascending + 1 : 1;
    if (ascending >= 7) return true;
  }
  if (distinct < distinct_min) return true;
  constexpr std::string_view kWords[] = {"example", "xxxx", "...", "placeholder", "changeme", "dummy", "notreal", "redacted", "your_", "your-", "fake", "insert"};
  return std::any_of(std::begin(kWords), std::end(kWords), [&](std::string_view word) { return contains_ignoring_case(value, word); });
}

std::optional<std::string_view> find_token(std::string_view line) {
  for (size_t at = 0; at < line.size(); ++at) {
    if (at > 0 && is_word(line[at - 1])) continue;
    for (const TokenRule& rule : kTokenRules) {
      if (line[at] != rule.prefix[0] || !line.substr(at).starts_with(rule.prefix)) continue;
      const std::string_view rest = line.substr(at + rule.prefix.size());
      size_t run = 0;
      while (run < rest.size() && run <= rule.most && in(rule.alphabet, rest[run])) ++run;
      const bool ends = run == rest.size() || !is_word(rest[run]);
      if (run >= rule.least && run <= rule.most && ends && !made_up(rest.substr(0, run))) return rule.rule;
    }
  }
  return std::nullopt;
}

// header.payload.signature, the first two beginning as base64 of {" does.
bool holds_web_token(std::string_view line) {
  for (size_t at = line.find("eyJ"); at != std::string_view::npos; at = line.find("eyJ", at + 3)) {
    if (at > 0 && is_word(line[at - 1])) continue;
    size_t parts = 0, end = at;
    for (; parts < 3; ++parts) {
      const size_t begin = end;
      while (end < line.size() && end - begin < 2048 && in(Alphabet::url, line[end])) ++end;
      if (end - begin < 16 || (parts == 1 && !line.substr(begin).starts_with("eyJ"))) break;
      if (parts < 2 && (end == line.size() || line[end++] != '.')) break;
    }
    if (parts == 3 && !made_up(line.substr(at, end - at))) return true;
  }
  return false;
}

// A hook's address is enough to post to it.
bool holds_webhook(std::string_view line) {
  for (const std::string_view host : {std::string_view("hooks.slack.com/services/T"), std::string_view("discord.com/api/webhooks/"), std::string_view("discordapp.com/api/webhooks/")}) {
    const size_t at = line.find(host);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = line.substr(at + host.size());
    size_t run = 0;
    while (run < rest.size() && (in(Alphabet::url, rest[run]) || rest[run] == '/')) ++run;
    if (run >= 30 && !made_up(rest.substr(0, run))) return true;
  }
  return false;
}

bool is_placeholder_password(std::string_view user, std::string_view password, std::string_view host) {
  if (password.size() < 6 || password == user || made_up(password, 5)) return true;
  if (password.find_first_of("${}<>%*()[]|\\,;") != std::string_view::npos || password.find("...") != std::string_view::npos) return true;
  constexpr std::string_view kWords[] = {"pass", "pwd", "secret", "token", "user", "test", "admin", "root", "guest", "postgres", "mysql", "foo", "bar", "baz", "qwerty", "hunter2"};
  for (const std::string_view word : kWords) {
    if (contains_ignoring_case(password, word)) return true;
  }
  return contains_ignoring_case(host, "example") || host.ends_with(".test") || host.ends_with(".invalid") || host.empty();
}

// scheme://user:password@host
bool holds_url_password(std::string_view line) {
  for (size_t at = line.find("://"); at != std::string_view::npos; at = line.find("://", at + 3)) {
    if (at == 0 || !is_alnum(line[at - 1])) continue;
    const std::string_view rest = line.substr(at + 3, kValueMax);
    const size_t end = rest.find_first_of("/ \t\"'<>`?#");
    const std::string_view authority = rest.substr(0, end);
    const size_t sign = authority.rfind('@');
    if (sign == std::string_view::npos) continue;
    const size_t colon = authority.substr(0, sign).find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view host = authority.substr(sign + 1, authority.find(':', sign + 1) - sign - 1);
    if (!is_placeholder_password(authority.substr(0, colon), authority.substr(colon + 1, sign - colon - 1), host)) return true;
  }
  return false;
}

double entropy_per_character(std::string_view value) {
  std::array<size_t, 256> counts{};
  for (const char c : value) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const size_t count : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(value.size());
    if (count > 0) bits -= share * std::log2(share);
  }
  return bits;
}

// Letters and digits mixed all through, as drawn at random; words, paths and identifiers with a number are not.
bool looks_random(std::string_view value) {
  if (value.size() < 16 || value.size() > kValueMax || value.find("://") != std::string_view::npos) return false;
  size_t digits = 0, letters = 0, turns = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool letter = is_lower(c) || is_upper(c);
    if (!letter && !is_digit(c) && std::string_view("+/=_-.~").find(c) == std::string_view::npos) return false;
    digits += is_digit(c);
    letters += letter;
    if (i > 0) turns += (letter && is_digit(value[i - 1])) || (is_digit(c) && (is_lower(value[i - 1]) || is_upper(value[i - 1])));
  }
  if (digits < 3 || letters < 3 || turns < value.size() / 8 + 1) return false;
  return entropy_per_character(value) >= 3.0 && !made_up(value);
}

// password, apiKey, AWS_SECRET_ACCESS_KEY, client-secret, …: the name's end says what it holds.
bool names_a_secret(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (is_alnum(c)) plain += lower(c);
  }
  while (!plain.empty() && is_digit(plain.back())) plain.pop_back();
  constexpr std::string_view kEnds[] = {"apikey", "secretkey", "accesskey", "privatekey", "signingkey", "encryptionkey", "authkey", "accountkey", "masterkey",
                                        "secret", "token", "password", "passwd", "passphrase", "credential", "credentials", "apisecret"};
  if (plain.ends_with("publickeytoken")) return false;   // of a .NET assembly: public, as it says
  return std::any_of(std::begin(kEnds), std::end(kEnds), [&](std::string_view end) { return plain.ends_with(end); });
}

std::string_view without_spaces_behind(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The identifier that ends `text`, quoted or not, and text without it.
std::string_view take_name(std::string_view& text) {
  text = without_spaces_behind(text);
  while (!text.empty() && (text.back() == '"' || text.back() == '\'' || text.back() == ']' || text.back() == '`')) text.remove_suffix(1);
  size_t begin = text.size();
  while (begin > 0 && text.size() - begin < 128 && (in(Alphabet::url, text[begin - 1]) || text[begin - 1] == '.')) --begin;
  const std::string_view name = text.substr(begin);
  text.remove_suffix(name.size());
  return name;
}

// left: what stands before a quoted value. `name =`, `name:`, `"name" =>`, `name: type =`, `name := `.
bool assigns_to_a_secret(std::string_view left) {
  left = without_spaces_behind(left);
  while (!left.empty() && (is_lower(left.back()) || is_upper(left.back())) && left.size() >= 2 && !is_word(left[left.size() - 2])) left.remove_suffix(1);   // b"", r""
  left = without_spaces_behind(left);
  const size_t before = left.size();
  while (!left.empty() && (left.back() == '=' || left.back() == ':' || left.back() == '>')) left.remove_suffix(1);
  if (left.size() == before || before - left.size() > 2) return false;
  if (left.size() + 2 == before && left.size() > 0 && std::string_view(left.data() + left.size(), 2) == "==") return false;   // a comparison
  if (names_a_secret(take_name(left))) return true;
  left = without_spaces_behind(left);
  if (left.empty() || left.back() != ':') return false;
  left.remove_suffix(1);
  return names_a_secret(take_name(left));
}

// NAME=value to the line's end, as in .env, INI and YAML files.
bool assigns_bare(std::string_view line) {
  const size_t sign = line.find_first_of("=:");
  if (sign == std::string_view::npos) return false;
  std::string_view left = line.substr(0, sign);
  if (!names_a_secret(take_name(left))) return false;
  left = without_spaces_behind(left);
  while (!left.empty() && (left.front() == ' ' || left.front() == '\t' || left.front() == '-')) left.remove_prefix(1);
  if (!left.empty() && left != "export" && left != "set" && left != "ENV" && left != "ARG") return false;
  std::string_view value = line.substr(sign + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  value = value.substr(0, value.find_first_of(" \t\r"));
  return looks_random(value);
}

bool holds_assigned_secret(std::string_view line) {
  if (assigns_bare(line)) return true;
  for (size_t at = line.find_first_of("\"'`"); at != std::string_view::npos; at = line.find_first_of("\"'`", at)) {
    const size_t end = line.find(line[at], at + 1);
    if (end == std::string_view::npos) {   // the last of its kind; another kind may follow
      ++at;
      continue;
    }
    const std::string_view value = line.substr(at + 1, end - at - 1);
    if (looks_random(value) && assigns_to_a_secret(line.substr(0, at))) return true;
    at = end;   // an apostrophe may have been taken for a quote: the next one may open
  }
  return false;
}

// The head of a key alone is code that looks for one; a body of base64 makes it a key.
bool begins_private_key(std::string_view text, size_t line_begin, std::string_view line) {
  const size_t head = line.find("-----BEGIN ");
  if (head == std::string_view::npos || line.find("PRIVATE KEY", head) == std::string_view::npos) return false;
  const std::string_view body = text.substr(line_begin + head + 11, kKeyBodySpan);
  size_t run = 0;
  for (size_t i = 0; i < body.size(); ++i) {
    run = is_alnum(body[i]) || body[i] == '+' || body[i] == '/' ? run + 1 : 0;
    if (run >= 40 && !made_up(body.substr(i + 1 - run, run))) return true;
  }
  return false;
}

bool is_excused(std::string_view line) { return line.find("gitleaks:allow") != std::string_view::npos || line.find("pragma: allowlist secret") != std::string_view::npos; }

std::optional<std::string_view> find_in_line(std::string_view text, size_t begin, std::string_view line) {
  if (begins_private_key(text, begin, line)) return "private-key";
  if (const auto token = find_token(line)) return token;
  if (holds_web_token(line)) return "json-web-token";
  if (holds_webhook(line)) return "webhook-address";
  if (holds_url_password(line)) return "password-in-url";
  if (holds_assigned_secret(line)) return "random-secret-assignment";
  return std::nullopt;
}

}  // namespace

std::vector<SecretFinding> find_secrets(std::string_view text) {
  std::vector<SecretFinding> found;
  size_t number = 0;
  for (size_t at = 0; at < text.size() && found.size() < kFindingsMax;) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    ++number;
    const auto rule = find_in_line(text, at, line);
    if (rule && !is_excused(line)) found.push_back({*rule, number});
    at = end + 1;
  }
  return found;
}

}  // namespace lyceum::tuning
