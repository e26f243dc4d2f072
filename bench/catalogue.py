#!/usr/bin/env python3
"""Lists, filters and searches of a large catalogue against the real program: p50 and p99 of the answer as a client sees it, and the hub's
own CPU time a query. The second is what to trust on a shared machine.

    python3 bench/catalogue_generate.py --models 2000000 --out /tmp/models.jsonl
    LYCEUM_BIN=build/release/src/app/lyceum python3 bench/catalogue.py --import /tmp/models.jsonl --data /tmp/catalogue
    LYCEUM_BIN=… python3 bench/catalogue.py --data /tmp/catalogue          # again, without the import
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import statistics
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
import harness  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mib(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024


def misspelt(r, word):
    at = r.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2:] if r.random() < 0.5 else word[:at] + word[at + 1:]


def query_kinds(r, sample):
    """name -> a function that makes one address."""
    def q(path, **parameters):
        return path + "?" + urllib.parse.urlencode(parameters, doseq=True)
    def word():
        return r.choice([w for w in r.choice(sample)["id"].split("/")[1].split("-") if len(w) >= 5] or ["mistral"])
    def tag():
        return r.choice(r.choice(sample)["tags"])
    def base():
        while True:
            for one in r.choice(sample)["tags"]:
                if one.startswith("base_model:"):
                    return one
    families = ["llama", "qwen", "mistral", "gemma", "bert", "whisper", "stable"]
    licences = ["license:mit", "license:apache-2.0", "license:gemma"]
    return {
        "list, by trending": lambda: q("/api/models"),
        "list, by a random sort": lambda: q("/api/models", sort=r.choice(["downloads", "likes", "lastModified", "createdAt", "num_parameters", "id"])),
        "filter, one tag of a random model": lambda: q("/api/models", filter=tag(), sort="downloads"),
        "filter, task, licence and language": lambda: q("/api/models", pipeline_tag=r.choice(["text-generation", "fill-mask"]), filter=[r.choice(licences), r.choice(["en", "zh", "ja"])], sort="downloads"),
        "filter, tags that never meet": lambda: q("/api/models", filter=["stable-baselines3", "sentence-transformers"], sort="likes"),
        "filter, sizes": lambda: q("/api/models", num_parameters=r.choice(["min:6B,max:9B", "min:60B", "max:500M"]), sort="downloads"),
        "filter, author": lambda: q("/api/models", author=r.choice(sample)["id"].split("/")[0]),
        "children of a base model": lambda: q("/api/models", filter=base(), sort="lastModified"),
        "search=, a common word": lambda: q("/api/models", search=r.choice(families), sort="downloads"),
        "search=, a rare word": lambda: q("/api/models", search=word(), sort="downloads"),
        "search=, not there": lambda: q("/api/models", search="zz" + word() + "zz"),
        "words, common": lambda: q("/api/lyceum/search", q=r.choice(families) + " " + r.choice(["instruct", "7b", "code", "gguf"])),
        "words, rare": lambda: q("/api/lyceum/search", q=word()),
        "words, misspelt": lambda: q("/api/lyceum/search", q=misspelt(r, word())),
        "words, beginning": lambda: q("/api/quicksearch", q=word()[:r.choice((3, 4, 5))]),
        "facets of everything": lambda: q("/api/lyceum/search", facets=1),
        "facets of a word and a tag": lambda: q("/api/lyceum/search", q=r.choice(families), filter=r.choice(licences), facets=1),
        "a page of models with full=true": lambda: q("/api/models", full="true", sort="downloads"),
        "tags by kind": lambda: "/api/models-tags-by-type",
        "model tree: children by relation": lambda: "/api/models/" + base().split(":")[-1] + "?expand=childrenModelCount",
        "one model's information": lambda: "/api/models/" + r.choice(sample)["id"],
    }


def measure(connection, pid, make, count):
    for _ in range(3):
        ask(connection, make())
    times, before = [], cpu_seconds(pid)
    for _ in range(count):
        target = make()
        start = time.perf_counter()
        ask(connection, target)
        times.append((time.perf_counter() - start) * 1000)
    cpu = (cpu_seconds(pid) - before) * 1000 / count
    times.sort()
    return {"p50_ms": statistics.median(times), "p99_ms": times[min(count - 1, int(count * 0.99))], "cpu_ms": cpu}


def ask(connection, target):
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{target}: {answer.status} {body[:300]}")


def pages(connection, count):
    """Follows the cursor; a listing that skips by offset gets slower with every page."""
    target, times = "/api/models?limit=1000&sort=downloads", []
    for _ in range(count):
        start = time.perf_counter()
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - start) * 1000)
        if not answer.headers["Link"]:
            break
        target = "/" + answer.headers["Link"].split("<", 1)[1].split(">", 1)[0].split("/", 3)[3]
    return times


# What a person means, and how it comes out when typed in haste.
MISSPELLINGS = """lama llama|llamma llama|lllama llama|llmaa llama|qwne qwen|qewn qwen|qwenn qwen|mistrl mistral|misral mistral|mistrall mistral|msitral mistral|gema gemma|gemmma gemma|gmema gemma
wisper whisper|whsiper whisper|whispr whisper|distillbert distilbert|distilbret distilbert|robreta roberta|robertta roberta|difusion diffusion|diffussion diffusion|diffsuion diffusion
deepsek deepseek|depseek deepseek|deepseak deepseek|falcn falcon|flacon falcon|mixtrl mixtral|mixtarl mixtral|granit granite|granitte granite|starcodr starcoder|starkcoder starcoder
codelama codellama|codellma codellama|interlm internlm|internml internlm|sumarizer summarizer|sumarizr summarizer|translaton translation|tranlsation translation|sentimnt sentiment|sentmient sentiment
experimnt experiment|clasifier classifier|classifer classifier|embeding embedding|roleplya roleplay|finetunned finetuned|instuct instruct"""


def spelling(connection):
    """How often the first ten hits are what was meant, and which words fail."""
    pairs, missed, share = [one.split() for one in MISSPELLINGS.replace("\n", "|").split("|")], [], 0.0
    for typed, meant in pairs:
        connection.request("GET", "/api/lyceum/search?" + urllib.parse.urlencode({"q": typed, "limit": 10}))
        names = [one["id"].lower() for one in json.loads(connection.getresponse().read())["items"]]
        good = sum(meant in name for name in names)
        share += good / max(1, len(names))
        if good == 0:
            missed.append(f"{typed}: {names[:2]}")
    return {"words": len(pairs), "hits_at_10": round(1 - len(missed) / len(pairs), 3), "share_of_the_ten": round(share / len(pairs), 3), "missed": missed}


def every_page(connection):
    """To the end of the listing: each model exactly once."""
    target, seen, count, start = "/api/models?limit=1000&sort=downloads&expand=sha", set(), 0, time.perf_counter()
    while target:
        connection.request("GET", target)
        answer = connection.getresponse()
        ids = [one["id"] for one in json.loads(answer.read())]
        count += len(ids)
        seen.update(ids)
        link = answer.headers["Link"]
        target = "/" + link.split("<", 1)[1].split(">", 1)[0].split("/", 3)[3] if link else None
    return {"models": count, "different": len(seen), "seconds": round(time.perf_counter() - start, 1)}


def writes(connection, token, pid, count):
    """New repositories, commits and likes beside the catalogue, each looked for at once after it was acknowledged."""
    head = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}

    def send(method, target, body=None):
        start = time.perf_counter()
        connection.request(method, target, json.dumps(body) if isinstance(body, dict) else body, head)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{target}: {answer.status} {text[:300]}")
        return (time.perf_counter() - start) * 1000, text

    def finds(name, **filters):
        return any(one["id"] == name for one in json.loads(send("GET", "/api/models?" + urllib.parse.urlencode({"search": name, **filters}))[1]))

    stamp = format(time.time_ns() // 1_000_000, "x")
    times, before = {"create": [], "commit": [], "like": []}, cpu_seconds(pid)
    for number in range(count):
        name = f"admin/written-{stamp}-{number}"
        times["create"].append(send("POST", "/api/repos/create", {"type": "model", "name": name.split("/")[1]})[0])
        assert finds(name), "a new repository is listed at once"
        readme = "---\nlicense: mit\nlanguage: eo\n---\n"
        lines = [{"key": "header", "value": {"summary": "x"}}, {"key": "file", "value": {"path": "README.md", "content": readme, "encoding": "utf-8"}}]
        times["commit"].append(send("POST", f"/api/models/{name}/commit/main", "\n".join(map(json.dumps, lines)))[0])
        assert finds(name, filter="eo"), "a commit's card is searched at once"
        times["like"].append(send("POST", f"/api/models/{name}/like", {})[0])
    out = {kind: {"p50_ms": round(statistics.median(one), 1), "max_ms": round(max(one), 1)} for kind, one in times.items()}
    return out | {"hub_cpu_ms_each_with_its_two_lookups": round((cpu_seconds(pid) - before) * 1000 / count, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--import", dest="file")
    parser.add_argument("--sample", help="the imported file, for names and tags to ask for; default: --import")
    parser.add_argument("--data", required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--all-pages", action="store_true", help="follow the cursor to the end, too")
    args = parser.parse_args()
    data = pathlib.Path(args.data)
    token_file = data.parent / (data.name + ".token")
    server = harness.Server(data, token=token_file.read_text() if token_file.exists() else None)
    start = time.perf_counter()
    server.start()
    pid = server.process.pid
    out = {"start_s": round(time.perf_counter() - start, 2), "start_cpu_s": round(cpu_seconds(pid), 2), "start_rss_mib": round(memory_mib(pid, "VmRSS"))}
    token_file.write_text(server.token)
    try:
        if args.file:
            before, start = cpu_seconds(pid), time.perf_counter()
            report = json.loads(harness.lyceum("catalogue", "import", args.file, "--json", env=server.environment(data.parent / "home"), timeout=7200).stdout)
            seconds, cpu = time.perf_counter() - start, cpu_seconds(pid) - before
            added = report["added"] + report["updated"]
            out["import"] = {"models": added, "refused": report["refused"], "per_s": round(added / seconds), "hub_cpu_us_per_model": round(cpu / added * 1e6, 1)}
            server.stop()
            start = time.perf_counter()
            server.start()
            pid = server.process.pid
            out["restart_s"], out["restart_cpu_s"] = round(time.perf_counter() - start, 2), round(cpu_seconds(pid), 2)
        r = random.Random(5)
        with open(args.sample or args.file) as file:
            sample = [json.loads(line) for number, line in enumerate(file) if number % 97 == 0]
        connection = http.client.HTTPConnection(*server.url.split("//")[1].split(":"))
        print(f"{'query':38} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8}")
        out["queries"] = {}
        for name, make in query_kinds(r, sample).items():
            figures = measure(connection, pid, make, args.count)
            out["queries"][name] = {key: round(value, 2) for key, value in figures.items()}
            print(f"{name:38} {figures['p50_ms']:8.2f} {figures['p99_ms']:8.2f} {figures['cpu_ms']:8.2f}", flush=True)
        times = pages(connection, 100)
        out["pages_of_1000_ms"] = {"first_ten": round(statistics.mean(times[:10]), 1), "last_ten": round(statistics.mean(times[-10:]), 1)}
        out["spelling"] = spelling(connection)
        out["writes"] = writes(connection, server.token, pid, args.count // 4)
        if args.all_pages:
            out["every_page"] = every_page(connection)
        out["rss_mib"], out["rss_peak_mib"] = round(memory_mib(pid, "VmRSS")), round(memory_mib(pid, "VmHWM"))
    finally:
        server.stop()
    print(json.dumps(out))


if __name__ == "__main__":
    main()
