#include "api/openai/engine_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/openai/engine_process.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "http/client.h"

namespace lyceum::api {
namespace {

constexpr double kRetryAfterFailure = 3;  // seconds for which a failed load is answered from memory
constexpr auto kHealthPause = std::chrono::milliseconds(30);
constexpr double kKeeperPauseSeconds = 10;

bool answers(const EngineManager::Process& process) {
  try {
    return http::Client(process.address(), 10).send({.target = "/health"}).status == 200;
  } catch (const Error&) {
    return false;
  }
}

// {"error": {"message"}} of an engine, as the Error it was there.
[[noreturn]] void rethrow_engine_error(const http::ClientResponse& response) {
  std::string message = response.body;
  try {
    message = get_string(get_object(parse_json(response.body, "the engine's answer").at("error"), "error"), "message");
  } catch (const std::exception&) {
    log::warn("an engine answered {} without saying why", response.status);
  }
  for (const Code code : {Code::invalid_argument, Code::not_found, Code::unprocessable, Code::unsupported}) {
    if (http_status(code) == response.status) throw Error(code, message);
  }
  throw Error(Code::unavailable, message);
}

}  // namespace

uint64_t expected_memory(const std::filesystem::path& model, uint64_t kv_bytes) {
  namespace fs = std::filesystem;
  std::error_code gone;
  uint64_t weights = 0;
  if (fs::is_directory(model, gone)) {
    for (const auto& entry : fs::directory_iterator(model, gone)) {
      if (entry.path().extension() == ".safetensors" || entry.path().extension() == ".gguf") weights += fs::file_size(entry.path(), gone);
    }
  } else if (fs::exists(model, gone)) {
    weights = fs::file_size(model, gone);
  }
  return weights + std::min(weights, kv_bytes);
}

struct EngineManager::State : EngineLock {
  using Phase = Process::Phase;

  explicit State(EngineManagerOptions given) : options(std::move(given)) {}

  std::shared_ptr<Process> find_usable(const EngineRequest& request);
  std::shared_ptr<Process> start_in_turn(const EngineRequest& request, std::unique_lock<std::mutex>& held, bool& started);
  bool has_room(uint64_t memory);
  bool make_room(uint64_t memory, std::unique_lock<std::mutex>& held);
  bool send_a_busy_one_away();
  [[noreturn]] void throw_no_room(uint64_t memory);
  void retire(const std::string& key);
  void end_idle_engines();
  // Holds an adapter that is loaded; null if it is not.
  std::shared_ptr<void> find_adapter(const std::shared_ptr<Process>& process, const std::string& name);
  // Names of adapters to drop now that `loaded` has come: they are no longer in the table.
  std::vector<std::string> take_unused_adapters(Process& process, const std::string& loaded);
  // Destroying a process waits for it to end: done without the lock.
  void bury(std::unique_lock<std::mutex>& held) {
    std::vector<std::shared_ptr<Process>> ending;
    ending.swap(retired);
    held.unlock();
    ending.clear();
    held.lock();
  }

