#!/usr/bin/env python3
"""The exactness suite: architecture x format x pass against transformers, stored types against gguf, perplexity, chat templates.

    ./dev exact [--fast] [--only NAME]        or: python tests/exact/run.py --tool build/dev/src/engine/exact_tool --text-tool …/tokenize_tool

Every number is made in this run: a small model of each architecture is written in each format and computed here with transformers in float32 (eager
attention) from the very values the file holds, and by the engine. The last line counts. Exit status 1 if anything failed.
"""
import argparse
import copy
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import transformers

import families
import gguf_files
import packed_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAFETENSORS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
GGUF = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q4_K_M", "IQ4_NL", "IQ4_XS", "MXFP4"]
FAST = {("st", "F32"), ("gguf", "F16"), ("gguf", "Q8_0"), ("gguf", "Q4_K_M")}
FLOATS = {"F32", "F16", "BF16"}
NO_TEMPLATE = ["Phi 3", "Granite", "SmolLM3", "OLMo 2", "OLMoE", "Gemma 2", "GLM-4"]

LIMIT = 1e-4            # largest difference of a logit, of the root mean square of transformers' logits
INTEGER_LIMIT = 0.05    # of integer products: root mean square of the differences of a row of logits, of that of the row; the median row (docs/decisions/0013)
EXPERTS_INTEGER_LIMIT = 0.1   # of mixtures of experts: where a random router finds two experts nearly equal, rounding makes it choose the other
BF16_LIMIT = 0.03      # ours in float32 against transformers in bfloat16: the same measure
PERPLEXITY_LIMIT = 0.01
ROWS = 40
GREEDY = 24
PASSES = ["document", "1", "7", "33"]


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Counts:
    def __init__(self):
        self.passed, self.failed, self.untested, self.reasons = 0, 0, 0, []

    def add(self, what, why):
        """why: empty if it passed."""
        self.passed += not why
        self.failed += bool(why)
        if why:
            self.reasons.append(f"{what}: {why}")


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].to(torch.float32).numpy()


def rms(values, axis=None):
    return np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=axis))


def row_difference(ours, theirs):
    return float(np.median(rms(ours - theirs, 1) / rms(theirs, 1)))


