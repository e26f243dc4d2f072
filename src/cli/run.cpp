// lyceum run: chat with a model in the terminal. A path runs the model in this process; a repository name goes through the
// hub's OpenAI API, so that the model stays loaded between runs.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "base/clock.h"
#include "cli/hub_client.h"
#include "cli/line_editor.h"
#include "cli/snapshot.h"
#include "engine/engine.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string model, prompt, system, adapter;
  bool complete = false, speed = false;
  uint32_t max_tokens = 256;
  double temperature = 0.7;
  double top_p = 0.95;
  uint64_t seed = 0;
};

volatile std::sig_atomic_t interrupted = 0;

constexpr uint64_t kFileBytesMax = 1u << 20;   // that /file reads

struct Answer {
  std::string text;
  uint64_t prompt_tokens = 0, cached_tokens = 0, tokens = 0;
  double first_s = 0, total_s = 0;    // until its first piece, until its end
};

// Where the words come from: two implementations, one conversation loop.
class Speaker {
 public:
  virtual ~Speaker() = default;
  uint64_t seed = 0;
  // Streams pieces to out; returns the whole answer.
  virtual Answer chat(const json::array& messages, const std::function<void(std::string_view)>& out) = 0;
  virtual Answer complete(const std::string& prompt, const std::function<void(std::string_view)>& out) = 0;
};

class LocalSpeaker final : public Speaker {
 public:
  explicit LocalSpeaker(const Args& args) : args_(args), engine_(engine::Engine::open(args.model, {})) {
    if (!args.adapter.empty()) engine_->load_adapter("adapter", args.adapter);
  }
  Answer chat(const json::array& messages, const std::function<void(std::string_view)>& out) override {
    if (engine_->chat_template() == nullptr) {
      throw Error(Code::unprocessable, args_.model + " has no chat template; use --complete to continue plain text");
    }
    text::ChatInputs inputs;
    inputs.messages = messages;
    return generate(engine_->render_chat(inputs), out);
  }
  Answer complete(const std::string& prompt, const std::function<void(std::string_view)>& out) override {
    return generate(engine_->tokenizer().encode(prompt), out);
  }

 private:
  Answer generate(std::vector<int32_t> prompt, const std::function<void(std::string_view)>& out) {
    engine::GenerateRequest request;
    request.prompt = std::move(prompt);
    request.adapter = args_.adapter.empty() ? "" : "adapter";
    request.max_tokens = args_.max_tokens;
    request.sampling.temperature = static_cast<float>(args_.temperature);
    request.sampling.top_p = static_cast<float>(args_.top_p);
    request.sampling.seed = seed;
    Answer answer;
    const double started = monotonic_seconds();
    const auto result = engine_->generate(request, [&](const engine::GeneratedToken& token) {
      if (answer.first_s == 0) answer.first_s = monotonic_seconds() - started;
      answer.text += token.text;
      out(token.text);
      return interrupted == 0;
    });
    if (result.finish == engine::Finish::error) throw Error(Code::internal, result.error);
    answer.total_s = monotonic_seconds() - started;
    answer.prompt_tokens = result.prompt_tokens;
    answer.cached_tokens = result.cached_prompt_tokens;
    answer.tokens = result.completion_tokens;
    return answer;
  }

  const Args& args_;
  std::unique_ptr<engine::Engine> engine_;
};

class RemoteSpeaker final : public Speaker {
 public:
  RemoteSpeaker(const Args& args, const Globals& globals) : args_(args), hub_(globals) {}
  Answer chat(const json::array& messages, const std::function<void(std::string_view)>& out) override {
    return stream("/v1/chat/completions", {{"messages", messages}}, out);
  }
  Answer complete(const std::string& prompt, const std::function<void(std::string_view)>& out) override {
    return stream("/v1/completions", {{"prompt", prompt}}, out);
  }