  EngineManagerOptions options;
  TempFolder sockets;  // short paths: a Unix socket's name has room for 107 characters
  uint64_t counter = 0;
  std::map<std::string, std::shared_ptr<Process>> processes;
  std::vector<std::shared_ptr<Process>> retired;
  std::vector<std::weak_ptr<Process>> leaving;   // what was retired, until it has ended: it still takes its place
  std::deque<uint64_t> queue;                    // requests that wait for a place, by number
  uint64_t arrivals = 0;
  bool closing = false;
  std::condition_variable closed;
};

// Lock held. The process leaves the table; it ends when its last lease does.
void EngineManager::State::retire(const std::string& key) {
  const auto found = processes.find(key);
  if (found == processes.end()) return;
  Process& process = *found->second;
  process.stop_when_free = true;
  if (process.leases == 0) process.ask_to_end();
  leaving.push_back(found->second);
  retired.push_back(std::move(found->second));
  processes.erase(found);
}

// Lock held, as in all of these.
bool EngineManager::State::has_room(uint64_t memory) {
  std::erase_if(leaving, [](const auto& one) {
    const auto process = one.lock();
    return process == nullptr || process->phase == Phase::dead;
  });
  size_t places = 0;
  uint64_t used = 0;
  const auto count = [&](const Process& process) {
    ++places;
    if (process.phase != Phase::dead) used += process.memory;
  };
  for (const auto& [key, process] : processes) count(*process);
  for (const auto& one : leaving) {
    if (const auto process = one.lock()) count(*process);
  }
  return places < options.engines_max && (options.memory_max == 0 || used + memory <= options.memory_max);
}

// Ends engines that nobody uses, the least recently used first, until there is room; false: all that are left are in use.
bool EngineManager::State::make_room(uint64_t memory, std::unique_lock<std::mutex>& held) {
  while (!has_room(memory)) {
    const Process* victim = nullptr;
    for (const auto& [key, process] : processes) {
      if (process->leases > 0 || process->phase == Phase::starting) continue;
      const auto rank = [](const Process& one) { return std::pair(one.phase != Phase::dead && one.pinned, one.last_used); };
      if (victim == nullptr || rank(*process) < rank(*victim)) victim = process.get();
    }
    if (victim == nullptr) return false;
    log::info("engine {} makes room", victim->label);
    retire(std::string(victim->key));
    bury(held);
  }
  return true;
}

// It takes no new requests and ends with the last it has. False: there is none that may be sent away.
bool EngineManager::State::send_a_busy_one_away() {
  const Process* victim = nullptr;
  for (const auto& [key, process] : processes) {
    if (process->pinned || process->phase != Phase::ready) continue;
    if (victim == nullptr || process->last_used < victim->last_used) victim = process.get();
  }
  if (victim == nullptr) return false;
  log::info("engine {} takes no new requests: others have waited for {} s", victim->label, options.turn_after_s);
  retire(std::string(victim->key));
  return true;
}

void EngineManager::State::throw_no_room(uint64_t memory) {
  if (options.memory_max != 0 && memory > options.memory_max) {
    throw Error(Code::unprocessable, fmt::format("This model needs about {} and all engines together may have {}: use a smaller file of it (Q4_K_M, say), or start the hub with a "
                                                 "larger --engines-memory-mib", human_bytes(memory), human_bytes(options.memory_max)), "model_too_large");
  }
  throw Error(Code::unavailable, fmt::format("All engine places ({}, {} together) stayed in use for {} s; try again later, or start the hub with a larger --engines-max or "
                                             "--engines-memory-mib", options.engines_max, options.memory_max == 0 ? "any memory" : human_bytes(options.memory_max), options.place_wait_s));
}

// The engine of this key, unless there is none or it died some time ago.
std::shared_ptr<EngineManager::Process> EngineManager::State::find_usable(const EngineRequest& request) {
  const auto found = processes.find(request.key);
  if (found == processes.end()) return nullptr;
  const auto process = found->second;
  process->pinned = process->pinned || request.pinned;
  if (process->phase != Phase::dead) return process;
  if (!process->was_ready && monotonic_seconds() - process->died_at < kRetryAfterFailure) return process;
  if (process->was_ready) log::warn("engine {} died ({}); starting it again", process->label, process->end);
  retire(request.key);
  return nullptr;
}

std::shared_ptr<EngineManager::Process> EngineManager::State::start_in_turn(const EngineRequest& request, std::unique_lock<std::mutex>& held, bool& started) {
  const uint64_t memory = expected_memory(request.model, options.kv_bytes) + (request.draft.empty() ? 0 : expected_memory(request.draft, options.kv_bytes));
  if (options.memory_max != 0 && memory > options.memory_max) throw_no_room(memory);
  const uint64_t number = ++arrivals;
  queue.push_back(number);
  const std::shared_ptr<void> place_in_line(nullptr, [&](void*) {
    std::erase(queue, number);
    changed.notify_all();
  });
  const double begin = monotonic_seconds();
  bool asked = false;
  while (true) {
    if (auto process = find_usable(request)) return process;   // another request has started it meanwhile
    const bool first = queue.front() == number;
    if (first && make_room(memory, held)) {
      if (auto process = find_usable(request)) return process;   // making room waits without the lock
      const auto process = std::make_shared<Process>(*this, options, request, memory, sockets.path() / fmt::format("{}.sock", ++counter));
      processes[request.key] = process;
      started = true;
      return process;
    }
    const double waited = monotonic_seconds() - begin;
    if (waited >= options.place_wait_s) throw_no_room(memory);
    if (first && !asked && waited >= options.turn_after_s) asked = send_a_busy_one_away();
    const double until = first && !asked && waited < options.turn_after_s ? std::min(options.turn_after_s, options.place_wait_s) : options.place_wait_s;
    changed.wait_for(held, std::chrono::duration<double>(until - waited));
  }
}

// A thread's work until the manager closes. It also reaps engines that left the table while requests used them.
void EngineManager::State::end_idle_engines() {
  const double idle_s = options.idle_seconds_max;
  const auto pause = std::chrono::duration<double>(idle_s > 0 ? std::clamp(idle_s / 4, 0.05, kKeeperPauseSeconds) : kKeeperPauseSeconds);
  std::unique_lock held(mutex);
  while (!closing) {
    std::vector<std::string> idle;
    for (const auto& [key, process] : processes) {
      const bool unused = process->leases == 0 && !process->pinned && process->phase == Phase::ready;
      if (idle_s > 0 && unused && monotonic_seconds() - process->last_used >= idle_s) idle.push_back(key);
    }
    for (const std::string& key : idle) {
      log::info("engine {} ends: nobody used it for {} s", processes.at(key)->label, idle_s);
      retire(key);
    }
    if (!retired.empty()) bury(held);
    if (!closing) closed.wait_for(held, pause);
  }
}

std::shared_ptr<void> EngineManager::State::find_adapter(const std::shared_ptr<Process>& process, const std::string& name) {
  const std::lock_guard lock(mutex);
  const auto found = process->adapters.find(name);
  if (found == process->adapters.end()) return nullptr;
  ++found->second.users;
  return {process.get(), [this, process, name](void*) {
            const std::lock_guard releasing(mutex);
            Process::LoadedAdapter& adapter = process->adapters.at(name);
            --adapter.users;
            adapter.last_used = monotonic_seconds();
          }};
}

std::vector<std::string> EngineManager::State::take_unused_adapters(Process& process, const std::string& loaded) {
  const std::string repository = loaded.substr(0, loaded.find('@') + 1);
  std::vector<std::string> out;
  const std::lock_guard lock(mutex);
  const auto take = [&](auto position) {
    out.push_back(position->first);
    return process.adapters.erase(position);
  };
  for (auto one = process.adapters.begin(); one != process.adapters.end();) {
    const bool stale = one->first != loaded && one->first.starts_with(repository) && one->second.users == 0;
    one = stale ? take(one) : std::next(one);
  }
  while (process.adapters.size() > options.adapters_max) {
    auto oldest = process.adapters.end();
    for (auto one = process.adapters.begin(); one != process.adapters.end(); ++one) {
      if (one->second.users == 0 && (oldest == process.adapters.end() || one->second.last_used < oldest->second.last_used)) oldest = one;
    }
    if (oldest == process.adapters.end()) break;
    take(oldest);
  }
  return out;
}

EngineManager::EngineManager(EngineManagerOptions options)
    : state_(std::make_shared<State>(std::move(options))), keeper_([state = state_] { state->end_idle_engines(); }) {}

EngineManager::~EngineManager() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
  }
  state_->closed.notify_all();
  keeper_.join();
  std::unique_lock held(state_->mutex);
  while (!state_->processes.empty()) state_->retire(std::string(state_->processes.begin()->first));
  for (const auto& process : state_->retired) process->ask_to_end();
  state_->bury(held);
}

