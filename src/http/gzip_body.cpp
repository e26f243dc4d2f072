#include "http/gzip_body.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace lyceum::http {
namespace {

class GzipBody final : public BodyStream {
 public:
  GzipBody(BodyStream& inner, uint64_t limit_bytes) : inner_(inner), limit_bytes_(limit_bytes) {
    LYCEUM_CHECK(inflateInit2(&stream_, 15 + 16) == Z_OK, "zlib must start");  // 16: the gzip wrapper
  }
  ~GzipBody() override { inflateEnd(&stream_); }
  GzipBody(const GzipBody&) = delete;
  GzipBody& operator=(const GzipBody&) = delete;

  std::optional<uint64_t> length() const override { return std::nullopt; }

  size_t read(std::span<std::byte> into) override {
    if (into.empty()) return 0;
    stream_.next_out = reinterpret_cast<Bytef*>(into.data());
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(into.size(), 1u << 30));
    const size_t room = stream_.avail_out;
    while (!ended_ && stream_.avail_out == room) step();
    const size_t produced = room - stream_.avail_out;
    total_ += produced;
    if (total_ > limit_bytes_) throw Error(Code::too_large, "The request body inflates to more than the limit of " + std::to_string(limit_bytes_) + " bytes");
    return produced;
  }

 private:
  void step() {
    if (stream_.avail_in == 0) {
      const size_t got = inner_.read(std::as_writable_bytes(std::span(input_)));
      if (got == 0) {
        if (!between_members_) throw Error(Code::invalid_argument, "The gzip-encoded request body ends early");
        ended_ = true;
        return;
      }
      stream_.next_in = input_.data();
      stream_.avail_in = static_cast<uInt>(got);
    }
    const int result = inflate(&stream_, Z_NO_FLUSH);
    between_members_ = result == Z_STREAM_END;
    if (result == Z_STREAM_END) {
      inflateReset(&stream_);  // a gzip file may have several members
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      throw Error(Code::invalid_argument, "The request body says Content-Encoding: gzip, but is not valid gzip");
    }
  }

  BodyStream& inner_;
  uint64_t limit_bytes_;
  uint64_t total_ = 0;
  z_stream stream_{};
  std::array<Bytef, 16384> input_;
  bool between_members_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<BodyStream> inflate_body(BodyStream& inner, uint64_t limit_bytes) { return std::make_unique<GzipBody>(inner, limit_bytes); }

}  // namespace lyceum::http
