#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "base/files.h"
#include "base/source_dir.h"
#include "cli/hub_client.h"
#include "cli/settings.h"

namespace lyceum::cli {
namespace {

TEST(RepoName, ReadsTypeAndRevision) {
  const RepoName plain = parse_repo_name("a/b");
  EXPECT_EQ(plain.type + " " + plain.id + " " + plain.revision, "model a/b main");
  const RepoName pinned = parse_repo_name("datasets/a/b@v1");
  EXPECT_EQ(pinned.type + " " + pinned.id + " " + pinned.revision, "dataset a/b v1");
  EXPECT_EQ(parse_repo_name("spaces/b").id, "spaces/b");  // an owner may be called "spaces"
}

TEST(RepoName, RefusesWhatIsNoName) {
  for (const char* text : {"", "a", "a/", "/b", "a/b/c", "a b/c", "a/b@", "a/b?x"}) {
    EXPECT_THROW(parse_repo_name(text), Error) << text;
  }
}

TEST(Settings, FlagBeatsFileBeatsDefault) {
  const TempFolder folder;
  write_file_durable(folder.path() / "lyceum.conf", "port = 1234\nadministrator = \"root\"\n");
  CLI::App app;
  Options options(app);
  Settings settings;
  settings.bind(options);
  const std::string config = (folder.path() / "lyceum.conf").string();
  app.parse("--config " + config + " --administrator someone");
  EXPECT_EQ(settings.number("port"), 1234);
  EXPECT_EQ(settings.text("administrator"), "someone");
  EXPECT_EQ(settings.text("address"), "127.0.0.1");
}

TEST(Settings, NamesTheSettingThatIsWrong) {
  CLI::App app;
  Options options(app);
  Settings settings;
  settings.bind(options);
  app.parse("--port many");
  try {
    settings.number("port");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--port"), std::string::npos);
  }
}

TEST(Settings, DocumentationIsUpToDate) {
  EXPECT_EQ(read_file(std::string(kSourceDir) + "/docs/settings.md"), settings_markdown())
      << "run: lyceum doctor --settings > docs/settings.md";
}

}  // namespace
}  // namespace lyceum::cli
