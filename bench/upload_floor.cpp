// What an upload cannot do without: SHA-256 of the file, BLAKE3 of its chunks, LZ4 decoding of them; one thread's CPU-seconds per GiB, for
// random bytes. bench/transfer.py prints them beside the hub's own.
#include <lz4frame.h>

#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "xet/hash.h"

namespace {

constexpr size_t kChunkBytes = 64u << 10, kBytes = 256u << 20;

double cpu_seconds_per_gib(const std::function<void()>& pass) {
  timespec begin{}, end{};
  pass();  // what it touches is there now
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
  pass();
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  return (static_cast<double>(end.tv_sec - begin.tv_sec) + static_cast<double>(end.tv_nsec - begin.tv_nsec) * 1e-9) * (1024.0 * 1024 * 1024 / kBytes);
}

std::string random_bytes() {
  std::string out(kBytes, '\0');
  lyceum::Rng rng(1);
  for (char& c : out) c = static_cast<char>(rng.below(256));
  return out;
}

}  // namespace

int main() {
  const std::string data = random_bytes();
  const auto chunks = [&](const std::function<void(std::string_view)>& use) {
    for (size_t at = 0; at < data.size(); at += kChunkBytes) use(std::string_view(data).substr(at, kChunkBytes));
  };
  std::vector<std::string> frames;
  chunks([&](std::string_view chunk) {
    std::string frame(LZ4F_compressFrameBound(chunk.size(), nullptr), '\0');
    frame.resize(LZ4F_compressFrame(frame.data(), frame.size(), chunk.data(), chunk.size(), nullptr));
    frames.push_back(std::move(frame));
  });
  LZ4F_dctx* context = nullptr;
  LZ4F_createDecompressionContext(&context, LZ4F_VERSION);
  std::vector<char> chunk(kChunkBytes);
  unsigned sink = 0;
  const double sha256 = cpu_seconds_per_gib([&] { sink += static_cast<unsigned char>(lyceum::sha256_raw(data)[0]); });
  const double blake3 = cpu_seconds_per_gib([&] {
    chunks([&](std::string_view one) { sink += static_cast<unsigned>(lyceum::xet::chunk_hash(lyceum::as_bytes(one)).bytes[0]); });
  });
  const double lz4 = cpu_seconds_per_gib([&] {
    for (const std::string& frame : frames) {
      size_t produced = chunk.size(), consumed = frame.size();
      LZ4F_decompress(context, chunk.data(), &produced, frame.data(), &consumed, nullptr);
      sink += static_cast<unsigned char>(chunk[0]);
    }
  });
  LZ4F_freeDecompressionContext(context);
  std::printf("{\"sha256\": %.2f, \"blake3\": %.2f, \"lz4_decode\": %.2f, \"unit\": \"CPU-s per GiB\", \"check\": %u}\n", sha256, blake3, lz4, sink);
  return 0;
}
