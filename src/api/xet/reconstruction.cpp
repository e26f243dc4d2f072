// How to rebuild a file: which chunks of which xorbs in which order, and signed links to them.
#include <algorithm>
#include <map>

#include "api/answer.h"
#include "api/services.h"
#include "api/signing.h"
#include "api/xet/handlers.h"
#include "api/xet/transfer.h"
#include "api/xet/xet.h"
#include "http/range.h"
#include "xet/plain_xorb.h"

namespace lyceum::api {
namespace {

using hub::Hub;

constexpr int64_t kLinkLifetimeMs = 3600 * 1000;
constexpr size_t kRangesPerLink = 256;

struct ChunkRange {
  uint32_t begin = 0, end = 0;
};

struct Term {
  std::string xorb;
  ChunkRange chunks;
  uint64_t length = 0;
};

struct Plan {
  uint64_t skip = 0;  // bytes of the first term before the range
  std::vector<Term> terms;
  std::map<std::string, std::vector<ChunkRange>> fetches;  // disjoint, ascending
  std::map<std::string, xet::PlainXorb> layouts;
};

// Rejects a file that is unknown or that the token's repository does not have, both in the same way.
Hub::XetFile require_file(Hub& hub, const XetCaller& caller, const std::string& hash) {
  auto file = hub.find_xet_file(hash);
  if (!file || !hub.repo_has_blob(caller.repo, file->sha256)) throw Error(Code::not_found, "There is no file " + hash + " in this repository.");
  return std::move(*file);
}

class Planner {
 public:
  explicit Planner(Hub& hub) : hub_(hub) {}

  // Bytes [begin, end) of the file; end <= size.
  Plan run(const Hub::XetFile& file, uint64_t begin, uint64_t end) {
    uint64_t at = 0;
    for (const Hub::XetTerm& term : file.terms) {
      const uint64_t length = term.length > 0 ? term.length : length_of(term);
      if (at < end && at + length > begin) add(term, at, begin, end);
      at += length;
    }
    for (auto& [xorb, ranges] : plan_.fetches) merge(ranges);
    return std::move(plan_);
  }

 private:
  const xet::PlainXorb& layout(const std::string& xorb) {
    if (const auto known = plan_.layouts.find(xorb); known != plan_.layouts.end()) return known->second;
    return plan_.layouts.emplace(xorb, require_layout(hub_, xorb)).first->second;
  }

  uint64_t length_of(const Hub::XetTerm& term) {
    uint64_t length = 0;
    for (uint32_t i = term.chunk_begin; i < term.chunk_end; ++i) length += layout(term.xorb).length(i);
    return length;
  }

  // The part of a term that overlaps the wanted bytes, in whole chunks.
  void add(const Hub::XetTerm& term, uint64_t term_begin, uint64_t begin, uint64_t end) {
    const xet::PlainXorb& chunks = layout(term.xorb);
    Term out{term.xorb, {term.chunk_begin, term.chunk_begin}, 0};
    uint64_t at = term_begin;
    for (uint32_t i = term.chunk_begin; i < term.chunk_end && at < end; ++i) {
      const uint32_t length = chunks.length(i);
      if (at + length > begin) {
        if (out.length == 0) {
          out.chunks.begin = i;
          if (plan_.terms.empty()) plan_.skip = begin > at ? begin - at : 0;
        }
        out.length += length;
        out.chunks.end = i + 1;
      }
      at += length;
    }
    plan_.fetches[term.xorb].push_back(out.chunks);
    plan_.terms.push_back(std::move(out));
  }

  // A chunk that several terms use is fetched once; every term lies inside one range.
  static void merge(std::vector<ChunkRange>& ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const ChunkRange& a, const ChunkRange& b) { return a.begin < b.begin; });
    std::vector<ChunkRange> merged;
    for (const ChunkRange& range : ranges) {
      if (!merged.empty() && range.begin <= merged.back().end) {
        merged.back().end = std::max(merged.back().end, range.end);
      } else {
        merged.push_back(range);
      }
    }
    ranges = std::move(merged);
  }

  Hub& hub_;
  Plan plan_;
};

json::object chunk_json(const ChunkRange& range) { return {{"start", range.begin}, {"end", range.end}}; }

json::object byte_json(const xet::PlainXorb& layout, const ChunkRange& range) {
  return {{"start", layout.offset(range.begin)}, {"end", layout.offset(range.end) - 1}};
}

json::array terms_json(const Plan& plan) {
  json::array out;
  for (const Term& term : plan.terms) out.push_back(json::object{{"hash", term.xorb}, {"unpacked_length", term.length}, {"range", chunk_json(term.chunks)}});
  return out;
}

