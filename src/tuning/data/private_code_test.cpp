// Private code as data: what must not be learned, what is there twice, and under which licence it is.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "base/random.h"
#include "tuning/data/code_files.h"
#include "tuning/data/licences.h"
#include "tuning/data/near_duplicates.h"
#include "tuning/data/prepare.h"
#include "tuning/data/secrets.h"

namespace lyceum::tuning {
namespace {

// Drawn, not written down: no scanner of repositories (nor ours) should trip over this file.
std::string drawn(size_t count, std::string_view alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", uint64_t seed = 7) {
  Rng rng(seed);
  std::string out;
  for (size_t i = 0; i < count; ++i) out += alphabet[rng.below(alphabet.size())];
  return out;
}
const std::string kHex = "0123456789abcdef", kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const std::string kBase64 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

std::string rule_of(const std::string& line) {
  const auto found = find_secrets("first = 1\n" + line + "\nlast = 2\n");
  if (found.empty()) return "";
  EXPECT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].line, 2u);
  return std::string(found[0].rule);
}

TEST(Secrets, EveryPlantedKindIsFound) {
  const std::string web_token = std::string("ey") + "J" + drawn(30) + ".ey" + "J" + drawn(60, kBase64.substr(0, 62), 3) + "." + drawn(43);
  const std::vector<std::pair<std::string, std::string>> planted = {
      {"aws-access-key", "aws = 'AK" "IA" + drawn(16, kUpper) + "'"},
      {"github-token", "url = f\"https://gh" "p_" + drawn(36) + "@github.com/a/b\""},
      {"github-token", "github_" "pat_" + drawn(82)},
      {"gitlab-token", "token: gl" "pat-" + drawn(20)},
      {"huggingface-token", "HF_TOKEN=h" "f_" + drawn(34)},
      {"openai-key", "client = OpenAI(api_key=\"sk-" "proj-" + drawn(60) + "\")"},
      {"anthropic-key", "sk-" "ant-api03-" + drawn(80)},
      {"slack-token", "xox" "b-123409871-" + drawn(24)},
      {"google-api-key", "key: AI" "za" + drawn(35)},
      {"stripe-key", "stripe.api_key = 'sk_" "live_" + drawn(24) + "'"},
      {"npm-token", "//registry.npmjs.org/:_authToken=np" "m_" + drawn(36)},
      {"digitalocean-token", "dop" "_v1_" + drawn(64, kHex)},
      {"json-web-token", "Authorization: Bearer " + web_token},
      {"webhook-address", "https://hooks.slack" ".com/services/T" + drawn(9, kUpper) + "/B" + drawn(9, kUpper, 8) + "/" + drawn(24)},
      {"password-in-url", "DATABASE = 'postgres://app:" + drawn(14) + "@db.internal:5432/app'"},
      {"random-secret-assignment", "AWS_SECRET_ACCESS_KEY=" + drawn(40, kBase64)},
      {"random-secret-assignment", "password = \"" + drawn(20) + "\""},
      {"random-secret-assignment", "\"clientSecret\": '" + drawn(32, kHex) + "',"},
      {"random-secret-assignment", "  const apiKey: string = `" + drawn(40) + "`;"},
      {"random-secret-assignment", "SECRET_KEY: str = b'" + drawn(50) + "'"},
  };
  for (const auto& [rule, line] : planted) EXPECT_EQ(rule_of(line), rule) << line;
  const std::string key = "KEY = '''-----BEGIN RSA " "PRIVATE KEY-----\n" + drawn(64, kBase64) + "\n" + drawn(64, kBase64) + "'''\n";
  ASSERT_EQ(find_secrets(key).size(), 1u);
  EXPECT_EQ(find_secrets(key)[0].rule, "private-key");
}

TEST(Secrets, WhatOnlyLooksLikeOneIsNot) {
  for (const std::string line : {
           "token = 'gh" "p_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'",
           "token = 'gh" "p_1234567890abcdefghijklmnopqrstuvwxyz'",
           "key = 'AK" "IAIOSFODNN7EXAMPLE'",
           "if '-----BEGIN RSA " "PRIVATE KEY-----' in text:",
           "url = 'https://user:password@example.com/'",
           "url = 'postgres://postgres:postgres@localhost/db'",
           "url = f'https://{user}:{password}@{host}/'",
           "url = 'redis://:$REDIS_PASSWORD@redis'",
           "password = get_password(user_id_2, 'salt16', rounds=1000)",
           "password = os.environ['DATABASE_PASSWORD_2024']",
           "eos_token = '<|endoftext|>'",
           "next_token = 'tokenizer_config_v2_large_2024'",
           "PASSWORD = 'correct horse battery staple'",
           "api_key = '${API_KEY}'",
           "publicKeyToken=\"1fc8b3b9a1e18e3b\"",
           "verify_token = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...'",
           "sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
           "integrity: sha512-" "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
           "assert hash_password('x') == 'pbkdf2'",
           "class HTTPBasicAuthenticationTokenSecretHandler2:",
           "task-based-approach-to-scheduling-of-many-things-at-once",
           "disk-" "proj-some-name-that-is-long-and-goes-on-and-on-for-a-while",
       }) {
    EXPECT_EQ(rule_of(line), "") << line;
  }
  EXPECT_EQ(rule_of("password = \"" + drawn(20) + "\"  # pragma: allowlist secret"), "");
}

