// The generated matrix: every row of every group × everyone who may ask × every visibility. What is expected follows from the row's
// access rule alone, so a new row is covered by being a row. The number of cells is printed; none is skipped.
#include <gtest/gtest.h>

#include <iostream>

#include "api/test_world.h"
#include "hub/sessions.h"
#include "hub/tokens.h"

namespace lyceum::api {
namespace {

enum class Credential { none, read, write, inside, outside, session };  // inside, outside: fine-grained, does its scope hold the repository?

struct Actor {
  std::string_view name;
  hub::Role role;        // in the organisation that owns the repositories
  bool administrator;
  Credential credential;
  std::string secret;    // token or cookie
};

enum class Visibility { open, gated, hidden };
constexpr std::pair<Visibility, std::string_view> kRepos[] = {{Visibility::open, "shown"}, {Visibility::gated, "gated"}, {Visibility::hidden, "secret"}};

std::string target_of(const RouteRow& row, std::string_view repo) {
  const std::pair<std::string_view, std::string> values[] = {
      {"type", "models"}, {"ns", "team"}, {"name", std::string(repo)}, {"rest*", "main"}, {"rev*", "main"}, {"revision*", "main"}, {"branch*", "topic"},
      {"user", "alice"}, {"organisation", "team"}, {"id", "999999"}, {"num", "1"}, {"status", "pending"}, {"oid", std::string(64, 'a')}, {"hash", std::string(64, 'a')}};
  std::string out(row.pattern);
  for (size_t begin = out.find('{'); begin != std::string::npos; begin = out.find('{')) {
    const size_t end = out.find('}', begin);
    const std::string name = out.substr(begin + 1, end - begin - 1);
    std::string value = "x";
    for (const auto& [key, text] : values)
      if (key == name) value = text;
    out.replace(begin, end - begin + 1, value);
  }
  return out.ends_with("/info/refs") ? out + "?service=git-upload-pack" : out;
}

// Rows whose handler asks for more than the row, because it depends on the request: info/refs serves clones and pushes (asked about a clone,
// as here, it follows the rule of content); a commit, a git push and a token for uploading go to a branch (to main, as here, they take the
// right to write; the opener of a pull request may write to its branch).
Access rule_of(const RouteRow& row) {
  if (row.pattern.ends_with("/info/refs")) return Access::repo_content;
  for (const std::string_view part : {"/xet-write-token/", "/commit/", "/git-receive-pack"}) {
    if (row.access == Access::repo_participate && row.pattern.find(part) != std::string_view::npos) return Access::repo_write;
  }
  return row.access;
}
// Gives files of the repository away, so a gated one must have let the caller in.
bool hands_out_content(const RouteRow& row) { return row.pattern.ends_with("/lfs-files/duplicate"); }

bool lets_read(const Actor& actor) { return actor.credential != Credential::none && actor.credential != Credential::outside; }
bool lets_write(const Actor& actor) { return actor.credential == Credential::write || actor.credential == Credential::inside || actor.credential == Credential::session; }
bool whole_account(const Actor& actor) { return actor.credential == Credential::write || actor.credential == Credential::session; }
bool may_read(const Actor& actor) { return lets_read(actor) && (actor.administrator || actor.role >= hub::Role::read); }

enum class Answer { any_known, passes, unauthorized, forbidden, missing, gated, refused };

Answer expected_of_repo(Access access, const Actor& actor, Visibility visibility) {
  const bool anonymous = actor.credential == Credential::none;
  if (visibility == Visibility::hidden && !may_read(actor)) return Answer::missing;
  switch (access) {
    case Access::repo_content: return visibility == Visibility::gated && !may_read(actor) ? Answer::gated : Answer::passes;
    case Access::repo_participate: return anonymous ? Answer::unauthorized : lets_write(actor) ? Answer::passes : Answer::forbidden;
    case Access::repo_write:
      if (anonymous) return Answer::unauthorized;
      return lets_write(actor) && (actor.administrator || actor.role >= hub::Role::write) ? Answer::passes : Answer::forbidden;
    default: return Answer::passes;
  }
}

Answer expected(Access access, const Actor& actor, Visibility visibility) {
  const bool anonymous = actor.credential == Credential::none;
  switch (access) {
    case Access::anyone: return Answer::any_known;
    case Access::signed_in: return anonymous ? Answer::unauthorized : Answer::any_known;
    case Access::write_token: return anonymous ? Answer::unauthorized : whole_account(actor) ? Answer::any_known : Answer::forbidden;
    case Access::scoped_write: return anonymous ? Answer::unauthorized : lets_write(actor) ? Answer::any_known : Answer::forbidden;
    case Access::administrator: return anonymous ? Answer::unauthorized : actor.administrator && whole_account(actor) ? Answer::passes : Answer::forbidden;
    case Access::signed_url: return Answer::refused;
    default: return expected_of_repo(access, actor, visibility);
  }
}

// nullopt: as expected. Otherwise what should have been.
std::optional<std::string> find_fault(Answer answer, const http::Response& response, bool anonymous) {
  const std::string_view tag = response.headers.find("X-Error-Code").value_or("");
  const auto require = [](bool good, std::string what) { return good ? std::nullopt : std::optional(std::move(what)); };
  if (response.status >= 500 && response.status != 501 && response.status != 503) return "no failure inside";
  switch (answer) {
    case Answer::any_known: return require(response.status != 401 || anonymous, "the caller to be known");
    case Answer::passes: return require(response.status != 401 && response.status != 403 && tag != "RepoNotFound" && tag != "GatedRepo", "to pass");
    case Answer::unauthorized: return require(response.status == 401 && tag != "RepoNotFound", "401");
    case Answer::forbidden: return require(response.status == 403, "403");
    case Answer::missing: return require(response.status == (anonymous ? 401 : 404) && tag == "RepoNotFound", "RepoNotFound");
    case Answer::gated: return require(response.status == (anonymous ? 401 : 403) && tag == "GatedRepo", "GatedRepo");
    case Answer::refused: return require(response.status >= 400, "a refusal");
  }
  return "an answer";
}

class Matrix : public testing::Test {
 protected:
  Matrix() {
    hub::Hub& hub = world.hub();
    const hub::Caller owner = *hub.authenticate(world.owner);
    for (const auto type : {hub::RepoType::model, hub::RepoType::dataset, hub::RepoType::space}) {
      const std::string sdk = type == hub::RepoType::space ? "static" : "";
      hub.create_repo(owner, {type, "team", "shown"}, false, sdk);
      hub.create_repo(owner, {type, "team", "gated"}, false, sdk);
      hub.update_repo(owner, {type, "team", "gated"}, std::nullopt, "manual");
    }
    const auto member = [&](const std::string& name, const std::string& role) {
      const hub::User user = hub.create_user(name, "", "", "", false);
      hub.set_member(owner, "team", name, role);
      return hub.create_token(user, "w", hub::Scope::write);
    };
    const auto scoped = [&](const hub::Grant& grant) { return hub.tokens().create(owner, {.name = "f", .scope = hub::Scope::fine_grained, .grants = {grant}}); };
    actors = {
        {"anonymous", hub::Role::none, false, Credential::none, ""},
        {"stranger", hub::Role::none, false, Credential::write, world.stranger},
        {"member who reads", hub::Role::read, false, Credential::write, world.reader},
        {"member who writes", hub::Role::write, false, Credential::write, member("wanda", "write")},
        {"admin of the organisation", hub::Role::admin, false, Credential::write, member("ada", "admin")},
        {"owner", hub::Role::owner, false, Credential::write, world.owner},
        {"owner with a read token", hub::Role::owner, false, Credential::read, world.owner_read_only},
        {"owner with a token for the namespace", hub::Role::owner, false, Credential::inside, scoped({.type = "org", .name = "team", .permissions = *hub::find_permission("repo.write")})},
        {"owner with a token for elsewhere", hub::Role::owner, false, Credential::outside, scoped({.type = "model", .name = "bob/own", .permissions = *hub::find_permission("repo.content.read")})},
        {"owner in a browser", hub::Role::owner, false, Credential::session, hub.sessions().create(owner)},
        {"administrator", hub::Role::none, true, Credential::write, world.admin},
        {"administrator with a read token", hub::Role::none, true, Credential::read, hub.create_token(*hub.find_user("admin"), "r", hub::Scope::read)},
    };
  }

