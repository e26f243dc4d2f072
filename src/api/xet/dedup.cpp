// Global deduplication: "is this chunk stored here already?" The answer lists the xorbs of one file that has the chunk, so that a
// client can skip what comes after it as well.
//
// Two rules keep it from telling secrets. Only files of repositories that the caller may read count: all else is "not found".
// And chunk hashes go out keyed, so a client recognises just the chunks whose content it has; positions of a xorb that
// are not part of the file get random hashes, because they belong to other files.
#include <algorithm>
#include <cstring>
#include <map>

#include "api/services.h"
#include "api/xet/handlers.h"
#include "base/hash.h"
#include "base/random.h"
#include "xet/shard.h"

namespace lyceum::api {
namespace {

using hub::Hub;

constexpr int64_t kAnswerLifetimeS = 7 * 24 * 3600;
constexpr size_t kXorbsMax = 64;
constexpr size_t kReposSearchedMax = 2000;

xet::Hash random_hash() {
  xet::Hash hash;
  const std::string bytes = secure_bytes(32);
  std::memcpy(hash.bytes.data(), bytes.data(), 32);
  return hash;
}

bool may_read(Hub& hub, const XetCaller& caller, std::string_view sha256) {
  if (hub.repo_has_blob(caller.repo, sha256)) return true;
  for (const auto type : {hub::RepoType::model, hub::RepoType::dataset, hub::RepoType::space}) {
    hub::RepoQuery query;
    query.type = type;
    query.limit = kReposSearchedMax;
    for (const hub::Repo& repo : hub.list_repos(caller.caller, query)) {
      if (repo.gated.empty() && !repo.disabled && hub.repo_has_blob(repo, sha256)) return true;
    }
  }
  return false;
}

// The file's terms from the one that holds the byte on, then those before it.
std::vector<Hub::XetTerm> terms_from(const Hub::XetFile& file, uint64_t offset) {
  std::vector<Hub::XetTerm> terms = file.terms;
  uint64_t at = 0;
  size_t first = 0;
  while (first + 1 < terms.size() && at + terms[first].length <= offset) at += terms[first++].length;
  std::rotate(terms.begin(), terms.begin() + static_cast<ptrdiff_t>(first), terms.end());
  return terms;
}

std::vector<xet::ShardXorb> describe(Hub& hub, const std::vector<Hub::XetTerm>& terms) {
  std::vector<xet::ShardXorb> xorbs;
  std::map<std::string, size_t> known;
  for (const Hub::XetTerm& term : terms) {
    const auto chunks = hub.find_xorb(term.xorb);
    if (!chunks) continue;
    const auto [entry, fresh] = known.emplace(term.xorb, xorbs.size());
    if (fresh && xorbs.size() == kXorbsMax) break;
    if (fresh) {
      xet::ShardXorb& xorb = xorbs.emplace_back();
      xorb.hash = xet::find_from_text(term.xorb).value();
      for (const auto& chunk : *chunks) xorb.chunks.push_back({random_hash(), chunk.length});
    }
    xet::ShardXorb& xorb = xorbs[entry->second];
    for (uint32_t i = term.chunk_begin; i < std::min<size_t>(term.chunk_end, chunks->size()); ++i) {
      xorb.chunks[i].hash = xet::find_from_text((*chunks)[i].hash).value();
    }
  }
  return xorbs;
}

}  // namespace

http::Response get_dedup_shard(Context& context) {
  Hub& hub = context.services.hub;
  const XetCaller caller = require_xet_caller(context, hub::Scope::read);
  const Error unknown(Code::not_found, "This chunk is not known.");
  const auto place = hub.find_chunk(xet::to_text(require_hash(context, "hash")));
  if (!place || !may_read(hub, caller, place->sha256)) throw unknown;
  const auto file = hub.find_xet_file_by_sha256(place->sha256);
  if (!file) throw unknown;
  xet::ShardKey key;
  const std::string secret = sha256_raw(hub.signing_key() + "xet deduplication");
  std::memcpy(key.key.bytes.data(), secret.data(), 32);
  key.created_s = static_cast<uint64_t>(context.services.clock.now_ms() / 1000);
  key.expires_s = key.created_s + kAnswerLifetimeS;

  http::Response response;
  response.headers.set("Content-Type", "application/octet-stream");
  response.body = xet::write_shard(describe(hub, terms_from(*file, place->offset)), key);
  return response;
}

}  // namespace lyceum::api
