// lyceum serve: opens the store, wires hub, engines and routes together, and listens until it is told to stop.
#include <signal.h>

#include <iostream>

#include "api/openai/engine_manager.h"
#include "api/route.h"
#include "api/services.h"
#include "api/xet/xet.h"
#include "app/commands.h"
#include "app/starter.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/settings.h"
#include "http/server.h"

namespace lyceum::app {
namespace {

struct Args {
  cli::Settings settings;
  bool print_json = false;
};

// Signals are taken by one waiting thread, so no handler runs at a bad moment. Blocked before any thread starts: all inherit it.
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

void announce(const Args& args, const std::string& url, const std::optional<std::string>& token) {
  if (args.print_json) {
    std::cout << json::serialize(json::object{{"url", url}, {"token", token.value_or("")}}) << std::endl;
    return;
  }
  std::cout << "Lyceum is running: " << url << "\n";
  if (token) std::cout << "Administrator token (shown once, keep it): " << *token << "\n";
  std::cout << std::flush;
}

hub::User administrator(hub::Hub& hub, const cli::Settings& settings) {
  const auto user = hub.find_user(settings.text("administrator"));
  if (!user) {
    throw Error(Code::not_found, "there is no user '" + settings.text("administrator") + "'; --administrator must name the one the first start created");
  }
  return *user;
}

int serve(const Args& args) {
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const cli::Settings& settings = args.settings;
  const SystemClock clock;
  hub::HubOptions hub_options;
  hub_options.data_folder = fs::absolute(settings.text("data"));
  const auto hub = hub::Hub::open(hub_options, clock);
  const auto token = hub->bootstrap_administrator(settings.text("administrator"));
  if (!settings.text("starter").empty()) import_starter(*hub, administrator(*hub, settings), settings.text("starter"));

  api::EngineManagerOptions engine_options;
  engine_options.extra_arguments = {"--threads", std::to_string(settings.number("engine-threads"))};
  engine_options.engines_max = static_cast<unsigned>(settings.number("engines-max"));
  api::EngineManager engines(engine_options);
  api::XetIndexer indexer(*hub);
  api::Services services{*hub,     engines, clock, fs::absolute(settings.text("web")), LYCEUM_VERSION, settings.yes("anonymous-inference"),
                         &indexer};

  http::ServerOptions options;
  options.address = settings.text("address");
  options.port = static_cast<uint16_t>(settings.number("port"));
  options.public_url = settings.text("public-url");
  options.workers = static_cast<unsigned>(settings.number("workers"));
  http::Server server(api::make_router(services), options);
  server.start();
  const std::string host = options.address == "0.0.0.0" ? "127.0.0.1" : options.address;
  announce(args, options.public_url.empty() ? "http://" + host + ":" + std::to_string(server.port()) : options.public_url, token);
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  log::info("stopping");
  server.stop();
  return 0;
}

}  // namespace

void configure_serve(cli::Options& options, const cli::Globals&, cli::Run& run) {
  auto args = std::make_shared<Args>();
  args->settings.bind(options);
  options.add_flag("--print-json", args->print_json, "print one JSON line {url, token} once it is listening");
  options.callback([args, &run] { run = [args] { return serve(*args); }; });
}

}  // namespace lyceum::app
