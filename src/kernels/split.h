// split.h: how public kernels cut their work into tasks. Internal to the room.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/threads.h"

namespace lyceum::kernels {

// Below this many floats touched a loop runs on the calling thread: waking another costs a few microseconds.
inline constexpr size_t kFloatsWorthATask = 16384;

// body(begin, end) over [0, count) in grains; `cost` is the floats touched per item. The grain depends on the shape only.
template <typename Body>
void for_grains(ThreadPool& pool, size_t count, size_t cost, const Body& body) noexcept {
  const size_t grain = std::max<size_t>(1, kFloatsWorthATask / std::max<size_t>(1, cost));
  const size_t tasks = (count + grain - 1) / grain;
  if (tasks <= 1) {
    if (count > 0) body(size_t{0}, count);
    return;
  }
  pool.run(tasks, [&](size_t task, unsigned) { body(task * grain, std::min(count, (task + 1) * grain)); });
}

}  // namespace lyceum::kernels
