#include "hub/search/postings.h"

#include <cstdlib>
#include <new>

#include "base/error.h"

namespace lyceum::hub::search {

void Postings::push(uint8_t byte) {
  if (size_ == (capacity_ == 0 ? kInside : capacity_)) {
    const uint32_t wanted = size_ + size_ / 2 + 8;
    auto* const grown = static_cast<uint8_t*>(capacity_ == 0 ? std::malloc(wanted) : std::realloc(heap_, wanted));
    if (grown == nullptr) throw std::bad_alloc();
    if (capacity_ == 0) std::memcpy(grown, inside_, size_);
    heap_ = grown;
    capacity_ = wanted;
  }
  bytes()[size_++] = byte;
}

void Postings::add(uint32_t row) {
  if (count_ > 0 && row == last_) return;
  LYCEUM_CHECK(count_ == 0 || row > last_, "rows are added to a posting list in ascending order");
  uint32_t step = row - last_;
  while (step >= 0x80) {
    push(static_cast<uint8_t>(step | 0x80));
    step >>= 7;
  }
  push(static_cast<uint8_t>(step));
  last_ = row;
  ++count_;
}

void Postings::release() noexcept {
  if (capacity_ != 0) std::free(heap_);
  capacity_ = size_ = count_ = 0;
}

}  // namespace lyceum::hub::search