TEST(Secrets, FilesAreLeftOutAndNamedUnlessAllowed) {
  const TempFolder folder;
  write_file_durable(folder.path() / "clean.py", "def clean():\n    return 'nothing to hide here'\n");
  write_file_durable(folder.path() / "leaky.py", "# settings\npassword = \"" + drawn(20) + "\"\n");
  const CodeFiles files = collect_code_files(folder.path(), {});
  ASSERT_EQ(files.train.size(), 1u);
  EXPECT_EQ(files.dropped.at("holds a secret"), 1u);
  ASSERT_EQ(files.secrets.size(), 1u);
  EXPECT_EQ(files.secrets[0].path, "leaky.py");
  EXPECT_EQ(files.secrets[0].finding.line, 2u);
  const CodeFiles allowed = collect_code_files(folder.path(), {.allow_secrets = true});
  EXPECT_EQ(allowed.train.size(), 2u);
  EXPECT_EQ(allowed.secrets.size(), 1u);
  EXPECT_NE(allowed.manifest_sha256, files.manifest_sha256);
  fs::remove(folder.path() / "clean.py");
  try {
    collect_code_files(folder.path(), {});
    ADD_FAILURE() << "nothing is left";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("hold a secret"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find(drawn(20)), std::string::npos);
  }
}

TEST(Secrets, ChatsThatHoldOneAreLeftOut) {
  const TempFolder folder;
  const fs::path path = folder.path() / "chats.jsonl";
  const auto chat = [](const std::string& text) {
    return json::serialize(json::object{{"messages", json::array{json::object{{"role", "user"}, {"content", "hi"}}, json::object{{"role", "assistant"}, {"content", text}}}}}) + "\n";
  };
  write_file_durable(path, chat("hello") + chat("use password = \"" + drawn(20) + "\""));
  const RawData data = load_raw_data({}, path);
  EXPECT_EQ(data.chats.size(), 1u);
  EXPECT_EQ(data.chats_left_out, 1u);
  EXPECT_EQ(data.files.secrets.at(0).path, "chat 2");
  Recipe allow;
  allow.allow_secrets = true;
  EXPECT_EQ(load_raw_data(allow, path).chats.size(), 2u);
}

TEST(ChatHoldout, ShareIsHeldOutByTextAndStaysWhenChatsCome) {
  const TempFolder folder;
  const auto chats = [](int from, int to) {
    std::string text;
    for (int i = from; i < to; ++i) {
      text += json::serialize(json::object{{"messages", json::array{json::object{{"role", "user"}, {"content", "question " + std::to_string(i)}},
                                                                     json::object{{"role", "assistant"}, {"content", "answer"}}}}}) + "\n";
    }
    return text;
  };
  const fs::path path = folder.path() / "chats.jsonl";
  Recipe recipe;
  recipe.val_size = 0.25;
  write_file_durable(path, chats(0, 80));
  const RawData before = load_raw_data(recipe, path);
  EXPECT_EQ(before.chats.size() + before.chats_held_out.size(), 80u);
  EXPECT_GT(before.chats_held_out.size(), 8u);
  EXPECT_LT(before.chats_held_out.size(), 40u);
  write_file_durable(path, chats(40, 120) + chats(0, 40));
  const RawData after = load_raw_data(recipe, path);
  for (const json::array& chat : before.chats_held_out) {
    EXPECT_NE(std::find(after.chats_held_out.begin(), after.chats_held_out.end(), chat), after.chats_held_out.end());
  }
  EXPECT_EQ(held_out_part(before).chats.size(), before.chats_held_out.size());
  recipe.holdout = "time";
  EXPECT_THROW(load_raw_data(recipe, path), Error);
}

// A program of `functions` functions; `seed` decides its names.
std::string program(size_t functions, uint64_t seed) {
  Rng rng(seed);
  std::string out;
  for (size_t i = 0; i < functions; ++i) {
    const std::string name = "f" + std::to_string(rng.below(1u << 30)), word = "w" + std::to_string(rng.below(1u << 30));
    out += "def " + name + "(" + word + ", other):\n    total = " + word + " * " + std::to_string(rng.below(1000)) + "\n    return total + other\n\n\n";
  }
  return out;
}