  http::Response ask(const RouteRow& row, Actor& actor, std::string_view repo) {
    Call call{.method = std::string(row.method), .target = target_of(row, repo), .body = {}, .token = {}, .headers = {}};
    if (actor.credential == Credential::session) {
      // Some row ended the session, as it should.
      if (!world.hub().sessions().authenticate(actor.secret)) actor.secret = world.hub().sessions().create(*world.hub().authenticate(world.owner));
      call.headers = {{"Cookie", "lyceum_session=" + actor.secret}, {"Origin", "http://hub.test"}};
    } else {
      call.token = actor.secret;
    }
    return world.send(call);
  }

  World world;
  std::vector<Actor> actors;
};

TEST_F(Matrix, EveryRowAnswersEveryActorByItsRule) {
  size_t cells = 0, rows = 0, wrong = 0;
  for (const RouteGroup& group : route_groups()) {
    for (const RouteRow& row : group.rows) {
      ++rows;
      for (Actor& actor : actors) {
        for (const auto& [visibility, repo] : kRepos) {
          const http::Response response = ask(row, actor, repo);
          Answer answer = expected(rule_of(row), actor, visibility);
          if (answer == Answer::passes && hands_out_content(row) && visibility == Visibility::gated && !may_read(actor)) answer = Answer::gated;
          const auto fault = find_fault(answer, response, actor.credential == Credential::none);
          ++cells;
          if (!fault) continue;
          ++wrong;
          ADD_FAILURE() << row.method << " " << row.pattern << " (" << name(row.access) << ") by " << actor.name << " on " << repo << ": expected " << *fault << ", got "
                        << response.status << " " << response.headers.find("X-Error-Code").value_or("") << " " << response.body.substr(0, 200);
        }
      }
    }
  }
  std::cout << "route x actor x visibility: " << rows << " rows x " << actors.size() << " actors x " << std::size(kRepos) << " visibilities = " << cells << " cells, " << wrong
            << " wrong\n";
  EXPECT_EQ(cells, rows * actors.size() * std::size(kRepos));
}

// A browser attaches its cookie to requests that other sites make: those must not change anything, whatever the row.
TEST_F(Matrix, NoRowChangesAnythingForAnotherSite) {
  Actor& browser = actors[9];
  ASSERT_EQ(browser.credential, Credential::session);
  size_t asked = 0;
  for (const RouteGroup& group : route_groups()) {
    for (const RouteRow& row : group.rows) {
      if (row.method == "GET" || row.method == "HEAD" || row.method == "OPTIONS" || row.access == Access::signed_url) continue;
      for (const char* origin : {"https://evil.test", "null", ""}) {
        Call call{.method = std::string(row.method), .target = target_of(row, "shown"), .body = {}, .token = {}, .headers = {{"Cookie", "lyceum_session=" + browser.secret}}};
        if (*origin != '\0') call.headers.emplace_back("Origin", origin);
        EXPECT_EQ(world.send(call).status, 403) << row.method << " " << row.pattern << " from '" << origin << "'";
        ++asked;
      }
    }
  }
  EXPECT_TRUE(world.hub().sessions().authenticate(browser.secret)) << "not even signed out";
  std::cout << "cross-site requests refused: " << asked << "\n";
}

}  // namespace
}  // namespace lyceum::api
