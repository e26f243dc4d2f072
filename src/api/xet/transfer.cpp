#include "api/xet/transfer.h"

#include <algorithm>

#include "api/services.h"
#include "api/signing.h"
#include "api/xet/handlers.h"
#include "base/random.h"
#include "http/range.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kType = "application/octet-stream";

xet::PlainXorb layout_of(std::span<const hub::Hub::XorbChunk> chunks) {
  std::vector<uint32_t> lengths;
  lengths.reserve(chunks.size());
  for (const auto& chunk : chunks) lengths.push_back(chunk.length);
  return xet::PlainXorb(lengths);
}

// Sends headers from memory and chunk data from the files that hold them. Text that comes before a file range rides with it.
class Assembler {
 public:
  Assembler(hub::Hub& hub, std::span<const hub::Hub::XorbChunk> chunks, const xet::PlainXorb& layout) : hub_(hub), chunks_(chunks), layout_(layout) {}

  void add_text(std::string_view text) { text_ += text; }
  void add_range(const http::ByteRange& range) {
    layout_.for_each_piece(range.offset, range.offset + range.length, [&](const xet::PlainXorb::Piece& piece) { add_piece(piece); });
  }
  std::vector<std::pair<std::string, http::FileBody>> finish() {
    if (!text_.empty()) parts_.emplace_back(std::move(text_), http::FileBody{});
    return std::move(parts_);
  }

 private:
  void add_piece(const xet::PlainXorb::Piece& piece) {
    const hub::Hub::XorbChunk& chunk = chunks_[piece.chunk];
    const auto header = xet::plain_chunk_header(chunk.length);
    text_ += as_text(Bytes(header).subspan(piece.header_begin, piece.header_end - piece.header_begin));
    if (piece.data_begin == piece.data_end) return;
    const auto place = hub_.find_chunk(chunk.hash);
    if (!place || place->length != chunk.length) throw Error(Code::not_found, "The chunk " + chunk.hash + " is not stored here.");
    http::FileBody body{hub_.blob_path(place->sha256), place->offset + piece.data_begin, piece.data_end - piece.data_begin};
    parts_.emplace_back(std::move(text_), std::move(body));
    text_.clear();
  }

  hub::Hub& hub_;
  std::span<const hub::Hub::XorbChunk> chunks_;
  const xet::PlainXorb& layout_;
  std::string text_;
  std::vector<std::pair<std::string, http::FileBody>> parts_;
};

std::string content_range(const http::ByteRange& range, uint64_t size) {
  return "bytes " + std::to_string(range.offset) + "-" + std::to_string(range.offset + range.length - 1) + "/" + std::to_string(size);
}

// The link was made for certain ranges of the xorb; nobody gets others with it.
std::vector<http::ByteRange> require_ranges(const http::Request& request, uint64_t size) {
  const auto header = request.headers.find("Range");
  if (!header) throw Error(Code::forbidden, "Send the Range header that came with this link.");
  const auto asked = http::find_ranges(*header, size);
  const auto allowed = http::find_ranges("bytes=" + request.find_query("ranges").value_or(""), size);
  if (!asked || asked->empty()) throw Error(Code::range_unsatisfiable, "The Range header asks for nothing that this xorb has.");
  uint64_t total = 0;
  for (const http::ByteRange& range : *asked) {
    const bool inside = allowed && std::any_of(allowed->begin(), allowed->end(), [&](const http::ByteRange& signed_range) {
      return range.offset >= signed_range.offset && range.offset + range.length <= signed_range.offset + signed_range.length;
    });
    if (!inside) throw Error(Code::forbidden, "This link was made for other ranges.");
    total += range.length;
  }
  if (total > 2 * size) throw Error(Code::invalid_argument, "The ranges overlap; ask for each byte once.");
  return *asked;
}

}  // namespace

xet::PlainXorb require_layout(hub::Hub& hub, const std::string& xorb) {
  const auto chunks = hub.find_xorb(xorb);
  if (!chunks) throw Error(Code::not_found, "There is no xorb " + xorb + ".");
  return layout_of(*chunks);
}

http::Response get_xorb_bytes(Context& context) {
  hub::Hub& hub = context.services.hub;
  require_signed_url(context.request, hub, context.services.clock.now_ms());
  const std::string xorb = xet::to_text(require_hash(context, "hash"));
  const auto chunks = hub.find_xorb(xorb);
  if (!chunks) throw Error(Code::not_found, "There is no xorb " + xorb + ".");
  const xet::PlainXorb layout = layout_of(*chunks);
  const auto ranges = require_ranges(context.request, layout.size());

  http::Response response;
  response.status = 206;
  response.headers.set("Cache-Control", "private, max-age=3600");
  Assembler assembler(hub, *chunks, layout);
  if (ranges.size() == 1) {
    response.headers.set("Content-Type", kType);
    response.headers.set("Content-Range", content_range(ranges.front(), layout.size()));
    assembler.add_range(ranges.front());
  } else {
    const std::string boundary = secure_alphanumeric(32);
    response.headers.set("Content-Type", "multipart/byteranges; boundary=" + boundary);
    for (const http::ByteRange& range : ranges) {
      assembler.add_text("\r\n--" + boundary + "\r\nContent-Type: " + std::string(kType) + "\r\nContent-Range: " + content_range(range, layout.size()) + "\r\n\r\n");
      assembler.add_range(range);
    }
    assembler.add_text("\r\n--" + boundary + "--\r\n");
  }
  response.parts = assembler.finish();
  return response;
}

}  // namespace lyceum::api