TEST(NearDuplicates, CopiesWithSmallChangesGoAndDifferentTextsStay) {
  const std::string original = program(40, 1);
  std::string spaced = original, renamed = original;
  for (size_t at = spaced.find("\n    "); at != std::string::npos; at = spaced.find("\n    ", at + 3)) spaced.replace(at, 5, "\n\t");
  renamed.replace(renamed.find("other"), 5, "extra");
  const std::string half = original.substr(0, original.size() / 2) + program(20, 2);
  const std::vector<std::string> texts = {program(40, 3), original, program(40, 4), spaced, half, renamed, "x = 1\n", "x = 1 \n"};
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto groups = find_near_duplicates(views, 0.85);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].kept, 1u);
  EXPECT_EQ(groups[0].left_out, (std::vector<size_t>{3, 5}));
  EXPECT_DOUBLE_EQ(shingle_similarity(original, spaced), 1.0);
  EXPECT_LT(shingle_similarity(original, half), 0.5);
}

TEST(NearDuplicates, RecallAndPrecisionAroundTheThreshold) {
  // Pairs whose exact similarity is known: those clearly above are found, those below never are.
  size_t above = 0, found_above = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const std::string original = program(60, seed);
    std::string changed = original.substr(0, original.find("def ", original.size() - (seed % 30) * 65)) + program(seed % 30, 1000 + seed);
    const double exact = shingle_similarity(original, changed);
    const bool found = !find_near_duplicates(std::vector<std::string_view>{original, changed}, 0.85).empty();
    if (exact < 0.85) {
      EXPECT_FALSE(found) << exact;
    }
    if (exact >= 0.87) ++above, found_above += found;
  }
  EXPECT_GT(above, 10u);
  EXPECT_EQ(found_above, above);
}

TEST(NearDuplicates, AreOutBeforeFilesAreHeldOut) {
  const TempFolder folder;
  for (int i = 0; i < 20; ++i) {
    const std::string text = program(20, 100 + static_cast<uint64_t>(i));
    write_file_durable(folder.path() / ("a" + std::to_string(i) + ".py"), text);
    write_file_durable(folder.path() / "copy" / ("b" + std::to_string(i) + ".py"), "# a copy\n" + text);
  }
  const CodeFiles files = collect_code_files(folder.path(), {.holdout_fraction = 0.3});
  EXPECT_EQ(files.train.size() + files.held_out.size(), 20u);
  EXPECT_EQ(files.dropped.at("near duplicate"), 20u);
  EXPECT_EQ(files.near_duplicates.size(), 20u);
  EXPECT_EQ(files.near_duplicates[0].kept, "a0.py");
  EXPECT_EQ(files.near_duplicates[0].left_out, (std::vector<std::string>{"copy/b0.py"}));
  EXPECT_EQ(collect_code_files(folder.path(), {.near_duplicate_threshold = 0, .holdout_fraction = 0.3}).dropped.count("near duplicate"), 0u);
}

TEST(Licences, SpdxLineWordingAndNearestFile) {
  EXPECT_EQ(find_licence("// SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */\nint x;"), "GPL-2.0-only WITH Linux-syscall-note");
  EXPECT_EQ(find_licence("# Licensed under the Apache License,\n# Version 2.0 (the \"License\")"), "Apache-2.0");
  EXPECT_EQ(find_licence("/* This is part of GNU Foo; under the GNU\n * General Public License as published, either version 3 */"), "GPL-3.0");
  EXPECT_EQ(find_licence("int main() { return 0; }"), "");
  const TempFolder folder;
  write_file_durable(folder.path() / "LICENSE", "Permission is hereby granted, free of charge, to any person\n");
  write_file_durable(folder.path() / "main.py", "print('the main program of it all')\n");
  write_file_durable(folder.path() / "lib/COPYING.txt", "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007. GNU General Public License\n");
  write_file_durable(folder.path() / "lib/deep/x.py", "print('a part of the library')\n");
  write_file_durable(folder.path() / "own.py", "# SPDX-License-Identifier: BSD-3-Clause\nprint('under its own')\n");
  const CodeFiles files = collect_code_files(folder.path(), {});
  EXPECT_EQ(files.root_licence, "MIT");
  ASSERT_EQ(files.train.size(), 3u);
  EXPECT_EQ(files.train[0].licence, "LGPL-3.0");
  EXPECT_EQ(files.train[1].licence, "MIT");
  EXPECT_EQ(files.train[2].licence, "BSD-3-Clause");
}

}  // namespace
}  // namespace lyceum::tuning
