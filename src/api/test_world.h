// test_world.h: a hub in a temporary folder with people and repositories, and requests against its router without a socket.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/openai/engine_manager.h"
#include "api/route.h"
#include "api/services.h"
#include "base/files.h"
#include "http/server.h"
#include "hub/hub.h"
#include "hub/test_options.h"

namespace lyceum::api {

class MemoryBody final : public http::BodyStream {
 public:
  explicit MemoryBody(std::string bytes) : bytes_(std::move(bytes)) {}
  size_t read(std::span<std::byte> into) override {
    const size_t count = std::min(into.size(), bytes_.size() - at_);
    std::memcpy(into.data(), bytes_.data() + at_, count);
    at_ += count;
    return count;
  }
  std::optional<uint64_t> length() const override { return bytes_.size(); }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

struct Call {
  std::string method = "GET", target = "/", body;
  std::string token;                                            // sent as Bearer unless empty
  std::vector<std::pair<std::string, std::string>> headers;
};

// team/secret is a private model, dataset and Space; team/open a public model. alice administers the team, rita may read, bob is
// a stranger with a repository of his own.
class World {
 public:
  World() : hub_(hub::Hub::open(hub::test_options(folder_.path() / "data"), clock_)), engines_(EngineManagerOptions{}), services_{*hub_, engines_, clock_, {}, "test"}, router_(make_router(services_)) {
    admin = *hub_->bootstrap_administrator("admin");
    const hub::User alice = hub_->create_user("alice", "", "alice@example.org", "alice's password", false);
    const hub::User rita = hub_->create_user("rita", "", "rita@example.org", "rita's password", false);
    const hub::User bob = hub_->create_user("bob", "", "bob@example.org", "bob's password", false);
    owner = hub_->create_token(alice, "w", hub::Scope::write);
    owner_read_only = hub_->create_token(alice, "r", hub::Scope::read);
    reader = hub_->create_token(rita, "w", hub::Scope::write);
    stranger = hub_->create_token(bob, "w", hub::Scope::write);
    const hub::Caller caller = *hub_->authenticate(owner);
    hub_->create_organisation(caller, "team", "The Team");
    hub_->set_member(caller, "team", "rita", "read");
    for (const auto type : {hub::RepoType::model, hub::RepoType::dataset, hub::RepoType::space})
      hub_->create_repo(caller, {type, "team", "secret"}, true, type == hub::RepoType::space ? "static" : "");
    hub_->create_repo(caller, {hub::RepoType::model, "team", "open"}, false, "");
    hub_->create_repo(*hub_->authenticate(stranger), {hub::RepoType::model, "bob", "own"}, false, "");
  }

  http::Response send(const Call& call) {
    http::Request request;
    request.method = call.method;
    request.target = call.target;
    request.path = call.target.substr(0, call.target.find('?'));
    if (const size_t mark = call.target.find('?'); mark != std::string::npos) request.query = http::parse_query(call.target.substr(mark + 1));
    if (!call.token.empty()) request.headers.set("Authorization", "Bearer " + call.token);
    for (const auto& [name, value] : call.headers) request.headers.set(name, value);
    request.base_url = "http://hub.test";
    request.remote = "127.0.0.1";
    MemoryBody body(call.body);
    request.body = &body;
    if (services_.answers != nullptr)
      if (auto kept = find_kept_answer(request, services_)) return std::move(*kept);
    return router_.dispatch(request);
  }

  hub::Hub& hub() { return *hub_; }
  Services& services() { return services_; }
  FakeClock& clock() { return clock_; }

  std::string admin, owner, owner_read_only, reader, stranger;

 private:
  TempFolder folder_;
  FakeClock clock_;
  std::unique_ptr<hub::Hub> hub_;
  EngineManager engines_;
  Services services_;
  http::Router router_;
};

}  // namespace lyceum::api
