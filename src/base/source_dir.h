// source_dir.h: for tests: the checkout, whose tests/ they read. A symbol, not a macro, so that their objects are the same in every clone
// and come from the compiler's cache (cmake/room.cmake defines it).
#pragma once

namespace lyceum {

extern const char* const kSourceDir;

}  // namespace lyceum
