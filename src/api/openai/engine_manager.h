// engine_manager.h: the engine processes of this hub: starts one for a model when it is first asked for, keeps it, starts it again
// after a crash, and stops the least recently used one when a place or its memory is needed, and any that nobody has used for a while. A model that
// cannot be loaded, or an engine that is killed for memory, is an Error for those who asked; the hub goes on.
//
// When everything is in use, requests for other models wait in the order they came. After a while the first of them gets its turn even if the
// others' requests never pause: an engine that is not deployed takes no new ones, and leaves with the last that it has.
//
// An engine is `<program> engine --socket <path> --model <folder> --name <label> --lifeline [--draft <folder>] <extra arguments>`. Its standard input is a
// pipe that only we hold: when we die, however that happens, it reads the end and leaves (PR_SET_PDEATHSIG would follow the thread that
// forked, not the process). Its standard error is passed on to ours, and its last lines explain a failure.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lyceum::api {

struct EngineManagerOptions {
  std::string program = "/proc/self/exe";
  std::vector<std::string> extra_arguments;  // "--threads", "2"
  unsigned engines_max = 4;
  uint64_t memory_max = 0;                   // of all engines together, by expected_memory(); 0: no limit
  uint64_t kv_bytes = 1ULL << 30;            // of one engine at most, as extra_arguments tell it
  double place_wait_s = 60;                  // how long a request may wait for a place
  double turn_after_s = 10;                  // how long the first in line waits before a busy engine is told to leave
  double idle_seconds_max = 0;               // an engine unused for so long ends, unless it is pinned; 0: never
  size_t adapters_max = 64;                  // in one engine; the least recently used ones that no request uses leave first
  unsigned start_timeout_s = 600;
};

struct EngineRequest {
  std::string key;                 // one engine for each: the model at a commit
  std::filesystem::path model;     // folder or file
  std::string label;               // for people: "owner/name@revision"
  bool pinned = false;             // deployed: goes last when room is needed, and never for being idle
  std::filesystem::path draft = {};   // a model that guesses its tokens; empty: none
};

// What an engine of this model (folder or file) will take: its weights, and a key-value cache as large as they are, but at most kv_bytes. 0 if
// there are no weights.
uint64_t expected_memory(const std::filesystem::path& model, uint64_t kv_bytes);

class EngineManager {
 public:
  explicit EngineManager(EngineManagerOptions options);
  ~EngineManager();                // ends every engine

  struct Process;
  // Holds an engine in memory. Movable; any thread.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) noexcept = default;
    std::string address() const;   // for http::Client

   private:
    friend class EngineManager;
    std::shared_ptr<void> release_;
    std::shared_ptr<Process> process_;
  };

  // Waits for a place, then until the engine answers. Error(unavailable) with its last lines if it does not come up, or if every place stays
  // busy; Error(unprocessable) for a model that the memory of all engines together could not hold.
  Lease ensure(const EngineRequest& request);
  // Loads a PEFT adapter into a running engine, if it is not there, and holds it there. name is "repository@commit": another commit of
  // the same repository is dropped, unless somebody holds it. Passes on the engine's own Error (unprocessable: matches no layer …).
  std::shared_ptr<void> load_adapter(const Lease& lease, const std::string& name, const std::filesystem::path& folder);
  // What to tell a client whose engine broke off: the last lines if it has died.
  std::string why_it_failed(const Lease& lease) const;
  void stop(const std::string& key);   // when its last lease ends; no engine of that key: nothing

  struct Status {
    std::string key, label, state;     // "starting", "ready"
    int pid = 0;
    unsigned leases = 0;
    bool pinned = false;
    std::vector<std::string> adapters;
  };
  std::vector<Status> list() const;
  size_t waiting() const;              // requests that have no place yet

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::thread keeper_;             // ends engines that nobody uses
};

}  // namespace lyceum::api
