// Receiving xorbs.
#include "api/answer.h"
#include "api/services.h"
#include "api/xet/chunk_source.h"
#include "api/xet/handlers.h"
#include "api/xet/staging.h"
#include "xet/plain_xorb.h"

namespace lyceum::api {
namespace {

// Takes the rest of a body that is not needed, so that the client can finish sending and read the answer.
void drain(http::BodyStream& body) {
  std::vector<std::byte> buffer(256 << 10);
  uint64_t total = 0;
  while (const size_t count = body.read(buffer)) {
    total += count;
    if (total > xet::kXorbStoredBytesMax) throw Error(Code::too_large, "A xorb may have 65 MiB at most.");
  }
}

// Every chunk of the xorb is part of a stored file.
bool is_placed(hub::Hub& hub, const std::string& hash) {
  const auto chunks = hub.find_xorb(hash);
  return chunks && std::all_of(chunks->begin(), chunks->end(), [&](const auto& chunk) { return hub.find_chunk(chunk.hash).has_value(); });
}

}  // namespace

http::Response post_xorb(Context& context) {
  require_xet_caller(context, hub::Scope::write);
  const xet::Hash hash = require_hash(context, "hash");
  http::BodyStream* body = context.request.body;
  if (!body) throw Error(Code::invalid_argument, "A xorb upload needs a body.");
  if (body->length().value_or(0) > xet::kXorbStoredBytesMax) throw Error(Code::too_large, "A xorb may have 65 MiB at most.");

  Staging staging(context.services.hub);
  const bool staged = staging.has(hash);
  if (staged || is_placed(context.services.hub, xet::to_text(hash))) {
    staging.keep_longer(hash);
    drain(*body);
    return json_answer(json::object{{"was_inserted", false}});
  }
  staging.receive(hash, [body](std::span<std::byte> into) { return body->read(into); });
  return json_answer(json::object{{"was_inserted", true}});
}

http::Response head_xorb(Context& context) {
  require_xet_caller(context, hub::Scope::read);
  const xet::Hash hash = require_hash(context, "hash");
  hub::Hub& hub = context.services.hub;
  std::vector<uint32_t> lengths;
  if (const auto staged = Staging(hub).find(hash)) {
    for (const xet::Chunk& chunk : staged->chunks()) lengths.push_back(chunk.length);
  } else if (const std::string text = xet::to_text(hash); is_placed(hub, text)) {
    const auto placed = hub.find_xorb(text);
    for (const auto& chunk : *placed) lengths.push_back(chunk.length);
  } else {
    throw Error(Code::not_found, "There is no xorb " + text + ".");
  }
  http::Response response;
  response.headers.set("Content-Length", std::to_string(xet::PlainXorb(lengths).size()));
  return response;
}

// Clients ask whether they may upload straight to an object store. 404 makes them use post_xorb().
http::Response refuse_xorb_grant(Context& context) {
  if (context.request.body) context.request.body->read_all(1 << 16);
  throw Error(Code::not_found, "Direct uploads are not offered here; post the xorb.");
}

}  // namespace lyceum::api
