// lyceum serve: opens the store, wires hub, engines and routes together, and listens until it is told to stop.
#include <malloc.h>

#include <signal.h>
#include <sys/resource.h>

#include <iostream>

#include "api/community/delivery.h"
#include "api/answer_cache.h"
#include "api/jobs/job_runner.h"
#include "api/openai/engine_manager.h"
#include "api/rate_limits.h"
#include "api/operations.h"
#include "api/route.h"
#include "api/services.h"
#include "api/xet/xet.h"
#include "app/commands.h"
#include "app/starter.h"
#include "base/event_log.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/sd_notify.h"
#include "cli/settings.h"
#include "cli/store_settings.h"
#include "http/server.h"

namespace lyceum::app {
namespace {

struct Args {
  cli::Settings settings;
  bool print_json = false;
};

// Signals are taken by one waiting thread, so no handler runs at a bad moment. Blocked before any thread starts: all inherit it.
sigset_t taken_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

// Every connection needs a descriptor; the soft limit is often 1024.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void announce(const Args& args, const std::string& url, const std::string& tls_url, const std::optional<std::string>& token) {
  if (args.print_json) {
    json::object out{{"url", url}, {"token", token.value_or("")}};
    if (!tls_url.empty()) out["tls_url"] = tls_url;
    std::cout << json::serialize(out) << std::endl;
    return;
  }
  std::cout << "Lyceum is running: " << url << (tls_url.empty() || tls_url == url ? "" : " and " + tls_url) << "\n";
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

void choose_log_format(const std::string& format) {
  if (format == "json") return use_json_log();
  if (format != "text") throw Error(Code::invalid_argument, "setting --log-format is text or json, not '" + format + "'");
}

api::EngineManagerOptions engine_options(const cli::Settings& settings) {
  api::EngineManagerOptions out;
  out.extra_arguments = {"--threads", std::to_string(settings.number("engine-threads")), "--kv-mib", std::to_string(settings.number("engine-kv-mib"))};
  if (!settings.yes("engine-prompt-lookup")) out.extra_arguments.push_back("--no-prompt-lookup");
  if (!settings.yes("engine-integer")) out.extra_arguments.push_back("--exact");
  out.engines_max = static_cast<unsigned>(settings.number("engines-max"));
  out.kv_bytes = static_cast<uint64_t>(settings.number("engine-kv-mib")) << 20;
  const auto memory_mib = static_cast<uint64_t>(settings.number("engines-memory-mib"));
  out.memory_max = memory_mib != 0 ? memory_mib << 20 : read_memory_state().total / 10 * 9;
  out.place_wait_s = static_cast<double>(settings.number("engines-wait-seconds"));
  out.idle_seconds_max = static_cast<double>(settings.number("engine-idle-seconds"));
  return out;
}

http::ServerOptions server_options(const cli::Settings& settings) {
  http::ServerOptions options;
  options.address = settings.text("address");
  options.port = static_cast<uint16_t>(settings.number("port"));
  options.public_url = settings.text("public-url");
  options.workers = static_cast<unsigned>(settings.number("workers"));
  options.connections_max = static_cast<unsigned>(settings.number("connections-max"));
  options.connections_per_address_max = static_cast<unsigned>(settings.number("connections-per-address"));
  options.drain_timeout_s = static_cast<unsigned>(settings.number("drain-seconds"));
  options.plain_http = settings.yes("plain-http");
  const std::string &certificate = settings.text("tls-cert"), &key = settings.text("tls-key");
  if (certificate.empty() != key.empty()) throw Error(Code::invalid_argument, "--tls-cert and --tls-key belong together; one is missing");
  if (!certificate.empty()) options.tls = http::TlsOptions{certificate, key, static_cast<uint16_t>(settings.number("tls-port"))};
  if (!options.plain_http && !options.tls) throw Error(Code::invalid_argument, "--plain-http false needs --tls-cert and --tls-key");
  return options;
}

// The path without its query: queries carry signatures.
void log_request(const http::RequestRecord& record) {
  log_event(log::level::info, "request",
            {{"method", record.method}, {"path", record.path}, {"status", int64_t{record.status}}, {"ms", record.seconds * 1e3},
             {"bytes_in", static_cast<int64_t>(record.bytes_in)}, {"bytes_out", static_cast<int64_t>(record.bytes_out)}, {"remote", record.remote}, {"id", record.request_id}});
}

// SIGHUP reads the TLS certificate again; SIGINT and SIGTERM end the wait.
void wait_for_stop(const sigset_t& signals, http::Server& server) {
  int signal_number = 0;
  while (sigwait(&signals, &signal_number) != 0 || signal_number == SIGHUP) {
    if (signal_number != SIGHUP) continue;
    try {
      server.reload_tls();
      log::info("SIGHUP: TLS certificate read again");
    } catch (const Error& error) {
      log::error("SIGHUP: the TLS certificate cannot be used, the old one stays in use: {}", error.what());
    }
  }
}

// Under a lock, because several servers may start on one new store together. Returns the administrator's token, once.
std::optional<std::string> fill_new_hub(hub::Hub& hub, const cli::Settings& settings) {
  const auto held = hub.take_lock("fill");
  auto token = hub.bootstrap_administrator(settings.text("administrator"));
  if (!settings.text("starter").empty()) import_starter(hub, administrator(hub, settings), settings.text("starter"));
  return token;
}

// Searches and uploads take and give back megabytes on every thread. By itself, glibc raises these bounds to 64 MB for each of its arenas.
void bound_kept_memory() {
  constexpr int kKeptBytes = 4 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

std::unique_ptr<api::JobRunner> start_jobs(hub::Hub& hub, const Clock& clock, const cli::Settings& settings) {
  api::JobRunnerOptions options;
  options.version = LYCEUM_VERSION;
  options.jobs_max = static_cast<unsigned>(settings.number("jobs-max"));
  options.queue_max = static_cast<size_t>(settings.number("jobs-queue-max"));
  options.memory_bytes = static_cast<uint64_t>(settings.number("jobs-memory-mib")) << 20;
  options.threads = static_cast<unsigned>(settings.number("jobs-threads"));
  options.niceness = static_cast<int>(settings.number("jobs-nice"));
  options.checkpoint_seconds = static_cast<uint64_t>(settings.number("jobs-checkpoint-seconds"));
  if (options.jobs_max == 0) return nullptr;
  return std::make_unique<api::JobRunner>(hub, clock, options);
}

int serve(const Args& args) {
  bound_kept_memory();
  const sigset_t signals = taken_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const cli::Settings& settings = args.settings;
  choose_log_format(settings.text("log-format"));
  raise_file_limit();
  const SystemClock clock;
  hub::HubOptions hub_options = cli::hub_options(settings, settings.text("data"));
  hub_options.repo_quota_bytes = static_cast<uint64_t>(settings.number("quota-repository-gib")) << 30;
  hub_options.namespace_quota_bytes = static_cast<uint64_t>(settings.number("quota-namespace-gib")) << 30;
  const auto hub = hub::Hub::open(hub_options, clock);
  const auto token = fill_new_hub(*hub, settings);

  api::EngineManager engines(engine_options(settings));
  api::XetIndexer indexer(*hub);
  api::Operations operations;
  api::RateLimits limits(clock, {settings.number("rate-limit-api"), settings.number("rate-limit-files"), settings.number("sign-in-failures")});
  api::WebhookSender webhook_sender(*hub, clock, {.public_url = settings.text("public-url"), .outgoing_allow = settings.text("outgoing-allow")});
  api::Services services{.hub = *hub, .engines = engines, .clock = clock, .web_folder = fs::absolute(settings.text("web")), .version = LYCEUM_VERSION,
                         .anonymous_inference = settings.yes("anonymous-inference")};
  services.limits = &limits;
  services.lfs_part_bytes = static_cast<uint64_t>(settings.number("lfs-part-mib")) << 20;
  services.webhook_sender = &webhook_sender;
  services.xet_indexer = &indexer;
  services.operations = &operations;
  const auto jobs = start_jobs(*hub, clock, settings);
  api::AnswerCache answers;
  services.answers = &answers;

  const bool access_log = settings.yes("access-log");
  http::ServerOptions options = server_options(settings);
  options.observe = [&operations, access_log](const http::RequestRecord& record) {
    operations.metrics.observe(record);
    if (access_log) log_request(record);
  };
  options.quick = [&services](http::Request& request) { return api::find_kept_answer(request, services); };
  http::Server server(api::make_router(services), options);
  server.start();
  operations.server = &server;
  const std::string host = options.address == "0.0.0.0" ? "127.0.0.1" : options.address;
  const std::string tls_url = server.tls_port() == 0 ? "" : "https://" + host + ":" + std::to_string(server.tls_port());
  const std::string plain_url = server.port() == 0 ? tls_url : "http://" + host + ":" + std::to_string(server.port());
  announce(args, options.public_url.empty() ? plain_url : options.public_url, tls_url, token);
  sd_notify("READY=1");
  wait_for_stop(signals, server);
  sd_notify("STOPPING=1");
  log::info("stopping: requests under way may finish");
  operations.draining = true;
  server.stop();
  log::info("stopped");
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
