// postings.h: the rows that have a term, in ascending order, as variable-length differences: about 1.5 bytes a row.
//
// Most terms are rare: a list of up to 8 bytes lives inside the object, so a term used once or twice costs no allocation.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

namespace lyceum::hub::search {

class Postings {
 public:
  Postings() = default;
  Postings(Postings&& other) noexcept { take(other); }
  Postings& operator=(Postings&& other) noexcept {
    if (this != &other) {
      release();
      take(other);
    }
    return *this;
  }
  ~Postings() { release(); }

  // row >= the last one; adding the last one again does nothing.
  void add(uint32_t row);
  uint32_t count() const noexcept { return count_; }
  size_t heap_bytes() const noexcept { return capacity_; }

  // visit(row) for every row, ascending, until it returns false.
  template <typename Visit>
  void for_each(Visit visit) const {
    const uint8_t* at = bytes();
    const uint8_t* const end = at + size_;
    uint32_t row = 0;
    while (at < end) {
      uint32_t step = *at & 0x7f;
      for (unsigned shift = 7; (*at++ & 0x80) != 0; shift += 7) step |= static_cast<uint32_t>(*at & 0x7f) << shift;
      row += step;
      if (!visit(row)) return;
    }
  }

 private:
  static constexpr uint32_t kInside = 8;
  const uint8_t* bytes() const noexcept { return capacity_ == 0 ? inside_ : heap_; }
  uint8_t* bytes() noexcept { return capacity_ == 0 ? inside_ : heap_; }
  void push(uint8_t byte);
  void release() noexcept;
  void take(Postings& other) noexcept {
    std::memcpy(static_cast<void*>(this), &other, sizeof *this);
    other.capacity_ = other.size_ = other.count_ = 0;
  }

  uint32_t count_ = 0, last_ = 0, size_ = 0, capacity_ = 0;  // capacity 0: the bytes are inside
  union {
    uint8_t inside_[kInside] = {};
    uint8_t* heap_;
  };
};

}  // namespace lyceum::hub::search