std::string link(Context& context, const std::string& xorb, const xet::PlainXorb& layout, std::span<const ChunkRange> ranges) {
  std::string list;
  for (const ChunkRange& range : ranges) {
    list += (list.empty() ? "" : ",") + std::to_string(layout.offset(range.begin)) + "-" + std::to_string(layout.offset(range.end) - 1);
  }
  Hub& hub = context.services.hub;
  const std::string path = "/xet/" + xet_store_id(hub) + "/v1/transfer/" + xorb;
  return sign_url(hub, context.request.base_url, "GET", path, context.services.clock.now_ms() + kLinkLifetimeMs, "ranges=" + http::percent_encode(list));
}

// Version 1: one link per range.
json::object fetch_info_json(Context& context, const Plan& plan) {
  json::object out;
  for (const auto& [xorb, ranges] : plan.fetches) {
    const xet::PlainXorb& layout = plan.layouts.at(xorb);
    json::array list;
    for (const ChunkRange& range : ranges) {
      list.push_back(json::object{{"range", chunk_json(range)}, {"url", link(context, xorb, layout, {&range, 1})}, {"url_range", byte_json(layout, range)}});
    }
    out[xorb] = std::move(list);
  }
  return out;
}

// Version 2: one link for many ranges.
json::object xorbs_json(Context& context, const Plan& plan) {
  json::object out;
  for (const auto& [xorb, ranges] : plan.fetches) {
    const xet::PlainXorb& layout = plan.layouts.at(xorb);
    json::array list;
    for (std::span<const ChunkRange> rest(ranges); !rest.empty();) {
      const auto part = rest.first(std::min(rest.size(), kRangesPerLink));
      json::array described;
      for (const ChunkRange& range : part) described.push_back(json::object{{"chunks", chunk_json(range)}, {"bytes", byte_json(layout, range)}});
      list.push_back(json::object{{"url", link(context, xorb, layout, part)}, {"ranges", std::move(described)}});
      rest = rest.subspan(part.size());
    }
    out[xorb] = std::move(list);
  }
  return out;
}

Plan plan_request(Context& context) {
  Hub& hub = context.services.hub;
  const XetCaller caller = require_xet_caller(context, hub::Scope::read);
  const Hub::XetFile file = require_file(hub, caller, xet::to_text(require_hash(context, "hash")));
  uint64_t begin = 0, end = file.size;
  if (const auto header = context.request.headers.find("Range"); header && file.size > 0) {
    const auto ranges = http::find_ranges(*header, file.size);
    if (!ranges || ranges->size() > 1) throw Error(Code::invalid_argument, "A reconstruction takes one range: bytes=<first>-<last>.");
    if (ranges->empty()) throw Error(Code::range_unsatisfiable, "The range starts after the end of the file.");
    begin = ranges->front().offset;
    end = begin + ranges->front().length;
  }
  return Planner(hub).run(file, begin, end);
}

std::vector<std::string> asked_files(Context& context) {
  std::vector<std::string> hashes = context.request.all_query("file_id");
  if (context.request.method == "POST") {
    const json::value body = parse_json(read_body(context), "request body");
    if (!body.is_array()) throw Error(Code::invalid_argument, "The body must be an array of {\"prefix\", \"hash\"}.");
    for (const json::value& key : body.get_array()) hashes.push_back(get_string(get_object(key, "key"), "hash"));
  }
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  if (hashes.size() > 1000) throw Error(Code::too_large, "Ask for 1000 files at most.");
  return hashes;
}

}  // namespace

http::Response get_reconstruction_v1(Context& context) {
  const Plan plan = plan_request(context);
  return json_answer(json::object{{"offset_into_first_range", plan.skip}, {"terms", terms_json(plan)}, {"fetch_info", fetch_info_json(context, plan)}});
}

http::Response get_reconstruction_v2(Context& context) {
  const Plan plan = plan_request(context);
  return json_answer(json::object{{"offset_into_first_range", plan.skip}, {"terms", terms_json(plan)}, {"xorbs", xorbs_json(context, plan)}});
}

http::Response get_reconstructions_batch(Context& context) {
  Hub& hub = context.services.hub;
  const XetCaller caller = require_xet_caller(context, hub::Scope::read);
  json::object files, fetch_info;
  for (const std::string& hash : asked_files(context)) {
    const Hub::XetFile file = require_file(hub, caller, hash);
    const Plan plan = Planner(hub).run(file, 0, file.size);
    files[hash] = terms_json(plan);
    for (auto& [xorb, list] : fetch_info_json(context, plan)) {
      json::value& known = fetch_info[xorb];
      if (!known.is_array()) known = json::array{};
      for (json::value& entry : list.get_array()) known.get_array().push_back(std::move(entry));
    }
  }
  return json_answer(json::object{{"files", std::move(files)}, {"fetch_info", std::move(fetch_info)}});
}

http::Response head_xet_file(Context& context) {
  const XetCaller caller = require_xet_caller(context, hub::Scope::read);
  const Hub::XetFile file = require_file(context.services.hub, caller, xet::to_text(require_hash(context, "hash")));
  http::Response response;
  response.headers.set("Content-Length", std::to_string(file.size));
  return response;
}

}  // namespace lyceum::api
