#!/usr/bin/env python3
"""LoRA training speed against PyTorch + PEFT on the same cores: tokens per CPU-second and peak memory, in short alternating runs.

    python bench/tune.py [--rounds 3] [--hidden 512] [--layers 8]        (needs torch, transformers, peft; LYCEUM_BIN names our program)
    python bench/tune.py --four-bits --hidden 2048 --layers 22 [--set lora_r=16 …]      peak memory of QLoRA against LoRA over the same base in bfloat16, both ours

A random Llama shape with the starter's tokenizer, LoRA r 16 on all linear layers, rows of 512 tokens, 2,048 tokens a step. Ours learns Python's own library;
theirs gets random ids of the same shape, float32 (with --bf16 bf16 autocast too), sdpa attention. One thread each and CPU time, not wall time: other work may share
the machine, and threads that spin while they wait would count as work. Setting up is
taken out: ours as the difference of a long and a short run, theirs by starting the clock after one step.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = os.environ.get("LYCEUM_BIN", str(ROOT / "build/dev/src/app/lyceum"))
ROWS, LENGTH, SHORT, LONG = 4, 512, 1, 4

THEIRS = """
import json, resource, sys, time, torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
folder, dtype, steps, rows, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
torch.manual_seed(1)
torch.set_num_threads(1)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16 if dtype == "bf16" else torch.float32, attn_implementation="sdpa")
model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
def step():
    ids = torch.randint(6, 4096, (rows, length))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()
step()
begun = time.process_time()
for _ in range(steps):
    step()
print(json.dumps({"cpu": time.process_time() - begun, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


def make_model(folder, hidden, layers):
    code = f"""
import torch
from transformers import AutoConfig, AutoModelForCausalLM
torch.manual_seed(3)
config = AutoConfig.for_model("llama", hidden_size={hidden}, intermediate_size={hidden * 11 // 4}, num_hidden_layers={layers}, num_attention_heads={hidden // 64}, num_key_value_heads={hidden // 128},
                              vocab_size=4096, max_position_embeddings=1024, tie_word_embeddings=True, eos_token_id=0, bos_token_id=None)
model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
model.save_pretrained({str(folder)!r})
print(sum(p.numel() for p in model.parameters()))
"""
    count = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "starter/model" / name, folder / name)
    return count


def measured(command, env):
    """CPU-seconds and peak bytes of a command and what it starts."""
    code = ("import json,resource,subprocess,sys\nsubprocess.run(sys.argv[1:],check=True,stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL)\n"
            "u=resource.getrusage(resource.RUSAGE_CHILDREN)\nprint(json.dumps([u.ru_utime+u.ru_stime,u.ru_maxrss*1024]))")
    return json.loads(subprocess.run([sys.executable, "-c", code, *map(str, command)], check=True, capture_output=True, text=True, env=env).stdout)


def ours(folder, data, env):
    tune = [BIN, "tune", folder, "--data", data, "--json", "--threads", "1", "--set", f"seq_len={LENGTH}", "--set", f"micro_batch_size={ROWS}", "--set", "near_duplicate_threshold=0", "--set", "learning_rate=1e-4"]
    costs = [measured([*tune, "--set", f"max_steps={steps}"], env) for steps in (SHORT, LONG)]
    runs = sorted((pathlib.Path(env["LYCEUM_HOME"]) / "runs").iterdir(), key=lambda p: p.stat().st_mtime)
    tokens = [json.loads((run / "output/lineage.json").read_text())["tokens_seen"] for run in runs[-2:]]
    return (tokens[1] - tokens[0]) / (costs[1][0] - costs[0][0]), costs[1][1]


def four_bits(folder, data, env, settings):
    """One step each, one row: CPU-seconds and peak memory of the whole command."""
    tune = [BIN, "tune", folder, "--data", data, "--json", "--set", "max_steps=1", "--set", "seq_len=128", "--set", "micro_batch_size=1", "--set", "near_duplicate_threshold=0", "--set", "gradient_checkpointing=true"]
    for setting in settings:
        tune += ["--set", setting]
    peaks = {}
    for name, more in (("bfloat16", []), ("4 bits", ["--set", "load_in_4bit=true"])):
        cpu, peaks[name] = measured([*tune, *more], env)
        print(f"LoRA over a base in {name}: peak {peaks[name] / 1e6:.0f} MB, {cpu:.0f} CPU-seconds")
    print(f"ratio of memory {peaks['4 bits'] / peaks['bfloat16']:.2f}")


def theirs(folder, dtype):
    out = json.loads(subprocess.run([sys.executable, "-c", THEIRS, str(folder), dtype, str(LONG - SHORT), str(ROWS), str(LENGTH)], check=True, capture_output=True, text=True).stdout)
    return (LONG - SHORT) * ROWS * LENGTH / out["cpu"], out["peak"]


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("--rounds", 3), ("--hidden", 512), ("--layers", 8)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--bf16", action="store_true", help="theirs in bf16 autocast too, which is slow on processors without bf16 arithmetic")
    parser.add_argument("--four-bits", action="store_true", help="memory of QLoRA against LoRA, both ours")
    parser.add_argument("--set", action="append", default=[], help="--four-bits: a recipe key for both")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, data = pathlib.Path(place) / "model", pathlib.Path(place) / "data"
        folder.mkdir()
        data.mkdir()
        for name in ("argparse.py", "ast.py", "inspect.py", "pathlib.py", "typing.py", "zipfile.py"):
            shutil.copy(pathlib.Path(os.__file__).parent / name, data / name)
        env = {"PATH": os.environ["PATH"], "HOME": place, "LYCEUM_HOME": place + "/lyceum"}
        print(f"{make_model(folder, args.hidden, args.layers)} parameters, {ROWS} x {LENGTH} tokens a step")
        if args.four_bits:
            return four_bits(folder, data, env, args.set)
        results = {"Lyceum": [], "PEFT float32": []} | ({"PEFT bf16": []} if args.bf16 else {})
        for _ in range(args.rounds):
            results["Lyceum"].append(ours(folder, data, env))
            results["PEFT float32"].append(theirs(folder, "f32"))
            if args.bf16:
                results["PEFT bf16"].append(theirs(folder, "bf16"))
        for name, runs in results.items():
            speeds = [speed for speed, _ in runs]
            print(f"{name:14} {statistics.median(speeds):8.0f} tokens per CPU-second ({min(speeds):.0f} … {max(speeds):.0f}), peak {max(peak for _, peak in runs) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
