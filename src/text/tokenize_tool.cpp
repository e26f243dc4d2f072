// tokenize_tool: drives the text room for the comparison scripts in tests/text. Reads JSON lines on standard input,
// writes one JSON line for each.
//   tokenize_tool encode <tokenizer.json|tokenizer.bin>: {"hex": "…", "special": bool} -> {"ids": […], "text": …,
//   "streamed": …} tokenize_tool render: {"template": "…", "messages": […], "tools": […], "add_generation_prompt":
//   bool, "extra": {…}, "now_ms": N}
//     -> {"text": …} or {"error": code, "message": …}
//   tokenize_tool train <vocab size> <special,special,…>: the paths of documents, one a line -> the tokenizer.json
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "base/bytes.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "text/bpe_trainer.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace {

using namespace lyceum;

json::object encode_line(const text::Tokenizer& tokenizer, const json::object& request) {
  const auto bytes = find_from_hex(get_string(request, "hex"));
  if (!bytes) throw Error(Code::invalid_argument, "'hex' is not hexadecimal");
  const auto ids = tokenizer.encode(*bytes, {.add_special_tokens = find_bool(request, "special").value_or(true)});
  text::StreamDecoder stream(tokenizer, false);
  std::string streamed;
  for (const int32_t id : ids) streamed += stream.push(id);
  streamed += stream.finish();
  json::array list(ids.begin(), ids.end());
  return {{"ids", std::move(list)},
          {"text", tokenizer.decode(ids, false)},
          {"visible", tokenizer.decode(ids, true)},
          {"streamed", streamed}};
}

void run_encode(const std::string& path) {
  const std::string file = read_file(path);
  const auto tokenizer = text::load_tokenizer_json(file);
  for (std::string line; std::getline(std::cin, line);) {
    const json::value request = parse_json(line, "request");
    std::cout << json::serialize(encode_line(*tokenizer, get_object(request, "request"))) << '\n';
  }
}

json::object render_line(const json::object& request) {
  text::ChatInputs inputs;
  if (const json::array* messages = find_array(request, "messages")) inputs.messages = *messages;
  if (const json::array* tools = find_array(request, "tools")) inputs.tools = *tools;
  if (const json::object* extra = find_object(request, "extra")) inputs.extra = *extra;
  inputs.add_generation_prompt = find_bool(request, "add_generation_prompt").value_or(false);
  inputs.now_ms = find_int(request, "now_ms").value_or(0);
  try {
    return {{"text", text::ChatTemplate(get_string(request, "template")).render(inputs)}};
  } catch (const Error& error) {
    return {{"error", name(error.code())}, {"message", error.what()}};
  }
}

void run_render() {
  for (std::string line; std::getline(std::cin, line);) {
    const json::value request = parse_json(line, "request");
    std::cout << json::serialize(render_line(get_object(request, "request"))) << '\n';
  }
}

void run_train(const std::string& vocab_size, const std::string& specials) {
  text::BpeTrainerOptions options;
  options.vocab_size = std::stoul(vocab_size);
  for (size_t at = 0; at < specials.size();) {
    const size_t comma = std::min(specials.find(',', at), specials.size());
    options.special_tokens.push_back(specials.substr(at, comma - at));
    at = comma + 1;
  }
  std::vector<std::string> documents;
  for (std::string path; std::getline(std::cin, path);) documents.push_back(read_file(path));
  std::cout << text::train_bpe({documents.begin(), documents.end()}, options);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const std::string command = count > 1 ? arguments[1] : "";
    if (command == "encode" && count == 3) {
      run_encode(arguments[2]);
    } else if (command == "render" && count == 2) {
      run_render();
    } else if (command == "train" && count == 4) {
      run_train(arguments[2], arguments[3]);
    } else {
      std::fprintf(stderr, "usage: tokenize_tool encode FILE | render | train VOCAB_SIZE SPECIALS\n");
      return 2;
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenize_tool: %s\n", error.what());
    return 1;
  }
}
