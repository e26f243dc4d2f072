#include "api/openai/generation.h"

namespace lyceum::api {

Generation::Generation(engine::Engine& engine, std::vector<engine::GenerateRequest> requests) {
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].cancel = &cancel_;
    threads_.emplace_back([this, &engine, i, request = std::move(requests[i])]() mutable { run(engine, i, std::move(request)); });
  }
}

Generation::~Generation() {
  cancel_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void Generation::run(engine::Engine& engine, size_t choice, engine::GenerateRequest request) noexcept {
  Item last{{choice, {}, {}}, nullptr};
  try {
    auto result = engine.generate(request, [&](const engine::GeneratedToken& token) {
      push({{choice, token, {}}, nullptr});
      return !cancel_.load(std::memory_order_relaxed);
    });
    if (result.finish == engine::Finish::stuck) throw Error(Code::unprocessable, "The answer cannot go on as its grammar or schema asks: " + result.error);
    if (result.finish == engine::Finish::error) throw Error(Code::internal, "The model failed: " + result.error);
    last.event.result = std::move(result);
  } catch (...) {
    last.error = std::current_exception();
  }
  push(std::move(last));
}

void Generation::push(Item item) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(item));
  }
  wake_.notify_one();
}

bool Generation::wait_first(double wait_s) {
  std::unique_lock lock(mutex_);
  const bool there = wake_.wait_for(lock, std::chrono::duration<double>(wait_s), [this] { return !queue_.empty(); });
  if (there && queue_.front().error) std::rethrow_exception(queue_.front().error);
  return there;
}

std::optional<Generation::Event> Generation::next(double wait_s) {
  std::unique_lock lock(mutex_);
  if (!wake_.wait_for(lock, std::chrono::duration<double>(wait_s), [this] { return !queue_.empty(); })) return std::nullopt;
  Item item = std::move(queue_.front());
  queue_.pop_front();
  if (item.error) std::rethrow_exception(item.error);
  if (item.event.result) ++ended_;
  return std::move(item.event);
}

}  // namespace lyceum::api
