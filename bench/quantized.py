#!/usr/bin/env python3
"""What each stored type loses, weighed and not: the table of docs/quantize.md. The starter model, 256 wide (tests/e2e/test_quantize.py), on code that it has not learned.

usage: LYCEUM_BIN=… python bench/quantized.py UNSEEN [TYPE …]      UNSEEN: the `unseen` folder that starter/make_corpus.py writes

Mean Kullback-Leibler divergence of the next token's chances from those of the unrounded model, in thousandths, and how far perplexity moved: 800 tokens each of the eight largest
files. Weighed with up to 80 kB each of seven other modules of Python.
"""
import argparse
import ast
import inspect
import json
import math
import pathlib
import struct
import sys
import tempfile
import typing

import numpy
from tokenizers import Tokenizer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import test_quantize as common  # noqa: E402

TYPES = ["Q8_0", "Q6_K", "Q5_K_M", "Q5_0", "Q4_K_M", "Q4_K_S", "IQ4_XS", "IQ4_NL", "Q4_0", "Q3_K_M", "Q2_K"]
TOKENS = 800


def main():
    unseen, types = pathlib.Path(sys.argv[1]), sys.argv[2:] or TYPES
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        env = {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "LYCEUM_HOME": str(scratch / "lyceum")}
        wide, text, imatrix, file = scratch / "wide", scratch / "text", scratch / "imatrix.gguf", scratch / "m.gguf"
        common.widen(common.MODEL, wide)
        text.mkdir()
        for module in (ast, pathlib, json, struct, argparse, inspect, typing):
            path = pathlib.Path(module.__file__)
            (text / f"{path.parent.name}_{path.name}").write_bytes(path.read_bytes()[:80000])
        tokenizer = Tokenizer.from_file(str(common.MODEL / "tokenizer.json"))
        files = sorted(unseen.rglob("*.py"), key=lambda path: path.stat().st_size)[-8:]
        documents = [tokenizer.encode(path.read_text(), add_special_tokens=False).ids[300:300 + TOKENS] for path in files]
        exact = [common.log_chances(env, common.MODEL, ids, scratch) for ids in documents]

        def measure(kind, *more):
            bits = common.make(env, wide, file, "--type", kind, *more)["bits_per_weight"]
            divergence, moved = [], []
            for ids, sure in zip(documents, exact):
                rows, places = common.log_chances(env, file, ids, scratch), numpy.arange(TOKENS - 1)
                divergence.append(1000 * float((numpy.exp(sure) * (sure - rows)).sum(axis=1).mean()))
                moved.append(float((sure[places, ids[1:]] - rows[places, ids[1:]]).mean()))
            file.unlink()
            return bits, numpy.array(divergence), f"{math.exp(numpy.mean(moved)) - 1:+.2%}"

        print("| type | bits a weight | divergence | weighed | nearer in | perplexity | weighed |\n|---|---|---|---|---|---|---|")
        for kind in types:
            bits, plain, moved = measure(kind)
            if kind == "Q8_0":
                print(f"| {kind} | {bits:.2f} | {plain.mean():.3f} | | | {moved} | |", flush=True)
                continue
            _, weighed, moved_weighed = measure(kind, "--imatrix", imatrix, *([] if imatrix.exists() else ["--calibrate", text]))
            print(f"| {kind} | {bits:.2f} | {plain.mean():.3f} | {weighed.mean():.3f} | {(weighed < plain).sum()} of {len(plain)} files | {moved} | {moved_weighed} |", flush=True)


if __name__ == "__main__":
    main()
