// exact_tool: what the exactness suite (tests/exact) asks of the engine, one JSON object a line on stdin, one answer a line on stdout.
//
//   {"do": "blocks", "type": "Q4_K", "count": N, "in": FILE, "out": FILE}             the N float32 values of those blocks
//   {"do": "encode", "type": "Q4_K", "columns": C, "in": FILE, "importance": FILE, "out": FILE}   rows of float32 as blocks; the importance may be left out
//   {"do": "logits", "model": PATH, "ids": [...], "out": FILE, "passes": [...]}       the float32 logits of every pass, one after another
//   {"do": "greedy", "model": PATH, "ids": [...], "tokens": N}                        the answer alone, and whether it is the same among others
//
// Passes: "document" (whole, no cache), "1", "7", … (through the cache, that many rows at once), "integer" (whole, integer products).
#include <cmath>
#include <cstring>
#include <iostream>
#include <numeric>
#include <thread>

#include "base/files.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/forward.h"
#include "kernels/convert.h"
#include "kernels/encode.h"
#include "models/load.h"
#include "models/sources.h"

namespace lyceum::engine {
namespace {

constexpr size_t kLineBytesMax = 1u << 20;

// The suite's models have no tokenizer: ids are all there is.
class NoTokenizer final : public text::Tokenizer {
 public:
  explicit NoTokenizer(size_t vocab) : vocab_(vocab) {}
  std::vector<int32_t> encode(std::string_view, const text::EncodeOptions&) const override { return {}; }
  std::string decode(std::span<const int32_t> ids, bool) const override { return std::string(ids.size(), 'x'); }
  size_t vocab_size() const override { return vocab_; }
  std::optional<int32_t> find_id(std::string_view) const override { return std::nullopt; }
  std::string_view token(int32_t) const override { return "x"; }
  bool is_special(int32_t) const override { return false; }

