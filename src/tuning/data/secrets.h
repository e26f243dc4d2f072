// secrets.h: keys, tokens and passwords in text that a model must not learn: what is learned can be asked for.
//
// Three kinds of rule: tokens of well-known services (by their fixed prefix, alphabet and length), private keys with their body,
// passwords in URLs; and random-looking values given to a name that says it is a secret. Made-up values (xxxx, 12345678,
// EXAMPLE, ${PASSWORD}) are no findings, nor is a line marked "gitleaks:allow" or "pragma: allowlist secret".
// A scan is linear in the text. The secret itself is never part of a finding.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace lyceum::tuning {

// Rises with every change of the rules: the same data may then give other findings.
inline constexpr int kSecretRulesVersion = 1;

struct SecretFinding {
  std::string_view rule;   // "github-token", …; static
  size_t line = 0;         // 1 for the first
};

// At most one finding a line and 100 a text; any thread.
std::vector<SecretFinding> find_secrets(std::string_view text);

}  // namespace lyceum::tuning
