#!/usr/bin/env python3
"""Decode and prompt speed of the engine and of llama.cpp, by turns on the same files of random weights; prints the paired table.

usage: ./dev bench engine [--shape qwen2-0.5b] [--types Q8_0,Q4_0,Q4_K_M,BF16] [--rounds 5] [--prompt 128] [--decode 32] [--exact] [--streams 1]

LLAMA_BENCH names a llama-bench (llama.cpp: cmake -B build -DGGML_NATIVE=ON && cmake --build build --target llama-bench). Without it only our columns are
printed. Ratios are medians of paired rounds: each round runs both, the order swapped every time. "Of memory" is what decoding reads of weights against what
plain reading of memory gets in the same process, seconds before. CPU-s is CPU time per 1,000 tokens; llama-bench's is the difference of a long and a short
run, so that loading and warming up do not count. On a machine that others use, `--threads 1` and the ratio of CPU-s are what to look at.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import random_gguf  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("LYCEUM_CACHE", pathlib.Path.home() / ".cache/lyceum")) / "bench"


def cpu_seconds_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command):
    before = cpu_seconds_of_children()
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr[-600:]}")
    return done.stdout, cpu_seconds_of_children() - before


def ours(program, model, arguments, what):
    prompt, decode = (arguments.prompt, 0) if what == "prompt" else (0, arguments.decode)
    out, _ = run([program, "--model", model, "--prompt", prompt, "--decode", decode, "--sequences", arguments.streams, "--threads", arguments.threads,
                  "--products", "exact" if arguments.exact else "integer"])
    rows = [json.loads(line) for line in out.splitlines()]
    row = next(row for row in rows if row["what"] == what)
    return {"tokens_s": row["tokens_s"], "cpu": row["cpu_s"] / row["tokens"], "of_memory": row.get("of_memory"), "gb_s": rows[0]["gb_s"]}


def theirs(program, model, arguments, what):
    def once(tokens):
        shape = ["-p", tokens, "-n", 0] if what == "prompt" else ["-p", 0, "-n", tokens]
        out, cpu = run([program, "-m", model, "-t", arguments.threads, *shape, "-r", 1, "-o", "json"])
        return json.loads(out)[0]["avg_ts"], cpu

    # The warm-up is a whole prompt, or one token of decoding.
    tokens = arguments.prompt if what == "prompt" else arguments.decode
    short = tokens // 4
    speed, cpu = once(tokens)
    _, short_cpu = once(short)
    passes = 2 if what == "prompt" else 1
    return {"tokens_s": speed, "cpu": max(cpu - short_cpu, 0) / (passes * (tokens - short))}


def model_file(shape, kind):
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{shape}-{kind}.gguf"
    if not path.exists():
        partial = path.with_suffix(".partial")
        random_gguf.write(partial, shape, kind)
        partial.rename(path)
    return path


def median(values):
    return statistics.median(values) if values else float("nan")


def measure(arguments, program, peer, kind, what):
    model = model_file(arguments.shape, kind)
    pairs = []
    for round_ in range(arguments.rounds):
        sides = {}
        for side in ("ours", "theirs") if round_ % 2 == 0 else ("theirs", "ours"):
            if side == "ours":
                sides[side] = ours(program, model, arguments, what)
            elif peer:
                sides[side] = theirs(peer, model, arguments, what)
        pairs.append(sides)
    ours_rows = [pair["ours"] for pair in pairs]
    row = {"shape": arguments.shape, "type": kind, "what": what, "ours": median([r["tokens_s"] for r in ours_rows]), "best": max(r["tokens_s"] for r in ours_rows),
           "cpu": 1000 * median([r["cpu"] for r in ours_rows]), "gb_s": median([r["gb_s"] for r in ours_rows])}
    if what == "decode":
        row["of_memory"] = median([r["of_memory"] for r in ours_rows])
    if peer:
        row |= {"theirs": median([p["theirs"]["tokens_s"] for p in pairs]), "theirs_best": max(p["theirs"]["tokens_s"] for p in pairs), "theirs_cpu": 1000 * median([p["theirs"]["cpu"] for p in pairs]),
                "cpu_ratio": median([p["theirs"]["cpu"] / p["ours"]["cpu"] for p in pairs]), "ratio": median([p["ours"]["tokens_s"] / p["theirs"]["tokens_s"] for p in pairs])}
    return row


def show(row):
    peer = f"{row['theirs']:8.1f} ({row['theirs_best']:.1f}) | {row['ratio']:5.2f} | {row['cpu']:.1f} / {row['theirs_cpu']:.1f} | {row['cpu_ratio']:.2f}" if "theirs" in row else f"- | - | {row['cpu']:.1f} | -"
    share = f"{100 * row['of_memory']:.0f} % of {row['gb_s']:.1f} GB/s" if "of_memory" in row else ""
    print(f"| {row['shape']} {row['type']} {row['what']} | {row['ours']:8.1f} ({row['best']:.1f}) | {peer} | {share} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=ROOT / "build/release/bench/bench_engine", type=pathlib.Path)
    parser.add_argument("--shape", default="qwen2-0.5b", choices=random_gguf.SHAPES)
    parser.add_argument("--types", default="Q8_0,Q4_0,Q4_K_M,BF16")
    parser.add_argument("--what", default="decode,prompt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--streams", type=int, default=1, help="sequences decoded at once; the peer's column is for one")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--exact", action="store_true", help="our exact products instead of the integer ones")
    arguments = parser.parse_args()
    peer = os.environ.get("LLAMA_BENCH")
    if not peer:
        print("LLAMA_BENCH is not set: our columns only. Point it at a llama-bench to compare.", file=sys.stderr)
    print("| case | ours, tokens/s: median (best) | llama.cpp | ratio | CPU-s per 1,000 tokens, ours / theirs | ratio | of memory |\n|---|---|---|---|---|---|---|", flush=True)
    for kind in arguments.types.split(","):
        for what in arguments.what.split(","):
            show(measure(arguments, arguments.program, peer, kind, what))


if __name__ == "__main__":
    main()