 private:
  size_t vocab_;
};

std::vector<int32_t> read_ids(const json::object& request) {
  std::vector<int32_t> ids;
  if (const json::array* list = find_array(request, "ids")) {
    for (const json::value& id : *list) ids.push_back(id.to_number<int32_t>());
  }
  return ids;
}

// Appends the logits of one pass over the ids, `chunk` rows at once.
void run_pass(const models::Decoder& decoder, std::span<const int32_t> ids, const KvLayout* layout, size_t chunk, Products products, std::vector<float>& out) {
  ThreadPool threads(2);
  std::unique_ptr<KvPool> kv;
  std::vector<KvBlock*> blocks;
  if (layout != nullptr) {
    kv = std::make_unique<KvPool>(*layout, (ids.size() / kBlockTokens + 3) * layout->block_bytes());
    while (blocks.size() * kBlockTokens < ids.size()) blocks.push_back(kv->try_allocate());
  }
  Forward forward(decoder, threads, layout, products);
  for (size_t at = 0; at < ids.size(); at += chunk) {
    const size_t rows = std::min(chunk, ids.size() - at);
    const ForwardSpan span{rows, at, ids.size(), nullptr, blocks};
    forward.run(ids.subspan(at, rows), {&span, 1});
    std::vector<size_t> all(rows);
    std::iota(all.begin(), all.end(), size_t{0});
    const kernels::Rows logits = forward.logits(all);
    out.insert(out.end(), logits.data, logits.data + logits.rows * logits.columns);
  }
}

json::object write_logits(const json::object& request) {
  const auto decoder = models::load_decoder(get_string(request, "model"));
  const std::vector<int32_t> ids = read_ids(request);
  const KvLayout layout = layout_of(decoder->config, tensor::DType::f32);
  std::vector<float> out;
  if (const json::array* passes = find_array(request, "passes")) {
    for (const json::value& value : *passes) {
      const std::string pass(value.as_string());
      const bool whole = pass == "document" || pass == "integer";
      run_pass(*decoder, ids, whole ? nullptr : &layout, whole ? ids.size() : std::stoul(pass), pass == "integer" ? Products::integer : Products::exact, out);
    }
  }
  write_file_durable(get_string(request, "out"), {reinterpret_cast<const char*>(out.data()), out.size() * sizeof(float)});
  return {{"vocab", decoder->config.vocab}};
}

std::vector<int32_t> answer(Engine& engine, std::span<const int32_t> prompt, uint32_t tokens) {
  GenerateRequest request;
  request.prompt.assign(prompt.begin(), prompt.end());
  request.sampling.temperature = 0;
  request.max_tokens = tokens;
  request.ignore_eos = true;
  std::vector<int32_t> ids;
  engine.generate(request, [&](const GeneratedToken& token) {
    if (token.id >= 0) ids.push_back(token.id);
    return true;
  });
  return ids;
}

// Alone, then at once with seven others of other lengths, in an engine of its own: nothing is cached.
json::object compare_greedy(const json::object& request) {
  const auto decoder = models::load_decoder(get_string(request, "model"));
  const std::vector<int32_t> ids = read_ids(request);
  const auto tokens = static_cast<uint32_t>(get_int(request, "tokens"));
  EngineOptions options;
  options.threads = 2;
  options.kv_bytes_max = 64u << 20;
  const auto make = [&] { return Engine::create(decoder, std::make_shared<NoTokenizer>(decoder->config.vocab), options); };
  const std::vector<int32_t> alone = answer(*make(), ids, tokens);
  const auto engine = make();
  std::vector<int32_t> together;
  {
    std::vector<std::jthread> callers;
    for (size_t i = 1; i < 8; ++i) callers.emplace_back([&, i] { answer(*engine, std::span(ids).subspan(i), tokens); });
    together = answer(*engine, ids, tokens);
  }
  return {{"alone", json::value_from(alone)}, {"same", alone == together && alone.size() == tokens}};
}

json::object write_blocks(const json::object& request) {
  const auto dtype = models::find_dtype(get_string(request, "type"));
  if (!dtype) throw Error(Code::unsupported, "the engine does not compute with " + get_string(request, "type"));
  const std::string bytes = read_file(get_string(request, "in"));
  const auto count = static_cast<size_t>(get_int(request, "count"));
  if (tensor::row_bytes(*dtype, count) != bytes.size()) throw Error(Code::invalid_argument, "the file does not hold that many values");
  std::vector<float> out(count);
  kernels::dequantize(*dtype, reinterpret_cast<const std::byte*>(bytes.data()), count, out.data());
  write_file_durable(get_string(request, "out"), {reinterpret_cast<const char*>(out.data()), out.size() * sizeof(float)});
  return {};
}

std::vector<float> read_floats(const std::string& path) {
  const std::string bytes = read_file(path);
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

json::object encode_rows(const json::object& request) {
  const auto dtype = models::find_dtype(get_string(request, "type"));
  const auto columns = static_cast<size_t>(get_int(request, "columns"));
  if (!dtype || columns == 0 || columns % tensor::block_size(*dtype) != 0) throw Error(Code::invalid_argument, "no such type, or rows that are not whole blocks");
  const std::vector<float> values = read_floats(get_string(request, "in"));
  std::vector<float> importance;
  if (const auto path = find_string(request, "importance")) importance = read_floats(*path);
  const size_t row = tensor::row_bytes(*dtype, columns), rows = values.size() / columns;
  std::vector<std::byte> out(rows * row);
  for (size_t i = 0; i < rows; ++i) kernels::encode_row(*dtype, values.data() + i * columns, columns, importance.empty() ? nullptr : importance.data(), out.data() + i * row);
  write_file_durable(get_string(request, "out"), as_text(out));
  return {};
}

json::object run(const std::string& line) {
  try {
    const json::value value = parse_json(line, "request", kLineBytesMax);
    const json::object& request = get_object(value, "request");
    const std::string task = get_string(request, "do");
    if (task == "blocks") return write_blocks(request);
    if (task == "encode") return encode_rows(request);
    if (task == "logits") return write_logits(request);
    if (task == "greedy") return compare_greedy(request);
    throw Error(Code::invalid_argument, "unknown task " + task);
  } catch (const Error& error) {
    return {{"error", error.what()}, {"unsupported", error.code() == Code::unsupported}};
  }
}

}  // namespace
}  // namespace lyceum::engine

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << lyceum::json::serialize(lyceum::engine::run(line)) << std::endl;
}
