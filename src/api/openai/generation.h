// generation.h: several engine requests at once (n choices, several prompts), their tokens in one queue. The engine's thread only ever
// puts tokens into the queue; a slow client makes the handler wait, never the engine.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"

namespace lyceum::api {

class Generation {
 public:
  struct Event {
    size_t choice = 0;
    engine::GeneratedToken token;                    // if `result` is empty
    std::optional<engine::GenerateResult> result;    // this choice has ended
  };

  Generation(engine::Engine& engine, std::vector<engine::GenerateRequest> requests);  // starts at once
  ~Generation();                                                                      // cancels what still runs
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // The next event, or nullopt if none came within wait_s. Throws the Error that ended a choice. Not to be called when done().
  std::optional<Event> next(double wait_s);
  bool done() const noexcept { return ended_ == threads_.size(); }
  // Waits until an event is there, without taking it; false after wait_s. Throws as next() does.
  bool wait_first(double wait_s);

 private:
  struct Item {
    Event event;
    std::exception_ptr error;
  };
  void run(engine::Engine& engine, size_t choice, engine::GenerateRequest request) noexcept;
  void push(Item item);

  std::atomic<bool> cancel_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  size_t ended_ = 0;  // seen by the reader
  std::vector<std::thread> threads_;
};

}  // namespace lyceum::api
