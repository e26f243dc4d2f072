// engine_process.h: one child process of EngineManager, with its socket, lifeline and last words.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <thread>

#include "api/openai/engine_manager.h"
#include "base/files.h"

namespace lyceum::api {

// What several processes and the manager share: one lock for all, held for moments only.
struct EngineLock {
  std::mutex mutex;
  std::condition_variable changed;
};

struct EngineManager::Process {
  enum class Phase { starting, ready, dead };

  // Starts the program. Error(unavailable) if that fails.
  Process(EngineLock& lock, const EngineManagerOptions& options, const EngineRequest& request, uint64_t memory,
          const std::filesystem::path& socket);
  ~Process();  // ends it, by force after a while
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void ask_to_end();                     // lock held
  std::string last_words() const;        // lock held
  std::string address() const { return "unix:" + socket.string(); }

  const std::string key, label;
  const uint64_t memory;
  const std::filesystem::path socket;
  // Guarded by the lock:
  Phase phase = Phase::starting;
  std::string end;                       // how it ended: "exit status 1"
  int pid = -1;
  unsigned leases = 0;
  bool pinned = false;
  bool stop_when_free = false;
  double last_used = 0, died_at = 0;
  bool was_ready = false;

  struct LoadedAdapter {
    unsigned users = 0;
    double last_used = 0;
  };
  std::map<std::string, LoadedAdapter> adapters;

  std::mutex loading_mutex;              // held while an adapter is being loaded or dropped; taken before the lock

 private:
  void listen();                         // passes on its standard error until it ends, then reaps it

  EngineLock& lock_;
  UniqueFd lifeline_, output_;
  std::deque<std::string> lines_;
  std::thread listener_;
};

}  // namespace lyceum::api
