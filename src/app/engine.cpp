// lyceum engine: one model in memory behind a Unix socket. The hub starts it; a person can, too, with a port instead of a socket.
#include <signal.h>

#include "api/openai/engine_server.h"
#include "app/commands.h"

namespace lyceum::app {
namespace {

struct Args {
  std::string model, name, socket, draft, address = "127.0.0.1";
  std::vector<std::string> adapters;
  uint16_t port = 0;
  unsigned threads = 0, draft_tokens = 0;
  uint64_t kv_mib = 1024;
  bool lifeline = false, exact = false, no_prompt_lookup = false;
};

int run_engine(const Args& args) {
  // The hub blocks its stop signals in every thread, and a started process inherits that.
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  api::EngineServerOptions options;
  options.model = args.model;
  options.name = args.name;
  for (const std::string& adapter : args.adapters) {
    const size_t equals = adapter.find('=');
    if (equals == std::string::npos) throw Error(Code::invalid_argument, "--adapter needs name=folder, not '" + adapter + "'");
    options.adapters.emplace_back(adapter.substr(0, equals), adapter.substr(equals + 1));
  }
  options.http.unix_socket = args.socket;
  options.http.address = args.address;
  options.http.port = args.port;
  options.engine.threads = args.threads;
  options.engine.kv_bytes_max = args.kv_mib << 20;
  options.engine.integer_products = !args.exact;
  options.engine.prompt_lookup = !args.no_prompt_lookup;
  options.engine.draft_model = args.draft;
  options.engine.draft_tokens = args.draft_tokens;
  options.stop_at_end_of_input = args.lifeline;
  api::run_engine_server(options);
  return 0;
}

}  // namespace

void configure_engine(cli::Options& options, const cli::Globals&, cli::Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("--model", args->model, "folder or file with the model").required();
  options.add_option("--name", args->name, "id the model answers to; default: the folder's name");
  options.add_option("--adapter", args->adapters, "name=folder of a LoRA adapter; repeat for several");
  options.add_option("--socket", args->socket, "Unix socket to listen on");
  options.add_option("--address", args->address, "address to listen on, when no socket is given");
  options.add_option("--port", args->port, "port to listen on, when no socket is given");
  options.add_option("--threads", args->threads, "0 = one per core");
  options.add_option("--kv-mib", args->kv_mib, "memory for the key-value cache of all requests together, in MiB").capture_default_str();
  options.add_option("--draft", args->draft, "folder or file of a smaller model with the same vocabulary, which guesses tokens; the answers are the same");
  options.add_option("--draft-tokens", args->draft_tokens, "how many tokens it guesses at a time; 0 = as many as pay, by what is measured").capture_default_str();
  options.add_flag("--no-prompt-lookup", args->no_prompt_lookup, "do not guess tokens from a request's own text; the answers are the same");
  options.add_flag("--exact", args->exact, "multiply with quantised weights exactly, not with activations rounded to 8 bits: several times slower");
  options.add_flag("--lifeline", args->lifeline, "end when standard input closes: the hub that started this process has gone");
  options.callback([args, &run] { run = [args] { return run_engine(*args); }; });
}

}  // namespace lyceum::app
