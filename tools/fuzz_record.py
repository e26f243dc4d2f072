#!/usr/bin/env python3
"""Runs every fuzzer of a build and prints the table of docs/fuzzing.md: executions, libFuzzer's edges, and the lines of the parsers that the
corpus reaches, by llvm-cov. Ends with 1 if one of them found something.

usage: fuzz_record.py BUILD_FOLDER SECONDS CORPUS_FOLDER [NAME]     (./dev fuzzrecord)

Parsers: the sources whose headers a fuzzer includes and the one it is named after, with what else begins with that name.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXECUTIONS_MAX = 2_000_000


def parsers_of(fuzzer_source):
    headers = [ROOT / "src" / name for name in re.findall(r'#include "([a-z0-9_/]+\.h)"', fuzzer_source.read_text())]
    stems = [fuzzer_source.with_name(fuzzer_source.name.replace("_fuzz.cpp", "")), *(one.with_suffix("") for one in headers if one.parent.name != "base")]
    found = {path for stem in stems for path in stem.parent.glob(stem.name + "*.cpp")}
    return sorted(path for path in found if not path.stem.endswith(("_test", "_fuzz", "_writer")))


def run(fuzzer, seconds, corpus, findings):
    command = [fuzzer, f"-max_total_time={seconds}", f"-runs={EXECUTIONS_MAX}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={findings}/", corpus]
    result = subprocess.run([str(one) for one in command], capture_output=True, text=True, errors="replace", env={**os.environ, "LLVM_PROFILE_FILE": "/dev/null"})
    executions = re.search(r"number_of_executed_units: (\d+)", result.stderr)
    edges = re.findall(r"cov: (\d+) ft: (\d+)", result.stderr)
    return result, int(executions[1]) if executions else 0, edges[-1] if edges else ("?", "?")


def line_coverage(fuzzer, corpus, sources, scratch):
    if not sources:
        return "?"
    raw, merged = scratch / "one.profraw", scratch / "one.profdata"
    subprocess.run([str(fuzzer), "-runs=0", str(corpus)], capture_output=True, env={**os.environ, "LLVM_PROFILE_FILE": str(raw)})
    subprocess.run(["llvm-profdata-14", "merge", "-sparse", str(raw), "-o", str(merged)], check=True, capture_output=True)
    report = subprocess.run(["llvm-cov-14", "export", "-summary-only", f"-instr-profile={merged}", str(fuzzer)], check=True, capture_output=True, text=True).stdout
    wanted = {str(path.relative_to(ROOT)) for path in sources}  # the mapping's names are relative to wherever it was compiled
    files = [one["summary"]["lines"] for one in json.loads(report)["data"][0]["files"] if any(one["filename"].endswith(path) for path in wanted)]
    covered, count = sum(one["covered"] for one in files), sum(one["count"] for one in files)
    raw.unlink(), merged.unlink()
    return f"{covered} of {count} ({100 * covered / count:.0f} %)" if count else "?"


def main():
    build, seconds, corpora = pathlib.Path(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
    wanted = sys.argv[4] if len(sys.argv) > 4 else ""
    corpora.mkdir(parents=True, exist_ok=True)
    scratch = corpora.parent / "fuzz-record"
    scratch.mkdir(exist_ok=True)
    found = []
    print("| fuzzer | executions | edges / features | lines of the parsers | corpus |\n|---|---|---|---|---|", flush=True)
    for source in sorted((ROOT / "src").rglob("*_fuzz.cpp"), key=lambda path: path.name):
        name = source.name.replace("_fuzz.cpp", "")
        fuzzer = build / "src" / source.relative_to(ROOT / "src").parts[0] / f"fuzz_{name}"
        if name == "canary" or wanted not in name:
            continue
        if not fuzzer.exists():
            raise SystemExit(f"{fuzzer} was not built")
        corpus = corpora / f"fuzz_{name}"
        corpus.mkdir(exist_ok=True)
        result, executions, (edges, features) = run(fuzzer, seconds, corpus, scratch)
        if result.returncode != 0:
            found.append(name)
            print(result.stderr[-3000:], file=sys.stderr, flush=True)
        lines = line_coverage(fuzzer, corpus, parsers_of(source), scratch)
        print(f"| `{name}` | {executions:,} | {edges} / {features} | {lines} | {len(list(corpus.iterdir()))} |", flush=True)
    if found:
        raise SystemExit("findings: " + ", ".join(found))


if __name__ == "__main__":
    main()
