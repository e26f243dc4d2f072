// Health, figures and care of the store, for the people and programs that run a hub.
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/openai/engine_manager.h"
#include "api/operations.h"
#include "api/services.h"
#include "api/xet/xet.h"

namespace lyceum::api {
namespace {

constexpr uint64_t kDiskReserveBytes = 256ull << 20;  // below this, uploads are refused

uint64_t disk_free(const Services& services) {
  std::error_code error;
  const auto space = std::filesystem::space(services.hub.data_folder(), error);
  return error ? 0 : space.available;
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGE_SIZE));
}

double open_files() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end; it.increment(error)) ++count;
  return count;
}

void add_server_gauges(const http::Server& server, std::vector<Metrics::Gauge>& gauges) {
  const http::Server::Figures figures = server.figures();
  const auto number = [](auto value) { return static_cast<double>(value); };
  gauges.push_back({"lyceum_connections", "Open connections", number(figures.connections)});
  gauges.push_back({"lyceum_requests_under_way", "Requests being handled or answered", number(figures.requests)});
  gauges.push_back({"lyceum_answers_waiting", "Answers whose client takes them slowly", number(figures.answers_waiting)});
  gauges.push_back({"lyceum_handler_threads", "Handler threads", number(figures.threads)});
  gauges.push_back({"lyceum_requests_queued", "Requests that wait for a handler thread", number(figures.queued)});
  gauges.push_back({"lyceum_connections_accepted_total", "Connections accepted", number(figures.accepted), true});
  gauges.push_back({"lyceum_connections_refused_total", "Connections refused for being too many", number(figures.refused), true});
  gauges.push_back({"lyceum_connections_cut_total", "Connections ended for being too slow or idle", number(figures.cut), true});
  if (const int64_t expiry = server.tls_expiry_ms()) gauges.push_back({"lyceum_tls_expiry_seconds", "When the TLS certificate ends, since 1970", number(expiry) / 1000});
}

void add_hub_gauges(Context& context, std::vector<Metrics::Gauge>& gauges) {
  const hub::Hub::StockCounts stock = context.services.hub.count_stock();
  gauges.push_back({"lyceum_repositories", "Repositories", static_cast<double>(stock.repos)});
  gauges.push_back({"lyceum_blobs", "Large files known", static_cast<double>(stock.blobs)});
  gauges.push_back({"lyceum_users", "Accounts, organisations included", static_cast<double>(stock.accounts)});
  gauges.push_back({"lyceum_disk_free_bytes", "Free space for the data folder", static_cast<double>(disk_free(context.services))});
  gauges.push_back({"lyceum_engine_processes", "Models in memory", static_cast<double>(context.services.engines.list().size())});
  if (context.services.xet_indexer) gauges.push_back({"lyceum_xet_index_queued", "Large files that wait for their Xet index", static_cast<double>(context.services.xet_indexer->queued())});
}

}  // namespace

http::Response show_metrics(Context& context) {
  const Operations* operations = context.services.operations;
  if (operations == nullptr) throw Error(Code::unavailable, "This server keeps no metrics.");
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::vector<Metrics::Gauge> gauges{{"process_cpu_seconds_total", "CPU time of the server process", process_cpu_seconds(), true},
                                     {"process_resident_memory_bytes", "Memory of the server process", resident_bytes()},
                                     {"process_open_fds", "Open file descriptors", open_files()}};
  if (const http::Server* server = operations->server) add_server_gauges(*server, gauges);
  add_hub_gauges(context, gauges);
  return http::Response::text(operations->metrics.render(gauges), 200, "text/plain; version=0.0.4; charset=utf-8");
}

http::Response show_health(Context&) { return http::Response::text("ok\n"); }

http::Response show_readiness(Context& context) {
  const Operations* operations = context.services.operations;
  if (operations != nullptr && operations->draining) throw Error(Code::unavailable, "The server is stopping.");
  if (disk_free(context.services) < kDiskReserveBytes) throw Error(Code::unavailable, "The disk is full.");
  context.services.hub.setting("readiness");  // the database answers
  return http::Response::text("ready\n");
}

http::Response collect_garbage(Context& context) {
  const json::object body = read_json_body(context);
  hub::GarbageOptions options;
  options.dry_run = find_bool(body, "dry_run").value_or(true);
  if (const auto days = find_int(body, "grace_days")) {
    if (*days < 1 || *days > 36500) throw Error(Code::invalid_argument, "grace_days is a number from 1 on: an upload needs time until its commit comes.");
    options.grace_ms = *days * 24 * 3600 * 1000;
  }
  const hub::GarbageReport report = context.services.hub.collect_garbage(options);
  return json_answer(json::object{{"dry_run", options.dry_run}, {"blobs", report.blobs}, {"blob_bytes", report.blob_bytes}, {"repository_folders", report.repository_folders},
                                  {"staging_files", report.staging_files}, {"live_blobs", report.live_blobs}, {"young_blobs", report.young_blobs},
                                  {"notes", json::value_from(report.notes)}});
}

}  // namespace lyceum::api
