#!/usr/bin/env python3
"""Tokens per second of one model through the OpenAI API: prompt, decode alone, decode of several requests at once.

usage: LYCEUM_BIN=… python bench/serve.py [--model lyceum/stdlib-coder-3m] [--requests 8]
"""
import argparse
import json
import pathlib
import shutil
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import harness  # noqa: E402

PROMPT = "".join(f"def function_{i}(argument_{i}):\n    return argument_{i} + {i}\n\n" for i in range(40))


def ask(server, model, prompt, tokens):
    body = json.dumps({"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}).encode()
    request = urllib.request.Request(server.url + "/v1/completions", data=body, headers={"Content-Type": "application/json", "Authorization": "Bearer " + server.token})
    started = time.time()
    usage = json.loads(urllib.request.urlopen(request, timeout=300).read())["usage"]
    return usage, time.time() - started


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="lyceum/stdlib-coder-3m")
    parser.add_argument("--requests", type=int, default=8)
    arguments = parser.parse_args()
    folder = harness.temporary_folder()
    try:
        with harness.Server(folder / "data", starter=harness.ROOT / "starter") as server:
            ask(server, arguments.model, "x", 4)  # loads the model
            for repeat in range(3):
                usage, seconds = ask(server, arguments.model, f"# {repeat}\n" + PROMPT, 1)
                print(json.dumps({"what": "prompt", "tokens": usage["prompt_tokens"], "tokens_per_s": round(usage["prompt_tokens"] / seconds, 1)}))
                usage, seconds = ask(server, arguments.model, f"# {repeat}\nimport os\n", 200)
                print(json.dumps({"what": "decode, 1 request", "tokens_per_s": round(usage["completion_tokens"] / seconds, 1)}))
                counts = []
                threads = [threading.Thread(target=lambda i=i: counts.append(ask(server, arguments.model, f"# {repeat} {i}\nimport os\n", 200)[0]["completion_tokens"]))
                           for i in range(arguments.requests)]
                started = time.time()
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                print(json.dumps({"what": f"decode, {arguments.requests} requests", "tokens_per_s": round(sum(counts) / (time.time() - started), 1)}), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