 private:
  Answer stream(const std::string& target, json::object body, const std::function<void(std::string_view)>& out) {
    body["model"] = args_.adapter.empty() ? args_.model : args_.adapter;
    body["stream"] = true;
    body["stream_options"] = json::object{{"include_usage", true}};
    body["max_tokens"] = args_.max_tokens;
    body["temperature"] = args_.temperature;
    body["top_p"] = args_.top_p;
    body["seed"] = seed;
    http::ClientRequest request;
    request.method = "POST";
    request.target = target;
    request.headers.set("Content-Type", "application/json");
    request.body = json::serialize(body);
    std::string pending;
    Answer answer;
    const double started = monotonic_seconds();
    hub_.request(std::move(request), [&](std::string_view bytes) {
      pending += bytes;
      for (size_t end = pending.find("\n\n"); end != std::string::npos; end = pending.find("\n\n")) {
        const std::string piece = read_event(std::string_view(pending).substr(0, end), answer);
        pending.erase(0, end + 2);
        if (answer.first_s == 0 && !piece.empty()) answer.first_s = monotonic_seconds() - started;
        answer.text += piece;
        out(piece);
      }
      return interrupted == 0;
    });
    answer.total_s = monotonic_seconds() - started;
    return answer;
  }

  // The text of an event; its usage, if it has one, goes into `answer`.
  static std::string read_event(std::string_view event, Answer& answer) {
    if (!event.starts_with("data: ") || event == "data: [DONE]") return {};
    const json::value value = parse_json(event.substr(6), "stream event");
    const json::object& object = get_object(value, "stream event");
    if (const json::object* error = find_object(object, "error")) throw Error(Code::internal, get_string(*error, "message"));
    if (const json::object* usage = find_object(object, "usage")) {
      answer.prompt_tokens = static_cast<uint64_t>(find_int(*usage, "prompt_tokens").value_or(0));
      answer.tokens = static_cast<uint64_t>(find_int(*usage, "completion_tokens").value_or(0));
      if (const json::object* details = find_object(*usage, "prompt_tokens_details")) answer.cached_tokens = static_cast<uint64_t>(find_int(*details, "cached_tokens").value_or(0));
    }
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

// "37 tokens, 12.3 a second, the first after 0.2 s; prompt of 340 tokens, 320 of them from the cache".
std::string speed_line(const Answer& answer) {
  std::string out = fmt::format("{} tokens", answer.tokens);
  if (answer.tokens > 1 && answer.total_s > answer.first_s) out += fmt::format(", {:.1f} a second", static_cast<double>(answer.tokens - 1) / (answer.total_s - answer.first_s));
  out += fmt::format(", the first after {:.1f} s; prompt of {} tokens", answer.first_s, answer.prompt_tokens);
  if (answer.cached_tokens > 0) out += fmt::format(", {} of them from the cache", answer.cached_tokens);
  return out;
}

json::object to_json(const Args& args, const Answer& answer) {
  return {{"model", args.model}, {"text", answer.text}, {"prompt_tokens", answer.prompt_tokens}, {"cached_tokens", answer.cached_tokens}, {"tokens", answer.tokens},
          {"first_token_s", answer.first_s}, {"seconds", answer.total_s}};
}

int one_answer(const Args& args, const Globals& globals, Speaker& speaker, const std::string& prompt) {
  const auto show = [&](std::string_view piece) {
    if (!globals.json) std::cout << piece << std::flush;
  };
  json::array messages;
  if (!args.system.empty()) messages.push_back({{"role", "system"}, {"content", args.system}});
  messages.push_back({{"role", "user"}, {"content", prompt}});
  const Answer answer = args.complete ? speaker.complete(prompt, show) : speaker.chat(messages, show);
  if (globals.json) {
    print_json(to_json(args, answer));
  } else {
    std::cout << "\n";
    if (args.speed) std::cerr << speed_line(answer) << "\n";
  }
  return 0;
}

constexpr const char* kHelp =
    "  /new            start over\n"
    "  /system TEXT    start over with this system message; without TEXT, with none\n"
    "  /file PATH      put a file into the next message\n"
    "  /undo           take back the last message and its answer\n"
    "  /again          answer the last message once more\n"
    "  /help           this list\n"
    "  A line that ends with \\ goes on in the next; between lines of \"\"\" all is one message.\n"
    "  Ctrl-C stops an answer, Ctrl-D leaves.\n";

class Conversation {
 public:
  Conversation(const Args& args, Speaker& speaker) : args_(args), speaker_(speaker), system_(args.system) { start_over(); }

  void take(const std::string& text) {
    if (text.starts_with('/') && command(text)) return;
    messages_.push_back({{"role", "user"}, {"content", attached_ + text}});
    attached_.clear();
    answer();
  }

 private:
  void start_over() {
    messages_.clear();
    attached_.clear();
    if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
  }
  static std::string role_of(const json::value& message) { return get_string(message.as_object(), "role"); }

  // What is no command is a message: paths and code begin with a slash, too.
  bool command(const std::string& text) {
    const size_t space = text.find(' ');
    const std::string name = text.substr(0, space), rest = space == std::string::npos ? "" : text.substr(space + 1);
    if (name == "/new") {
      start_over();
    } else if (name == "/system") {
      system_ = rest;
      start_over();
    } else if (name == "/file") {
      attach(rest);
    } else if (name == "/undo") {
      undo();
    } else if (name == "/again") {
      again();
    } else if (name == "/help") {
      std::cerr << kHelp;
    } else {
      return false;
    }
    return true;
  }

  void attach(const std::string& path) {
    try {
      attached_ += path + ":\n```\n" + read_file(path, kFileBytesMax) + "\n```\n\n";
      std::cerr << path << " comes with your next message.\n";
    } catch (const Error& error) {
      std::cerr << error.what() << "\n";
    }
  }
  void undo() {
    while (!messages_.empty() && role_of(messages_.back()) == "assistant") messages_.pop_back();
    if (!messages_.empty() && role_of(messages_.back()) == "user") messages_.pop_back();
  }
  void again() {
    if (messages_.empty() || role_of(messages_.back()) != "assistant") return;
    messages_.pop_back();
    ++speaker_.seed;
    answer();
  }

  void answer() {
    interrupted = 0;
    const auto show = [](std::string_view piece) { std::cout << piece << std::flush; };
    try {
      const Answer answer = args_.complete ? speaker_.complete(get_string(messages_.back().as_object(), "content"), show) : speaker_.chat(messages_, show);
      std::cout << "\n";
      if (::isatty(STDERR_FILENO) != 0) std::cerr << "\033[2m" << speed_line(answer) << "\033[0m\n";
      messages_.push_back({{"role", "assistant"}, {"content", answer.text}});
    } catch (const Error& error) {
      // The conversation goes on: a message too many for the context, say, can be taken back by its author.
      std::cerr << "\n" << error.what() << "\n";
      messages_.pop_back();
    }
  }

  const Args& args_;
  Speaker& speaker_;
  std::string system_, attached_;
  json::array messages_;
};

int converse(const Args& args, Speaker& speaker) {
  std::cerr << "Talking to " << args.model << ". /help lists what you can do; Ctrl-C stops an answer, Ctrl-D leaves.\n";
  LineEditor editor(cache_folder().parent_path() / "history");
  Conversation conversation(args, speaker);
  std::signal(SIGINT, [](int) { interrupted = 1; });
  while (const auto text = editor.read()) {
    if (!text->empty()) conversation.take(*text);
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
  speaker->seed = args.seed;
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
  options.add_flag("--speed", args->speed, "say how fast the answer came; a conversation always does");
  options.add_option("--max-tokens", args->max_tokens, "longest answer, in tokens").capture_default_str();
  options.add_option("--temperature", args->temperature, "0 = always the likeliest token").capture_default_str();
  options.add_option("--top-p", args->top_p, "nucleus sampling").capture_default_str();
  options.add_option("--seed", args->seed, "same seed, same answer").capture_default_str();
  options.callback([args, &globals, &run] { run = [args, &globals] { return run_model(*args, globals); }; });
}

}  // namespace lyceum::cli
