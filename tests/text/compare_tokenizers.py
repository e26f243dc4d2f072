"""Compares our tokenizers with Hugging Face `tokenizers` on real vocabularies: ids, decoded text, streamed text.

    python tests/text/compare_tokenizers.py [--count 12000] [--tool PATH] [name or path to a tokenizer.json …]

Prints "N strings, D differences" for each tokenizer and exits 1 on any difference.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import tokenizers

import npm_packages
import strings


def run_ours(tool: pathlib.Path, path: pathlib.Path, requests: list) -> list:
    lines = "".join(json.dumps(r) + "\n" for r in requests)
    done = subprocess.run([tool, "encode", path], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode("utf-8").split("\n") if line]


def compare(tool: pathlib.Path, name: str, path: pathlib.Path, count: int) -> int:
    theirs = tokenizers.Tokenizer.from_file(str(path))
    theirs.no_truncation()
    theirs.no_padding()
    added = [t.content for t in theirs.get_added_tokens_decoder().values()][:40]
    samples = strings.build_strings(count, 20260401, added or ["<s>"])
    requests = [{"hex": s.hex(), "special": i % 2 == 0} for i, s in enumerate(samples)]
    differences = 0
    for sample, request, ours in zip(samples, requests, run_ours(tool, path, requests), strict=True):
        text = sample.decode("utf-8", errors="replace")
        ids = theirs.encode(text, add_special_tokens=request["special"]).ids
        full = theirs.decode(ids, skip_special_tokens=False)
        expected = {"ids": ids, "text": full, "visible": theirs.decode(ids, skip_special_tokens=True), "streamed": full}
        wrong = [key for key, value in expected.items() if ours[key] != value]
        if wrong:
            differences += 1
            if differences <= 5:
                for key in wrong:
                    print(f"  {name}: {key} differs for {sample!r}\n    theirs {expected[key]!r}\n    ours   {ours[key]!r}")
    print(f"{name}: {len(samples)} strings, {differences} differences", flush=True)
    return differences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=12000)
    parser.add_argument("--tool", type=pathlib.Path, help="the built tokenize_tool; otherwise it is looked for")
    parser.add_argument("names", nargs="*", default=npm_packages.NAMES)
    arguments = parser.parse_args()
    tool = arguments.tool or npm_packages.find_tool("tokenize_tool")
    total = 0
    for name in arguments.names:
        path = pathlib.Path(name) if name.endswith(".json") else npm_packages.models_folder(name) / "tokenizer.json"
        total += compare(tool, name, path, arguments.count)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
