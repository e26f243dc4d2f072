// listen_tool: what tests of exactness ask of a Whisper model, one JSON object a line on stdin, one answer a line on stdout.
//
//   {"model": FOLDER, "sound": FILE, "ids": [...], "mel": FILE, "logits": FILE}   the recording's frames and the logits of those tokens after its first window, as float32
#include <iostream>

#include "base/files.h"
#include "base/json.h"
#include "engine/transcriber.h"
#include "formats/audio.h"

namespace lyceum::engine {
namespace {

constexpr size_t kLineBytesMax = 1u << 20;
constexpr uint64_t kSoundBytesMax = 64u << 20;

void write_floats(const std::string& file, std::span<const float> values) { write_file_durable(file, as_text(std::as_bytes(values))); }

json::object look_inside(const json::object& request) {
  std::vector<int32_t> ids;
  for (const json::value& id : *find_array(request, "ids")) ids.push_back(id.to_number<int32_t>());
  const auto transcriber = Transcriber::open(get_string(request, "model"), 2);
  const std::string file = read_file(get_string(request, "sound"), kSoundBytesMax);
  const auto inside = transcriber->look_inside(formats::decode_audio(as_bytes(file), kSoundRate, 3600), ids);
  write_floats(get_string(request, "mel"), inside.mel);
  write_floats(get_string(request, "logits"), inside.logits);
  return {{"mel", inside.mel.size()}, {"logits", inside.logits.size()}};
}

int run() {
  for (std::string line; std::getline(std::cin, line);) {
    const json::value request = parse_json(line, "the request", kLineBytesMax);
    std::cout << json::serialize(look_inside(get_object(request, "the request"))) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace lyceum::engine

int main() {
  try {
    return lyceum::engine::run();
  } catch (const lyceum::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