def ids_of(length, seed=5):
    return torch.randint(3, families.SHAPE["vocab_size"], (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def write_model(family, container, kind, folder):
    """The file or folder, and the model with the values that it holds. None: not written here."""
    if container == "st":
        model = families.build(family, SAFETENSORS[kind])
        copy.deepcopy(model).to(SAFETENSORS[kind]).save_pretrained(folder)
        return folder, model
    if not family.gguf:
        return None, None
    model = families.build(family, torch.bfloat16)
    path = folder / "model.gguf"
    gguf_files.save(path, model, kind, families.common_metadata(family), family.seed, **family.layout)
    return path, model


def read_passes(path, passes, rows, vocab):
    return np.fromfile(path, np.float32).reshape(passes, rows, vocab)


def check_cell(tool, family, container, kind, folder):
    """(text of the cell, why it failed or "")."""
    path, model = write_model(family, container, kind, folder)
    if path is None:
        return "-", None
    ids, out = ids_of(ROWS), folder / "out.bin"
    quantised = container == "gguf" and kind not in FLOATS
    passes = PASSES + (["integer"] if quantised else [])
    answer = tool.ask(do="logits", model=str(path), ids=ids, out=str(out), passes=passes)
    if "error" in answer:
        return "no", answer["error"]
    theirs = logits_of(model, ids)
    ours = read_passes(out, len(passes), ROWS, answer["vocab"])
    exact = float(np.max(np.abs(ours[:len(PASSES)] - theirs)) / rms(theirs))
    why = "" if exact <= LIMIT else f"logits differ by {exact:.1e} of their root mean square"
    limit = EXPERTS_INTEGER_LIMIT if "expert_count" in family.metadata else INTEGER_LIMIT
    if quantised and (moved := row_difference(ours[-1], theirs)) > limit:
        why = why or f"integer products move the median row by {moved:.3f}"
    greedy = tool.ask(do="greedy", model=str(path), ids=ids[:16], tokens=GREEDY)
    if not greedy.get("same"):
        why = why or "greedy answers depend on the batch: " + greedy.get("error", "")
    return f"{exact:.0e}".replace("e-0", "e-"), why


def check_bf16(tool, family, folder):
    """Ours in float32 against transformers in bfloat16, on one file."""
    path, model = write_model(family, "st", "BF16", folder)
    ids, out = ids_of(ROWS), folder / "out.bin"
    answer = tool.ask(do="logits", model=str(path), ids=ids, out=str(out), passes=["document"])
    if "error" in answer:
        return "no", answer["error"]
    reloaded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager").eval()
    moved = row_difference(read_passes(out, 1, ROWS, answer["vocab"])[0], logits_of(reloaded, ids))
    return f"{moved:.3f}", "" if moved <= BF16_LIMIT else f"{moved:.3f} away from transformers in bfloat16"


def show_row(name, cells):
    print(f"{name:<22}" + "".join(f"{cell:>7}" for cell in cells), flush=True)


def run_architectures(tool, counts, only, fast):
    columns = [("st", kind) for kind in SAFETENSORS] + [("gguf", kind) for kind in GGUF]
    if fast:
        columns = [column for column in columns if column in FAST]
    print("Largest difference of a logit from transformers float32, of the root mean square of its logits (limit 1e-4), over: the whole document, and through\n"
          "the cache 1, 7 and 33 tokens at once. Quantised: integer products within 5 % (mixtures of experts 10 %) too. Each cell: greedy answers equal alone and among seven others.\n"
          "st: safetensors, the rest GGUF; bf16: our float32 against transformers run in bfloat16 (limit 0.03); - not tested, no: refused, ! failed.")
    show_row("", [kind if container == "gguf" else f"st {kind}" for container, kind in columns] + ["bf16"])
    for family in families.families():
        if only and only.lower() not in family.name.lower():
            continue
        cells = []
        for container, kind in [*columns, (None, "bf16")]:
            with tempfile.TemporaryDirectory() as folder:
                if container is None:
                    text, why = check_bf16(tool, family, pathlib.Path(folder))
                else:
                    text, why = check_cell(tool, family, container, kind, pathlib.Path(folder))
            counts.untested += text == "-"
            if text != "-":
                counts.add(f"{family.name} {container or 'transformers'} {kind}", why)
            cells.append(text + ("!" if why else ""))
        show_row(family.name.removesuffix("ForCausalLM").removesuffix("LMHeadModel"), cells)


def run_packed(tool, counts, only):
    """GPTQ, AWQ and FP8: transformers in float32 from the values that the published layouts say, the engine from the files."""
    print("\nSafetensors of fewer bits, largest difference of a logit as above (4- and 8-bit ones through integer products too):")
    named = {"Llama": list(packed_files.KINDS), "Qwen3Moe": ["FP8 128x128", "GPTQ 4", "AWQ 4"], "DeepseekV3": ["FP8 128x128", "GPTQ 4 zeros", "AWQ 4"]}
    for family in families.families():
        cells = []
        for kind in named.get(family.name.removesuffix("ForCausalLM"), []):
            if only and only.lower() not in family.name.lower():
                continue
            with tempfile.TemporaryDirectory() as scratch:
                folder, out, ids = pathlib.Path(scratch, "model"), pathlib.Path(scratch, "out.bin"), ids_of(ROWS)
                plain = packed_files.save(folder, families.build(family, torch.bfloat16), kind)
                theirs = logits_of(transformers.AutoModelForCausalLM.from_pretrained(plain, dtype=torch.float32, attn_implementation="eager").eval(), ids)
                answer = tool.ask(do="logits", model=str(folder), ids=ids, out=str(out), passes=PASSES + ["integer"])
                if "error" in answer:
                    counts.add(f"{family.name} {kind}", answer["error"])
                    continue
                ours = read_passes(out, len(PASSES) + 1, ROWS, answer["vocab"])
            exact, moved = float(np.max(np.abs(ours[:-1] - theirs)) / rms(theirs)), row_difference(ours[-1], theirs)
            limit = INTEGER_LIMIT if family.name.startswith("Llama") else EXPERTS_INTEGER_LIMIT
            why = f"logits differ by {exact:.1e}" if exact > LIMIT else f"integer products move the median row by {moved:.3f}" if moved > limit else ""
            counts.add(f"{family.name} {kind}", why)
            cells.append(f"{kind} {exact:.0e}".replace("e-0", "e-") + ("!" if why else ""))
        if cells:
            print(f"  {family.name.removesuffix('ForCausalLM')}: " + "  ".join(cells), flush=True)


def run_blocks(tool, counts):
    """Random blocks of every type, scales of all magnitudes: the engine's values are gguf's bit for bit."""
    import gguf

    print("\nStored types, bits of the engine's float32 values against gguf's:")
    random, cells = np.random.default_rng(7), []
    for kind in [kind for kind in GGUF if kind not in FLOATS and kind != "Q4_K_M"]:
        of = getattr(gguf.GGMLQuantizationType, kind)
        values, size = gguf.GGML_QUANT_SIZES[of]
        blocks = random.integers(0, 256, (4096, size), dtype=np.uint8)
        for offset in gguf_files.BLOCK_HALVES.get(kind, ([0], 0))[0]:
            scales = random.normal(size=(len(blocks), 1)) * 10.0 ** random.uniform(-7, 2, (len(blocks), 1))
            blocks[:, offset:offset + 2] = scales.astype(np.float16).view(np.uint8)
        with np.errstate(over="ignore"):
            wanted = gguf.quants.dequantize(blocks, of).astype("<f4")
        with tempfile.TemporaryDirectory() as folder:
            source, out = pathlib.Path(folder, "in"), pathlib.Path(folder, "out")
            source.write_bytes(blocks.tobytes())
            answer = tool.ask(do="blocks", type=kind, count=wanted.size, **{"in": str(source)}, out=str(out))
            same = "error" not in answer and (np.fromfile(out, np.uint32) == wanted.view(np.uint32).ravel()).all()
        counts.add(f"stored type {kind}", "" if same else answer.get("error", "values differ"))
        cells.append(f"{kind} {'=' if same else '!'}")
    print("  " + "  ".join(cells) + f"   (4096 blocks each)")


def perplexity(logits, ids):
    logits = logits.astype(np.float64)
    tops = logits.max(axis=1, keepdims=True)
    chances = logits - tops - np.log(np.exp(logits - tops).sum(axis=1, keepdims=True))
    return math.exp(-float(np.mean(chances[np.arange(len(ids) - 1), ids[1:]])))


def run_perplexity(tool, counts, fast):
    """The trained starter model on Python it was not trained on: transformers from the file's values, the engine exact and with integer products."""
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    source = ROOT / "starter" / "model"
    text = pathlib.Path(argparse.__file__).read_text(encoding="utf-8")
    ids = PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json")).encode(text, add_special_tokens=False)[:1000]
    print("\nPerplexity of starter/model, 1,000 tokens of Python (limit 1 %): transformers float32, exact products, integer products:")
    for kind in ["BF16", "Q8_0"] if fast else ["BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "MXFP4"]:
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
        family = families.Family("LlamaForCausalLM", model.config, "llama", dict(permute=True))
        with tempfile.TemporaryDirectory() as folder:
            path, out = pathlib.Path(folder, "model.gguf"), pathlib.Path(folder, "out.bin")
            gguf_files.save(path, model, kind, families.common_metadata(family), 1, permute=True)
            answer = tool.ask(do="logits", model=str(path), ids=ids, out=str(out), passes=["document", "integer"])
            if "error" in answer:
                counts.add(f"perplexity {kind}", answer["error"])
                continue
            ours = read_passes(out, 2, len(ids), answer["vocab"])
        wanted, exact, integer = (perplexity(logits, ids) for logits in (logits_of(model, ids), ours[0], ours[1]))
        worst = max(abs(exact / wanted - 1), abs(integer / wanted - 1))
        counts.add(f"perplexity {kind}", "" if worst <= PERPLEXITY_LIMIT else f"{worst:.2%} away")
        print(f"  {kind:<6} {wanted:.4f}  {exact:.4f} ({exact / wanted - 1:+.4%})  {integer:.4f} ({integer / wanted - 1:+.4%})", flush=True)


def run_templates(counts, tool):
    """tests/text/compare_templates.py, counted by family."""
    print("\nChat templates against transformers' Jinja:")
    done = subprocess.run([sys.executable, str(ROOT / "tests/text/compare_templates.py"), "--tool", tool], capture_output=True, text=True)
    rows = re.findall(r"^(\w+): (\d+) renderings, (\d+) differences$", done.stdout, re.M)
    for name, renderings, differences in rows:
        counts.add(f"chat template {name}", "" if differences == "0" else f"{differences} of {renderings} renderings differ\n{done.stdout}")
    print("  " + "  ".join(f"{name} {renderings}{'' if differences == '0' else '!'}" for name, renderings, differences in rows))
    print("  not tested, as no package carries their templates: " + ", ".join(NO_TEMPLATE))
    counts.untested += len(NO_TEMPLATE)
    if not rows:
        counts.add("chat templates", done.stdout + done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="four formats, two perplexities")
    parser.add_argument("--only", help="only architectures whose name holds this")
    parser.add_argument("--tool", default=str(ROOT / "build/dev/src/engine/exact_tool"))
    parser.add_argument("--text-tool", default=str(ROOT / "build/dev/src/text/tokenize_tool"))
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    started, counts, tool = time.monotonic(), Counts(), Tool(arguments.tool)
    run_architectures(tool, counts, arguments.only, arguments.fast)
    if not arguments.fast:
        run_packed(tool, counts, arguments.only)
    if not arguments.only:
        run_blocks(tool, counts)
        run_perplexity(tool, counts, arguments.fast)
        run_templates(counts, arguments.text_tool)
    for reason in counts.reasons:
        print("FAILED " + reason)
    print(f"exact: {counts.passed} of {counts.passed + counts.failed} passed, {counts.untested} cells not tested, {time.monotonic() - started:.0f} s")
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
