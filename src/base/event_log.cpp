#include "base/event_log.h"

#include <fmt/format.h>
#include <spdlog/formatter.h>

#include <atomic>
#include <chrono>

#include "base/clock.h"
#include "base/json.h"

namespace lyceum {
namespace {

std::atomic<bool> json_lines{false};
constexpr char kFieldsMark = '\x1e';  // begins the payload of a log_event() line, which is JSON members already

// Bytes beyond ASCII may be no valid UTF-8, and a collector must be able to read every line.
std::string quoted(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return json::serialize(json::string(plain));
}

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    using namespace std::chrono;
    const auto now_ms = duration_cast<milliseconds>(message.time.time_since_epoch()).count();
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string_view payload(message.payload.data(), message.payload.size());
    const bool members = payload.starts_with(kFieldsMark);
    const std::string line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",{}}}\n", iso8601(now_ms), std::string_view(level.data(), level.size()),
                                         members ? std::string(payload.substr(1)) : "\"message\":" + quoted(payload));
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

std::string json_members(std::string_view message, std::initializer_list<LogField> fields) {
  std::string out = kFieldsMark + ("\"message\":" + quoted(message));
  for (const auto& [name, value] : fields) {
    out += ",\"" + std::string(name) + "\":";
    if (const auto* text = std::get_if<std::string_view>(&value)) out += quoted(*text);
    else if (const auto* number = std::get_if<int64_t>(&value)) out += std::to_string(*number);
    else out += fmt::format("{:.6g}", std::get<double>(value));
  }
  return out;
}

std::string text_line(std::string_view message, std::initializer_list<LogField> fields) {
  std::string out(message);
  for (const auto& [name, value] : fields) {
    out += " " + std::string(name) + "=";
    if (const auto* text = std::get_if<std::string_view>(&value)) {
      for (const char c : *text) out += static_cast<unsigned char>(c) <= 0x20 || c == 0x7f ? '_' : c;  // one line, one word
    } else if (const auto* number = std::get_if<int64_t>(&value)) {
      out += std::to_string(*number);
    } else {
      out += fmt::format("{:.4g}", std::get<double>(value));
    }
  }
  return out;
}

}  // namespace

void use_json_log() {
  json_lines = true;
  spdlog::set_formatter(std::make_unique<JsonFormatter>());
}

void log_event(log::level::level_enum level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!spdlog::should_log(level)) return;
  const std::string line = json_lines ? json_members(message, fields) : text_line(message, fields);
  spdlog::default_logger_raw()->log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace lyceum
