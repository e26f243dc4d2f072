// blob_guard.h: for one large file, one at a time in all hubs over a store: those who need it kept, and who is about to remove it.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

namespace lyceum::hub {

// Held while the result lives. Empty where one process has the store to itself and a mutex will do.
using BlobGuard = std::function<std::shared_ptr<void>(std::string_view sha256)>;

// What was kept, or received, this lately needs no guard: no collection takes what is younger than a day.
inline constexpr int64_t kSurelyKeptMs = 3600 * 1000;

}  // namespace lyceum::hub
