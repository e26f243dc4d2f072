// pkt_line.h: git's wire framing: four hex digits of length, then the payload; "0000" ends a section.
// Source: Documentation/gitprotocol-common of git.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::git {

constexpr size_t kPktPayloadMax = 65516;

std::string pkt_line(std::string_view payload);  // REQUIRES: payload.size() <= kPktPayloadMax
constexpr std::string_view kFlushPkt = "0000";

struct Pkt {
  enum class Kind { data, flush, delimiter, response_end } kind = Kind::data;
  std::string_view payload;
};

// Reads packets off the front of `bytes`. nullopt at the end of the bytes; Error(invalid_argument) on a malformed length or a
// packet cut short. Payloads point into the bytes.
class PktReader {
 public:
  explicit PktReader(std::string_view bytes) : rest_(bytes) {}
  std::optional<Pkt> next();
  std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
};

// The commands at the head of a receive-pack request: what a push wants to move, before its pack.
struct PushCommand {
  std::string old_id, new_id, ref;  // ids in hex, all zeros = absent
};
struct PushHead {
  std::vector<PushCommand> commands;
  bool report_status = false, side_band_64k = false;
};
PushHead parse_push_head(std::string_view request, size_t commands_max = 10000);

// The answer of a receive-pack that refuses every command, for a push that Push::finish() did not accept.
std::string refused_push_report(const PushHead& head, std::string_view reason);

}  // namespace lyceum::git
