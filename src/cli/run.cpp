// lyceum run: chat with a model in the terminal. A path runs the model in this process; a repository name goes through the
// hub's OpenAI API, so that the model stays loaded between runs.
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "cli/hub_client.h"
#include "engine/engine.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string model, prompt, system, adapter;
  bool complete = false;
  uint32_t max_tokens = 256;
  double temperature = 0.7;
  double top_p = 0.95;
  uint64_t seed = 0;
};

volatile std::sig_atomic_t interrupted = 0;

// Where the words come from: two implementations, one conversation loop.
class Speaker {
 public:
  virtual ~Speaker() = default;
  // Streams pieces to out; returns the whole answer.
  virtual std::string chat(const json::array& messages, const std::function<void(std::string_view)>& out) = 0;
  virtual std::string complete(const std::string& prompt, const std::function<void(std::string_view)>& out) = 0;
};

class LocalSpeaker final : public Speaker {
 public:
  explicit LocalSpeaker(const Args& args) : args_(args), engine_(engine::Engine::open(args.model, {})) {
    if (!args.adapter.empty()) engine_->load_adapter("adapter", args.adapter);
  }
  std::string chat(const json::array& messages, const std::function<void(std::string_view)>& out) override {
    if (engine_->chat_template() == nullptr) {
      throw Error(Code::unprocessable, args_.model + " has no chat template; use --complete to continue plain text");
    }
    text::ChatInputs inputs;
    inputs.messages = messages;
    return generate(engine_->render_chat(inputs), out);
  }
  std::string complete(const std::string& prompt, const std::function<void(std::string_view)>& out) override {
    return generate(engine_->tokenizer().encode(prompt), out);
  }

 private:
  std::string generate(std::vector<int32_t> prompt, const std::function<void(std::string_view)>& out) {
    engine::GenerateRequest request;
    request.prompt = std::move(prompt);
    request.adapter = args_.adapter.empty() ? "" : "adapter";
    request.max_tokens = args_.max_tokens;
    request.sampling.temperature = static_cast<float>(args_.temperature);
    request.sampling.top_p = static_cast<float>(args_.top_p);
    request.sampling.seed = args_.seed;
    std::string whole;
    const auto result = engine_->generate(request, [&](const engine::GeneratedToken& token) {
      whole += token.text;
      out(token.text);
      return interrupted == 0;
    });
    if (result.finish == engine::Finish::error) throw Error(Code::internal, result.error);
    return whole;
  }

  const Args& args_;
  std::unique_ptr<engine::Engine> engine_;
};

class RemoteSpeaker final : public Speaker {
 public:
  RemoteSpeaker(const Args& args, const Globals& globals) : args_(args), hub_(globals) {}
  std::string chat(const json::array& messages, const std::function<void(std::string_view)>& out) override {
    return stream("/v1/chat/completions", {{"messages", messages}}, out);
  }
  std::string complete(const std::string& prompt, const std::function<void(std::string_view)>& out) override {
    return stream("/v1/completions", {{"prompt", prompt}}, out);
  }

 private:
  std::string stream(const std::string& target, json::object body, const std::function<void(std::string_view)>& out) {
    body["model"] = args_.adapter.empty() ? args_.model : args_.adapter;
    body["stream"] = true;
    body["max_tokens"] = args_.max_tokens;
    body["temperature"] = args_.temperature;
    body["top_p"] = args_.top_p;
    body["seed"] = args_.seed;
    http::ClientRequest request;
    request.method = "POST";
    request.target = target;
    request.headers.set("Content-Type", "application/json");
    request.body = json::serialize(body);
    std::string pending, whole;
    hub_.request(std::move(request), [&](std::string_view bytes) {
      pending += bytes;
      for (size_t end = pending.find("\n\n"); end != std::string::npos; end = pending.find("\n\n")) {
        const std::string piece = event_text(std::string_view(pending).substr(0, end));
        pending.erase(0, end + 2);
        whole += piece;
        out(piece);
      }
      return interrupted == 0;
    });
    return whole;
  }

