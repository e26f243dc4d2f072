// Every route, asked by anybody, with any query and any body: JSON, forms, lines, LFS, webhooks, OAuth, tokens, cookies. Whatever comes is
// answered; a failure inside (500, an exception that is no Error) is a fault.
//
// Byte 0: who asks. 1, 2: the row. 3: the names in its path. 4: the kind of body. Then the query up to a line feed, a header line, the body.
#include <cstdlib>

#include "api/test_world.h"

namespace {

using namespace lyceum;
using namespace lyceum::api;

struct Row {
  std::string method, pattern;
};

// Not asked: what stops or copies the whole hub, or starts another program.
bool left_out(const RouteGroup& group, const RouteRow& row) {
  return group.name == "git" || group.error_text != nullptr || row.pattern.find("backup") != std::string_view::npos || row.pattern.find("fsck") != std::string_view::npos;
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> out;
    for (const RouteGroup& group : route_groups()) {
      for (const RouteRow& row : group.rows) {
        if (!left_out(group, row)) out.push_back({std::string(row.method), std::string(row.pattern)});
      }
    }
    return out;
  }();
  return all;
}

std::string fill(std::string pattern, uint8_t choice) {
  static const char* const names[] = {"open", "secret", "own", "none"};
  for (size_t begin = pattern.find('{'); begin != std::string::npos; begin = pattern.find('{')) {
    const size_t end = pattern.find('}', begin);
    const std::string name = pattern.substr(begin + 1, end - begin - 1);
    std::string value = "main";
    if (name == "type" || name == "kind") value = "models";
    if (name == "ns" || name == "organisation") value = "team";
    if (name == "name") value = names[choice % 4];
    if (name == "user") value = "alice";
    if (name == "num" || name == "id") value = std::to_string(choice % 3);
    if (name == "oid" || name == "hash") value = std::string(64, static_cast<char>('a' + choice % 3));
    pattern.replace(begin, end - begin + 1, value);
  }
  return pattern;
}

// A fresh hub now and then, so that what a request leaves behind neither fills the disk nor hides what the next ones do.
World& world() {
  constexpr int kRequestsMax = 3000;
  static std::unique_ptr<World> made;
  static int requests = 0;
  if (!made || ++requests > kRequestsMax) {
    requests = 0;
    made.reset();
    made = std::make_unique<World>();
  }
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ::setenv("TMPDIR", "/dev/shm", 0);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 6) return 0;
  World& hub = world();
  const std::string tokens[] = {hub.admin, hub.owner, hub.reader, hub.stranger, ""};
  const std::string_view text(reinterpret_cast<const char*>(data) + 5, size - 5);
  const size_t query_end = std::min(text.find('\n'), text.size()), header_end = std::min(text.find('\n', std::min(query_end + 1, text.size())), text.size());
  const Row& row = rows()[(data[1] * 256u + data[2]) % rows().size()];
  Call call;
  call.method = row.method;
  call.token = tokens[data[0] % 5];
  call.target = fill(row.pattern, data[3]);
  if (query_end > 0) call.target += "?" + std::string(text.substr(0, query_end));
  call.body = text.substr(std::min(header_end + 1, text.size()));
  static const char* const kinds[] = {"application/json", "application/x-ndjson", "application/x-www-form-urlencoded", "application/vnd.git-lfs+json", "application/octet-stream"};
  call.headers.emplace_back("Content-Type", kinds[data[4] % 5]);
  if (query_end < text.size() && header_end > query_end + 1) {
    const std::string_view line = text.substr(query_end + 1, header_end - query_end - 1);
    if (const size_t colon = line.find(':'); colon != std::string_view::npos && colon > 0) call.headers.emplace_back(line.substr(0, colon), line.substr(colon + 1));
  }
  try {
    const int status = hub.send(call).status;
    LYCEUM_CHECK(status < 500 || status == 501 || status == 503 || status == 507, "no request makes the hub fail");
  } catch (const Error& error) {
    LYCEUM_CHECK(error.code() == Code::invalid_argument, "only a malformed target is refused before its route");
  }
  return 0;
}
