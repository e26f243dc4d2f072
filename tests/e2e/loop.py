#!/usr/bin/env python3
"""The whole loop with the real clients: publish, run, tune, publish, deploy, compare, reproduce.

Prints one line per step with what it showed and exits 1 at the first step that fails. `./dev loop` runs it; test_loop.py holds it to
success. --data names the private code folder (default: Python's own asyncio package, which the starter model never saw).
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import struct
import sys
import time

import harness

ROOT = harness.ROOT
STARTER = pathlib.Path(os.environ.get("LYCEUM_STARTER_FOLDER", ROOT / "starter"))
TEXT = "import asyncio\n\nclass Queue:\n    def __init__(self, maxsize=0):\n        self._maxsize = maxsize\n"


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def vary_model(source, target, seed):
    """A model of its own for each transport: the starter's weights with a little noise, so that no byte can be reused."""
    import torch
    from safetensors.torch import load_file, save_file
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("lineage.json"))
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in load_file(source / "model.safetensors").items():
        noise = torch.randn(tensor.shape, generator=generator) * 1e-3 * tensor.float().std()
        weights[name] = (tensor.float() + noise).to(tensor.dtype).contiguous()
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})


class Loop:
    def __init__(self, data, steps):
        self.folder = harness.temporary_folder()
        self.code = pathlib.Path(data)
        self.steps = steps
        self.home = self.folder / "home"
        self.server = harness.Server(self.folder / "data", starter=STARTER)
        self.adapter = "admin/asyncio-adapter"

    def env(self, **more):
        return self.server.environment(self.home, LYCEUM_DATA=str(self.server.data), **more)

    def start(self):
        self.server.start()
        who = harness.run(["hf", "auth", "whoami"], env=self.env()).stdout.strip()
        return f"{self.server.url}, signed in: {' '.join(who.split())}"

    def publish(self, name, seed, **more):
        folder = self.folder / name
        vary_model(STARTER / "model", folder, seed)
        size = (folder / "model.safetensors").stat().st_size
        started = time.time()
        harness.run(["hf", "repos", "create", f"admin/{name}"], env=self.env(**more))
        harness.run(["hf", "upload", f"admin/{name}", folder, "."], env=self.env(**more))
        return f"admin/{name}, model.safetensors {size / 2**20:.1f} MiB in {time.time() - started:.1f} s"

    def publish_xet(self):
        return self.publish("coder", 1)

    def publish_lfs(self):
        return self.publish("coder-lfs", 2, HF_HUB_DISABLE_XET="1")

    def download(self):
        shown = []
        for name, more in (("coder", {}), ("coder-lfs", {"HF_HUB_DISABLE_XET": "1"}), ("coder-lfs", {})):
            target = self.folder / f"down-{len(shown)}"
            harness.run(["hf", "download", f"admin/{name}", "--local-dir", target], env=self.env(**more))
            for file in (self.folder / name).iterdir():
                assert digest(target / file.name) == digest(file), f"{file.name} of {name} differs"
            shown.append(f"{name} {digest(target / 'model.safetensors')[:12]}")
        return "identical bytes: " + ", ".join(shown)

    def clone(self):
        target = self.folder / "clone"
        url = self.server.url.replace("http://", f"http://admin:{self.server.token}@") + "/admin/coder"
        env = self.env(GIT_CONFIG_GLOBAL=str(self.folder / "gitconfig"))
        harness.run(["git", "lfs", "install"], env=env)
        harness.run(["git", "clone", url, target], env=env)
        assert digest(target / "model.safetensors") == digest(self.folder / "coder/model.safetensors")
        harness.run(["git", "-C", target, "fsck", "--strict"], env=env)
        return "git clone with git-lfs: identical bytes, git fsck --strict clean"

    def client(self):
        from openai import OpenAI
        return OpenAI(base_url=self.server.url + "/v1", api_key=self.server.token)

    def run_model(self):
        stream = self.client().completions.create(model="admin/coder", prompt="def read_lines(path):\n", max_tokens=48, temperature=0, stream=True)
        pieces = [event.choices[0].text for event in stream if event.choices]
        assert len([p for p in pieces if p]) > 3, pieces
        return f"{len(pieces)} pieces streamed: {''.join(pieces)[:70]!r}"

    def tune(self):
        out = harness.lyceum("tune", "admin/coder", "--data", self.code, "--to", self.adapter, "--set", f"max_steps={self.steps}", "--set", "seq_len=512",
                             "--set", "gradient_accumulation_steps=4", "--set", "lora_r=16", "--set", "learning_rate=2e-3", "--set", "val_size=0.2", "--json", env=self.env())
        self.tuned = json.loads(out.stdout)
        return f"{self.tuned['steps']} steps, loss {self.tuned['first_loss']:.3f} -> {self.tuned['last_loss']:.3f}, adapter {self.tuned['sha256'][:12]}"

    def lineage(self):
        from huggingface_hub import HfApi
        api = HfApi(endpoint=self.server.url, token=self.server.token)
        info = api.model_info(self.adapter)
        base = api.model_info("admin/coder")
        assert "base_model:adapter:admin/coder" in info.tags, info.tags
        path = api.hf_hub_download(self.adapter, "lineage.json", cache_dir=self.folder / "cache")
        record = json.loads(pathlib.Path(path).read_text())
        assert base.sha in json.dumps(record), "the base commit is not in the lineage"
        assert self.tuned["sha256"] in json.dumps(record), "the output hash is not in the lineage"
        return f"tags {[t for t in info.tags if t.startswith('base_model')]}, lineage pins base {base.sha[:8]}"

    def peft(self):
        import torch
        from huggingface_hub import snapshot_download
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer
        torch.set_num_threads(1)
        down = {name: snapshot_download(name, endpoint=self.server.url, token=self.server.token, cache_dir=self.folder / "cache") for name in ("admin/coder", self.adapter)}
        tokenizer = AutoTokenizer.from_pretrained(down["admin/coder"])
        ids = tokenizer(TEXT, return_tensors="pt").input_ids
        model = AutoModelForCausalLM.from_pretrained(down["admin/coder"], dtype=torch.float32).eval()
        with torch.no_grad():
            plain = model(ids).logits[0]
            tuned = PeftModel.from_pretrained(model, down[self.adapter]).eval()(ids).logits[0]
        effect = (tuned - plain).abs().max().item()
        ours = self.our_logits(ids[0].tolist(), self.adapter)
        base = self.our_logits(ids[0].tolist(), None)
        difference = (torch.tensor(ours).view_as(tuned) - tuned).abs().max().item()
        base_difference = (torch.tensor(base).view_as(plain) - plain).abs().max().item()
        assert effect > 0.05, f"the adapter changes nothing: {effect}"
        assert difference < 1e-3 and base_difference < 1e-3, (difference, base_difference)
        return f"max abs difference of logits to PEFT {difference:.2e} (base alone {base_difference:.2e}); the adapter moves them by {effect:.2f}"

    def our_logits(self, ids, adapter):
        target = self.folder / "logits.f32"
        arguments = ["logits", "admin/coder", "--ids", ",".join(map(str, ids)), "--out", target, "--json"]
        if adapter:
            arguments += ["--adapter", adapter]
        harness.lyceum(*arguments, env=self.env())
        raw = target.read_bytes()
        return list(struct.unpack(f"<{len(raw) // 4}f", raw))

    def deploy(self):
        harness.lyceum("deploy", "admin/coder", "--adapter", self.adapter, env=self.env())
        client = self.client()
        names = [model.id for model in client.models.list()]
        assert "admin/coder" in names and self.adapter in names, names
        prompt = TEXT + "        self._"
        answers = [client.completions.create(model=name, prompt=prompt, max_tokens=24, temperature=0).choices[0].text for name in ("admin/coder", self.adapter)]
        engines = [p for p in pathlib.Path("/proc").glob("[0-9]*/cmdline") if self.is_engine(p)]
        assert len(engines) == 1, f"{len(engines)} engine processes for one base"
        return f"base {answers[0][:30]!r}, adapter {answers[1][:30]!r}, one engine process"

    def is_engine(self, path):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            return False
        return b"engine" in words[:2] and str(self.server.data).encode() in b" ".join(words)

    def compare(self):
        out = harness.lyceum("compare", "admin/coder", "--adapter", self.adapter, "--data", self.code, "--json", env=self.env())
        report = json.loads(out.stdout)
        bits = report["bits_per_byte"]
        assert bits["adapter"] < bits["base"], bits
        assert bits["difference_high"] < 0, f"the interval of the difference holds zero: {bits}"
        return (f"bits per byte {bits['base']:.4f} -> {bits['adapter']:.4f}, difference {bits['difference']:.4f} "
                f"[{bits['difference_low']:.4f}, {bits['difference_high']:.4f}] on {report['files']} held-out files; "
                f"FIM exact {report['fim_exact_match']['base']:.3f} -> {report['fim_exact_match']['adapter']:.3f}")

    def reproduce(self):
        out = harness.lyceum("reproduce", self.adapter, "--data", self.code, "--json", env=self.env())
        report = json.loads(out.stdout)
        assert report["reproduced"] is True, report
        assert report["sha256"] == self.tuned["sha256"]
        return f"same hash {report['sha256'][:12]}"

    def fsck(self):
        self.server.stop()
        report = json.loads(harness.lyceum("fsck", "--data", self.server.data, "--json").stdout)
        assert report["problems"] == [], report
        return f"{report['repos']} repositories, {report['commits']} commits, {report['blobs']} large files, 0 problems"

    STEPS = [
        ("start Lyceum with its starter content", start),
        ("hf upload through Xet", publish_xet),
        ("hf upload through LFS", publish_lfs),
        ("hf download", download),
        ("git clone with git-lfs", clone),
        ("the model answers the openai client, streaming", run_model),
        ("lyceum tune on a code folder", tune),
        ("the adapter is on the hub with its lineage", lineage),
        ("PEFT loads it and agrees", peft),
        ("deployed beside the base", deploy),
        ("lyceum compare on held-out files", compare),
        ("lyceum reproduce", reproduce),
        ("lyceum fsck", fsck),
    ]

    def run(self):
        started = time.time()
        try:
            for number, (name, step) in enumerate(self.STEPS, 1):
                begun = time.time()
                try:
                    shown = step(self)
                except Exception as error:  # Any failure of a step ends the loop with its name.
                    print(f"[{number:2}/{len(self.STEPS)}] FAILED  {name}: {error}", flush=True)
                    return 1
                print(f"[{number:2}/{len(self.STEPS)}] ok  {name}: {shown}  ({time.time() - begun:.1f} s)", flush=True)
            print(f"The loop is closed: {len(self.STEPS)} steps in {time.time() - started:.0f} s")
            return 0
        finally:
            self.server.stop()
            shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = next((p for p in sorted(pathlib.Path("/usr/lib").glob("python3*/asyncio")) if p.is_dir()), None)
    parser.add_argument("--data", default=default, help="the private code folder")
    parser.add_argument("--steps", type=int, default=40, help="optimiser steps of the tuning run")
    arguments = parser.parse_args()
    if arguments.data is None or not pathlib.Path(arguments.data).is_dir():
        sys.exit("no code folder: name one with --data")
    return Loop(arguments.data, arguments.steps).run()


if __name__ == "__main__":
    sys.exit(main())