  static std::string event_text(std::string_view event) {
    if (!event.starts_with("data: ") || event == "data: [DONE]") return {};
    const json::value value = parse_json(event.substr(6), "stream event");
    const json::object& object = get_object(value, "stream event");
    if (const json::object* error = find_object(object, "error")) throw Error(Code::internal, get_string(*error, "message"));
    const json::array* choices = find_array(object, "choices");
    if (choices == nullptr || choices->empty()) return {};
    const json::object& choice = choices->front().as_object();
    if (const json::object* delta = find_object(choice, "delta")) return find_string(*delta, "content").value_or("");
    return find_string(choice, "text").value_or("");
  }

  const Args& args_;
  HubClient hub_;
};

std::string read_prompt_from_pipe() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

int one_answer(const Args& args, const Globals& globals, Speaker& speaker, const std::string& prompt) {
  const auto show = [&](std::string_view piece) {
    if (!globals.json) std::cout << piece << std::flush;
  };
  json::array messages;
  if (!args.system.empty()) messages.push_back({{"role", "system"}, {"content", args.system}});
  messages.push_back({{"role", "user"}, {"content", prompt}});
  const std::string answer = args.complete ? speaker.complete(prompt, show) : speaker.chat(messages, show);
  if (globals.json) {
    print_json(json::object{{"model", args.model}, {"text", answer}});
  } else {
    std::cout << "\n";
  }
  return 0;
}

int converse(const Args& args, Speaker& speaker) {
  json::array messages;
  if (!args.system.empty()) messages.push_back({{"role", "system"}, {"content", args.system}});
  std::cerr << "Talking to " << args.model << ". Ctrl-C stops an answer, /new starts over, Ctrl-D leaves.\n";
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::string line;
  while (std::cerr << "> " << std::flush, std::getline(std::cin, line)) {
    interrupted = 0;
    if (line.empty()) continue;
    if (line == "/new") {
      messages.clear();
      if (!args.system.empty()) messages.push_back({{"role", "system"}, {"content", args.system}});
      continue;
    }
    messages.push_back({{"role", "user"}, {"content", line}});
    const auto show = [](std::string_view piece) { std::cout << piece << std::flush; };
    const std::string answer = args.complete ? speaker.complete(line, show) : speaker.chat(messages, show);
    std::cout << "\n";
    messages.push_back({{"role", "assistant"}, {"content", answer}});
  }
  std::cerr << "\n";
  return 0;
}

int run_model(const Args& args, const Globals& globals) {
  std::unique_ptr<Speaker> speaker;
  if (fs::exists(args.model)) {
    speaker = std::make_unique<LocalSpeaker>(args);
  } else {
    parse_repo_name(args.model);
    speaker = std::make_unique<RemoteSpeaker>(args, globals);
  }
  if (!args.prompt.empty()) return one_answer(args, globals, *speaker, args.prompt);
  if (::isatty(0) == 0) return one_answer(args, globals, *speaker, read_prompt_from_pipe());
  return converse(args, *speaker);
}

}  // namespace

void configure_run(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("model", args->model, "a folder or file with a model, or a repository: owner/name[@revision]").required();
  options.add_option("prompt", args->prompt, "one prompt; without it, a conversation (or the prompt from a pipe)");
  options.add_option("--system", args->system, "system message");
  options.add_option("--adapter", args->adapter, "LoRA adapter: a folder for a local model, else a repository");
  options.add_flag("--complete", args->complete, "continue the text as it is, without the chat template");
  options.add_option("--max-tokens", args->max_tokens, "longest answer, in tokens").capture_default_str();
  options.add_option("--temperature", args->temperature, "0 = always the likeliest token").capture_default_str();
  options.add_option("--top-p", args->top_p, "nucleus sampling").capture_default_str();
  options.add_option("--seed", args->seed, "same seed, same answer").capture_default_str();
  options.callback([args, &globals, &run] { run = [args, &globals] { return run_model(*args, globals); }; });
}

}  // namespace lyceum::cli
