#include "kernels/dispatch.h"

#include <cpuid.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "kernels/table.h"

namespace lyceum::kernels {
namespace {

struct Entry {
  Isa isa;
  std::string_view name;
  const Table* table;
  bool (*runs_here)();
};

// __builtin_cpu_supports reads CPUID, and XGETBV for the register state that the operating system saves.
// clang 14 does not know "f16c" there, so that bit is read by hand; its register state is AVX's.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}

constexpr Entry kEntries[] = {
    {Isa::reference, "reference", &reference::kTable, [] { return true; }},
    {Isa::avx2, "avx2", &isa_avx2::kTable, has_avx2},
    {Isa::avx512, "avx512", &isa_avx512::kTable, has_avx512},
};

const Entry& entry_of(Isa isa) noexcept { return kEntries[static_cast<size_t>(isa)]; }

const Entry& best_entry() noexcept {
  const Entry* best = &kEntries[0];
  for (const Entry& entry : kEntries) {
    if (entry.runs_here()) best = &entry;
  }
  return *best;
}

// The entry that LYCEUM_ISA names, or the best; null when the variable cannot be obeyed.
const Entry* find_chosen() noexcept {
  const char* wanted = std::getenv("LYCEUM_ISA");
  if (wanted == nullptr || *wanted == '\0') return &best_entry();
  for (const Entry& entry : kEntries) {
    if (entry.name == wanted) return entry.runs_here() ? &entry : nullptr;
  }
  return nullptr;
}

std::atomic<const Entry*> in_use{nullptr};

const Entry* find_in_use() noexcept {
  const Entry* entry = in_use.load(std::memory_order_acquire);
  if (entry != nullptr) return entry;
  entry = find_chosen();
  if (entry != nullptr) in_use.store(entry, std::memory_order_release);
  return entry;
}

}  // namespace

std::string_view name(Isa isa) noexcept { return entry_of(isa).name; }

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (const Entry& entry : kEntries) {
    if (entry.runs_here()) isas.push_back(entry.isa);
  }
  return isas;
}

Isa current_isa() {
  const Entry* entry = find_in_use();
  if (entry == nullptr) {
    throw Error(Code::invalid_argument, "LYCEUM_ISA=" + std::string(std::getenv("LYCEUM_ISA")) +
                                            " is not an instruction set of this machine; use reference, avx2 or avx512, or unset it");
  }
  return entry->isa;
}

void force_isa(Isa isa) {
  LYCEUM_CHECK(entry_of(isa).runs_here(), "the machine lacks the instruction set");
  in_use.store(&entry_of(isa), std::memory_order_release);
}

const Table& table() noexcept {
  const Entry* entry = find_in_use();
  return entry == nullptr ? *best_entry().table : *entry->table;
}

}  // namespace lyceum::kernels
