#include "git/pkt_line.h"

#include <charconv>

#include "base/bytes.h"
#include "base/error.h"

namespace lyceum::git {
namespace {

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 500)) out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  return out;
}

PushCommand parse_command(std::string_view line) {
  if (line.size() < 83 || line[40] != ' ' || line[81] != ' ' || !is_hex(line.substr(0, 40), 40) || !is_hex(line.substr(41, 40), 40)) {
    throw Error(Code::invalid_argument, "malformed push command");
  }
  return {std::string(line.substr(0, 40)), std::string(line.substr(41, 40)), std::string(line.substr(82))};
}

}  // namespace

std::string pkt_line(std::string_view payload) {
  LYCEUM_CHECK(payload.size() <= kPktPayloadMax, "a pkt-line payload fits its length field");
  constexpr char kDigits[] = "0123456789abcdef";
  const size_t length = payload.size() + 4;
  std::string out;
  for (const int shift : {12, 8, 4, 0}) out.push_back(kDigits[(length >> shift) & 15]);
  return out.append(payload);
}

std::optional<Pkt> PktReader::next() {
  if (rest_.empty()) return std::nullopt;
  if (rest_.size() < 4) throw Error(Code::invalid_argument, "pkt-line cut short");
  unsigned length = 0;
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, length, 16);
  if (error != std::errc{} || end != rest_.data() + 4) throw Error(Code::invalid_argument, "malformed pkt-line length");
  if (length < 4) {
    if (length == 3) throw Error(Code::invalid_argument, "malformed pkt-line length");
    rest_.remove_prefix(4);
    constexpr Pkt::Kind kKinds[] = {Pkt::Kind::flush, Pkt::Kind::delimiter, Pkt::Kind::response_end};
    return Pkt{kKinds[length], {}};
  }
  if (length > rest_.size()) throw Error(Code::invalid_argument, "pkt-line cut short");
  const Pkt pkt{Pkt::Kind::data, rest_.substr(4, length - 4)};
  rest_.remove_prefix(length);
  return pkt;
}

PushHead parse_push_head(std::string_view request, size_t commands_max) {
  PushHead head;
  PktReader reader(request);
  while (const auto pkt = reader.next()) {
    if (pkt->kind != Pkt::Kind::data) break;
    std::string_view line = pkt->payload;
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.starts_with("shallow ") || line.starts_with("push-cert")) continue;
    if (const size_t nul = line.find('\0'); nul != std::string_view::npos) {
      const std::string capabilities = " " + std::string(line.substr(nul + 1)) + " ";
      head.report_status = capabilities.find(" report-status") != std::string::npos;
      head.side_band_64k = capabilities.find(" side-band-64k ") != std::string::npos;
      line = line.substr(0, nul);
    }
    if (head.commands.size() >= commands_max) throw Error(Code::too_large, "a push may move at most " + std::to_string(commands_max) + " refs");
    head.commands.push_back(parse_command(line));
  }
  return head;
}

std::string refused_push_report(const PushHead& head, std::string_view reason) {
  const std::string why = one_line(reason);
  std::string report = pkt_line("unpack ok\n");
  for (const PushCommand& command : head.commands) report += pkt_line("ng " + command.ref + " " + why + "\n");
  report += kFlushPkt;
  if (!head.report_status) return {};
  if (!head.side_band_64k) return report;
  std::string out;
  for (std::string_view rest = report; !rest.empty();) {
    const std::string_view piece = rest.substr(0, kPktPayloadMax - 1);
    out += pkt_line("\x01" + std::string(piece));
    rest.remove_prefix(piece.size());
  }
  return out.append(kFlushPkt);
}

}  // namespace lyceum::git
