// What an upload cannot do without: SHA-256 of the file, BLAKE3 of its chunks, LZ4 decoding of them; one thread's CPU-seconds per GiB, for
// random bytes. And what a server without any protocol needs here: bytes from a socket of this machine, hashed, written past the page cache
// to a file in FOLDER. bench/transfer.py prints them beside the hub's own.
//
// usage: upload_floor [FOLDER]
#include <arpa/inet.h>
#include <lz4frame.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/large_file.h"
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

void require(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

// A connection over the loopback device: a server's end and a client's.
std::pair<int, int> connect_loopback() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0), client = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  require(::bind(listener, raw, size) == 0 && ::listen(listener, 1) == 0 && ::getsockname(listener, raw, &size) == 0, "listen");
  require(::connect(client, raw, size) == 0, "connect");
  const int server = ::accept(listener, nullptr, nullptr);
  require(server >= 0, "accept");
  ::close(listener);
  return {server, client};
}

// Only the receiving thread's time counts; the sender sends as fast as it can.
double receive(const std::string& data, bool hash, const std::string& file, unsigned& sink) {
  const auto [server, client] = connect_loopback();
  std::thread sender([&, out = client] {
    for (size_t at = 0; at < data.size();) {
      const ssize_t sent = ::send(out, data.data() + at, std::min<size_t>(data.size() - at, 256u << 10), 0);
      require(sent > 0, "send");
      at += static_cast<size_t>(sent);
    }
    ::close(out);
  });
  const double seconds = [&, in = server] {
    timespec begin{}, end{};
    std::filesystem::remove(file);
    lyceum::LargeFileWriter writer(file);
    lyceum::Hasher hasher(lyceum::Hasher::Kind::sha256);
    lyceum::DirectBuffer scratch;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (;;) {
      const auto room = hash ? writer.room() : std::span(scratch.get(), lyceum::DirectBuffer::kBytes);
      const ssize_t got = ::recv(in, room.data(), std::min<size_t>(room.size(), 256u << 10), MSG_WAITALL);
      require(got >= 0, "recv");
      if (got == 0) break;
      sink += static_cast<unsigned>(room[0]);
      if (!hash) continue;
      hasher.update(room.first(static_cast<size_t>(got)));
      writer.filled(static_cast<size_t>(got));
    }
    if (hash) writer.finish();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return static_cast<double>(end.tv_sec - begin.tv_sec) + static_cast<double>(end.tv_nsec - begin.tv_nsec) * 1e-9;
  }();
  sender.join();
  ::close(server);
  std::filesystem::remove(file);
  return seconds * (1024.0 * 1024 * 1024 / static_cast<double>(data.size()));
}

}  // namespace

int main(int count, char** arguments) {
  const std::string file = std::string(count > 1 ? arguments[1] : ".") + "/upload_floor.tmp";
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
  receive(data, true, file, sink);
  const double received = receive(data, false, file, sink), stored = receive(data, true, file, sink);
  std::printf("{\"sha256\": %.2f, \"blake3\": %.2f, \"lz4_decode\": %.2f, \"receive\": %.2f, \"receive_hash_and_write\": %.2f, \"unit\": \"CPU-s per GiB\", \"check\": %u}\n", sha256, blake3, lz4, received, stored, sink);
  return 0;
}