EngineManager::Lease EngineManager::ensure(const EngineRequest& request) {
  State& state = *state_;
  std::unique_lock held(state.mutex);
  bool started = false;
  auto process = state.find_usable(request);
  if (process == nullptr) process = state.start_in_turn(request, held, started);
  ++process->leases;
  Lease lease;
  lease.process_ = process;
  lease.release_ = std::shared_ptr<void>(nullptr, [state = state_, process](void*) {
    const std::lock_guard lock(state->mutex);
    process->last_used = monotonic_seconds();
    if (--process->leases > 0) return;
    if (process->stop_when_free) process->ask_to_end();
    state->changed.notify_all();   // who waits for a place may have it
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(state.options.start_timeout_s);
  while (process->phase == Process::Phase::starting && std::chrono::steady_clock::now() < deadline) {
    if (!started) {
      state.changed.wait_until(held, deadline);
      continue;
    }
    held.unlock();
    const bool ready = answers(*process);
    held.lock();
    if (ready && process->phase == Process::Phase::starting) {
      process->phase = Process::Phase::ready;
      process->was_ready = true;
      state.changed.notify_all();
    } else {
      state.changed.wait_for(held, kHealthPause, [&] { return process->phase != Process::Phase::starting; });
    }
  }
  if (process->phase == Process::Phase::ready) return lease;
  const bool slow = process->phase == Process::Phase::starting;
  const std::string why = slow ? fmt::format("it did not answer within {} s", state.options.start_timeout_s) : process->last_words();
  if (slow) state.retire(request.key);
  held.unlock();
  throw Error(Code::unavailable, fmt::format("The model {} cannot be loaded: {}", request.label, why), "model_not_loaded");
}

std::shared_ptr<void> EngineManager::load_adapter(const Lease& lease, const std::string& name, const std::filesystem::path& folder) {
  const std::shared_ptr<Process> process = lease.process_;
  if (auto held = state_->find_adapter(process, name)) return held;
  const std::lock_guard loading(process->loading_mutex);
  if (auto held = state_->find_adapter(process, name)) return held;
  http::Client client(process->address(), 600);
  const auto response = client.send({.method = "POST", .target = "/internal/adapters", .body = json::serialize(json::object{{"name", name}, {"path", folder.string()}})});
  if (response.status != 200) rethrow_engine_error(response);
  {
    const std::lock_guard lock(state_->mutex);
    process->adapters[name] = {};
  }
  auto held = state_->find_adapter(process, name);
  for (const std::string& other : state_->take_unused_adapters(*process, name)) {
    client.send({.method = "DELETE", .target = "/internal/adapters/" + http::percent_encode(other)});
  }
  return held;
}

std::string EngineManager::Lease::address() const { return process_->address(); }

std::string EngineManager::why_it_failed(const Lease& lease) const {
  std::unique_lock held(state_->mutex);
  // The broken connection is seen before the end of the process is.
  state_->changed.wait_for(held, std::chrono::milliseconds(500), [&] { return lease.process_->phase == Process::Phase::dead; });
  if (lease.process_->phase != Process::Phase::dead) return {};
  return fmt::format("The engine of {} ended: {}", lease.process_->label, lease.process_->last_words());
}

void EngineManager::stop(const std::string& key) {
  std::unique_lock held(state_->mutex);
  state_->retire(key);
}

size_t EngineManager::waiting() const {
  const std::lock_guard lock(state_->mutex);
  return state_->queue.size();
}

std::vector<EngineManager::Status> EngineManager::list() const {
  std::vector<Status> out;
  const std::lock_guard lock(state_->mutex);
  for (const auto& [key, process] : state_->processes) {
    if (process->phase == Process::Phase::dead) continue;
    Status status{key, process->label, process->phase == Process::Phase::ready ? "ready" : "starting", process->pid, process->leases, process->pinned, {}};
    for (const auto& [name, adapter] : process->adapters) status.adapters.push_back(name);
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace lyceum::api
