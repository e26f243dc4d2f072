#!/usr/bin/env python3
"""llama.cpp as a second oracle: does it read the suite's GGUF files as transformers reads the models, and how far is its perplexity from ours?

    python tests/exact/with_llama.py LLAMA_LOGITS [--tool build/dev/src/engine/exact_tool]

LLAMA_LOGITS is llama_logits.c, built against llama.cpp. Not part of `./dev exact`, which needs nothing that is not on PyPI.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers

import families
import gguf_files
import run


def write(path, family, model, kind):
    metadata = families.common_metadata(family) | {"tokenizer.ggml.model": "no_vocab", f"{family.gguf}.vocab_size": model.config.vocab_size}
    gguf_files.save(path, model, kind, metadata, family.seed, **family.layout)


def logits_of(program, path, ids, folder):
    out = folder / "llama.bin"
    subprocess.run([program, str(path), str(out), *map(str, ids)], check=True)
    return np.fromfile(out, np.float32).reshape(len(ids), -1)


def compare_architectures(program, folder):
    ids = run.ids_of(run.ROWS)
    for family in families.families():
        if not family.gguf:
            continue
        model = families.build(family, torch.bfloat16)
        write(folder / "model.gguf", family, model, "F32")
        theirs = run.logits_of(model, ids)
        largest = np.max(np.abs(logits_of(program, folder / "model.gguf", ids, folder) - theirs)) / run.rms(theirs)
        print(f"{family.name:<24} F32: llama.cpp is {largest:.1e} from transformers", flush=True)


def compare_perplexity(program, tool, folder):
    source = run.ROOT / "starter" / "model"
    text = pathlib.Path(argparse.__file__).read_text(encoding="utf-8")
    ids = transformers.PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json")).encode(text, add_special_tokens=False)[:1000]
    for kind in ["BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "MXFP4"]:
        model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
        path, out = folder / "model.gguf", folder / "out.bin"
        write(path, families.Family("LlamaForCausalLM", model.config, "llama", dict(permute=True)), model, kind)
        theirs = run.perplexity(logits_of(program, path, ids, folder), ids)
        answer = tool.ask(do="logits", model=str(path), ids=ids, out=str(out), passes=["document", "integer"])
        exact, integer = (run.perplexity(logits, ids) for logits in run.read_passes(out, 2, len(ids), answer["vocab"]))
        print(f"{kind:<6} llama.cpp {theirs:.4f}, exact {exact:.4f} ({exact / theirs - 1:+.3%}), integer {integer:.4f} ({integer / theirs - 1:+.3%})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--tool", default=str(run.ROOT / "build/dev/src/engine/exact_tool"))
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        compare_architectures(arguments.program, pathlib.Path(folder))
        compare_perplexity(arguments.program, run.Tool(arguments.tool), pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
