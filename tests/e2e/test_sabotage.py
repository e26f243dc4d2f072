"""What silently ruins a tuning run elsewhere, done on purpose: each case must be refused, or named in the plan or the result.

    python tests/e2e/test_sabotage.py       prints the table: case | message
"""
import json
import pathlib
import re
import shutil
import struct
import sys
import tempfile

import harness
import pytest

MODEL = harness.ROOT / "starter/model"
GOLDENS = harness.ROOT / "tests/goldens"
SHORT = ["--set", "seq_len=96", "--set", "max_steps=2", "--set", "lora_r=2", "--set", "learning_rate=1e-3"]
TEMPLATE = json.loads((MODEL / "tokenizer_config.json").read_text())["chat_template"]
CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
PAIR = {"prompt": "hi", "chosen": "good", "rejected": "bad"}


class Bench:
    """A model to spoil, some code, and the program."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LYCEUM_HOME": str(self.folder / "lyceum")}
        self.code = self.folder / "code"
        self.code.mkdir()
        for i in range(3):
            (self.code / f"part{i}.py").write_text("".join(f"def f{i}_{k}(value):\n    return value * {k + i}\n\n\n" for k in range(12)))
        self.number = 0

    def fresh(self):
        self.number += 1
        folder = self.folder / f"case{self.number}"
        folder.mkdir()
        return folder

    def model(self, **tokenizer_config):
        """A copy of the model with other values in tokenizer_config.json; None takes a key out."""
        folder = self.fresh() / "model"
        shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("lineage.json", "recipe.json"))
        config = json.loads((folder / "tokenizer_config.json").read_text()) | tokenizer_config
        (folder / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
        return folder

    def lines(self, *rows):
        path = self.fresh() / "data.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def run(self, *arguments):
        result = harness.run([harness.BIN, *arguments], env=self.env, check=False)
        return result.returncode, result.stderr.strip().splitlines()[-1] if result.returncode else result.stdout

    def tune(self, *more, model=MODEL, data=None):
        return self.run("tune", model, "--data", data or self.code, "--json", *SHORT, *more)

    def tuned(self, *more):
        code, out = self.tune(*more)
        assert code == 0, out
        return pathlib.Path(json.loads(out)["run_folder"])

    def adapter(self, tensors, **config):
        folder = self.fresh()
        config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]} | config
        (folder / "adapter_config.json").write_text(json.dumps(config))
        header, data = {}, b""
        for name, (shape, values) in tensors.items():
            raw = struct.pack(f"<{len(values)}f", *values)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
        text = json.dumps(header).encode()
        (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
        return folder

    def head_adapter(self, value=0.1):
        return self.adapter({"base_model.model.lm_head.lora_A.weight": ([2, 192], [value] * 384), "base_model.model.lm_head.lora_B.weight": ([4096, 2], [value] * 8192)},
                            target_modules=["lm_head"])

    def logits(self, adapter):
        return self.run("logits", MODEL, "--ids", "6,7,8", "--out", self.fresh() / "l.f32", "--adapter", adapter)


def four_bits(bench):
    out = bench.fresh() / "model"
    code, text = bench.run("merge", MODEL, "--dtype", "nf4", "--out", out)
    assert code == 0, text
    return out


def merge_into_four_bits(bench):
    return bench.run("merge", four_bits(bench), "--adapter", bench.head_adapter(), "--out", bench.fresh() / "merged")


def full_over_four_bits(bench):
    return bench.tune("--set", "method=full", model=four_bits(bench))


def resume_after(change):
    def case(bench):
        code = bench.fresh() / "code"
        shutil.copytree(bench.code, code)
        result, out = bench.tune("--set", "save_steps=1", data=code)
        assert result == 0, out
        run = pathlib.Path(json.loads(out)["run_folder"])
        change(run, code)
        return bench.run("tune", "--resume", run, "--json")
    return case


def change_data(run, code):
    (code / "part1.py").write_text("def other():\n    return 'another text than before'\n")


def change_recipe(run, code):
    spec = json.loads((run / "spec.json").read_text())
    spec["recipe"]["lora_alpha"] = 99
    (run / "spec.json").write_text(json.dumps(spec))


def reproduce_elsewhere(bench):
    run = bench.tuned()
    other = bench.model()
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-2] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    return bench.run("reproduce", run / "output", "--data", bench.code, "--base", other, "--json")


def compare_on_changed_data(bench):
    code = bench.fresh() / "code"
    shutil.copytree(bench.code, code)
    for i in range(30):
        (code / f"more{i}.py").write_text("".join(f"def g{i}_{k}(one, two):\n    return one - two * {k * i}\n\n\n" for k in range(6)))
    result, out = bench.tune("--set", "val_size=0.3", data=code)
    assert result == 0, out
    (code / "part0.py").unlink()
    return bench.run("compare", MODEL, "--adapter", pathlib.Path(json.loads(out)["run_folder"]) / "output", "--data", code, "--items", "4")


def merge_tied(bench):
    code, out = bench.run("merge", MODEL, "--adapter", bench.head_adapter(), "--out", bench.fresh() / "out")
    return code, " ".join(out.split("\n")[1:])


def only_secrets(bench):
    folder = bench.fresh()
    (folder / "settings.py").write_text('# the settings\nPASSWORD = "k3' + "jH8s2LqP" + 'x9Zr4TnVw7"\n')
    return bench.tune(data=folder)


def truncated_base(bench):
    model = bench.model()
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:len(weights) // 2])
    return bench.tune(model=model)


def without_fim(bench):
    model = bench.model()
    text = (model / "tokenizer.json").read_text()
    (model / "tokenizer.json").write_text(text.replace("<|fim_middle|>", "<|other_middle|>"))
    return bench.tune(model=model)


SWAPPED = TEMPLATE.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>bot\n{% endif %}")
assert SWAPPED != TEMPLATE
GOOD_PAIR = {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": ([2, 192], [0.1] * 384),
             "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": ([192, 2], [0.0] * 384)}

# (what was done, what is expected in the message, exit code 0 where it is named rather than refused, how)
CASES = [
    ("a misspelt recipe key", "nearest known one is 'learning_rate'", False, lambda b: b.tune("--set", "learning_rat=1")),
    ("one setting under two names", "a second time", False, lambda b: b.tune("--set", "lora_rank=8")),
    ("target names of another architecture", "match no linear layer", False, lambda b: b.tune("--set", "target_modules=query_key_value")),
    ("a learning rate of zero: B stays zero", "would have no effect", False, lambda b: b.tune("--set", "learning_rate=0")),
    ("a learning rate that diverges", "is not finite", False, lambda b: b.tune("--set", "learning_rate=1e30", "--set", "max_grad_norm=0", "--set", "max_steps=6")),
    ("a template whose generation prompt is not its assistant turn", "the model would be trained on a text it never sees", False,
     lambda b: b.tune(model=b.model(chat_template=SWAPPED), data=b.lines(CHAT))),
    ("a template without an end token: stopping is never labelled", "would never learn to stop", False,
     lambda b: b.tune(model=b.model(chat_template=TEMPLATE.replace("<|im_end|>", "")), data=b.lines(CHAT))),
    ("a template that begins with BOS twice", "twice", False, lambda b: b.tune(model=b.model(chat_template="<|endoftext|><|endoftext|>" + TEMPLATE), data=b.lines(CHAT))),
    ("chats for a model without a template", "no chat template", False, lambda b: b.tune(model=b.model(chat_template=None), data=b.lines(CHAT))),
    ("a chat without an assistant turn: zero labels", "no assistant turn", False, lambda b: b.tune(data=b.lines({"messages": CHAT["messages"][:1]}))),
    ("answers cut away by seq_len: zero labels", "no chat has a labelled token", False,
     lambda b: b.tune(data=b.lines({"messages": [{"role": "user", "content": "word " * 400}, CHAT["messages"][1]]}))),
    ("rows longer than the model's context", "over the model's context", False, lambda b: b.tune("--set", "seq_len=4096")),
    ("fill-in-the-middle for a tokenizer without its tokens", "set fim_rate to 0", False, without_fim),
    ("a quantised base under training", "train on the safetensors folder", False, lambda b: b.tune(model=GOLDENS / "models/cases/gguf_qwen2_q8_0/model.gguf")),
    ("a merge into a quantised base", "rounded again", False,
     lambda b: b.run("merge", GOLDENS / "models/cases/gguf_qwen2_q8_0/model.gguf", "--adapter", b.head_adapter(), "--out", b.fresh() / "out")),
    ("a merge on tied embeddings", "a matrix of its own", True, merge_tied),
    ("a merge that overflows float16", "does not fit F16", False, lambda b: b.run("merge", MODEL, "--adapter", b.head_adapter(1e4), "--out", b.fresh() / "out", "--dtype", "f16")),
    ("other data on resume", "another recipe, model or data", False, resume_after(change_data)),
    ("another recipe on resume", "another recipe, model or data", False, resume_after(change_recipe)),
    ("a base with one bit changed under reproduce", "its SHA-256 differs", False, reproduce_elsewhere),
    ("a comparison on data that changed since training", "manifest hash differs", False, compare_on_changed_data),
    ("a comparison where nothing was held out", "nothing fair to measure on", False,
     lambda b: b.run("compare", MODEL, "--adapter", b.tuned() / "output", "--data", b.code)),
    ("an adapter whose B is all zero", "every B matrix is zero", False, lambda b: b.logits(b.adapter(GOOD_PAIR, layers_to_transform=[0]))),
    ("an adapter of another model", "matches no linear layer of the base model", False,
     lambda b: b.logits(b.adapter({name.replace("layers.0", "layers.77"): value for name, value in GOOD_PAIR.items()}))),
    ("an adapter of a variant that changes the base (PiSSA)", "changes the base weights too", False, lambda b: b.logits(b.adapter(GOOD_PAIR, init_lora_weights="pissa"))),
    ("an adapter with full copies beside it", "modules_to_save", False, lambda b: b.logits(b.adapter(GOOD_PAIR, modules_to_save=["lm_head"]))),
    ("a truncated base", "model.safetensors", False, truncated_base),
    ("code of which every file holds a secret", "hold a secret", False, only_secrets),
    ("preference pairs under the ordinary objective", "set objective to dpo", False, lambda b: b.tune(data=b.lines(PAIR))),
    ("DPO without a model to refer to", "need a model to start from", False, lambda b: b.tune("--set", "objective=dpo", "--set", "method=pretrain", data=b.lines(PAIR))),
    ("KTO with good answers only", "nothing holds the model back", False, lambda b: b.tune("--set", "objective=kto", data=b.lines({"prompt": "hi", "completion": "good", "label": True}, {"prompt": "you", "completion": "fine", "label": True}))),
    ("KTO without labels", "an example needs 'label'", False, lambda b: b.tune("--set", "objective=kto", data=b.lines({"prompt": "hi", "completion": "good"}))),
    ("all parameters of a base in 4 bits", "load_in_4bit needs method lora", False, lambda b: b.tune("--set", "load_in_4bit=true", "--set", "method=full")),
    ("a base in 8 bits", "in 4 bits or as it is", False, lambda b: b.tune("--set", "quantization_bit=8")),
    ("a merge into a base in 4 bits", "--dequantize", False, merge_into_four_bits),
    ("full training of a base saved in 4 bits", "train an adapter", False, full_over_four_bits),
    ("an optimizer that is not there", "optimizer must be", False, lambda b: b.tune("--set", "optim=adafactor")),
    ("a rank for a module that is not there", "means no module", False, lambda b: b.tune("--set", 'rank_pattern={"qkv_proj": 4}')),
    ("two ranks for one module", "both mean", False, lambda b: b.tune("--set", 'rank_pattern={"q_proj": 4, "self_attn.q_proj": 8}')),
    ("a layer that is not there", "counted from 0", False, lambda b: b.tune("--set", "layers_to_transform=99")),
    ("pairs whose two answers are the same", "the same chosen and rejected", False, lambda b: b.tune("--set", "objective=dpo", data=b.lines(PAIR | {"rejected": "good"}))),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("sabotage"))


@pytest.mark.parametrize("name, expected, named, case", CASES, ids=[case[0].replace(" ", "-") for case in CASES])
def test_is_refused_or_named(bench, name, expected, named, case):
    code, message = case(bench)
    assert (code == 0) == named, message
    assert expected in message, message
    assert "fault of Lyceum" not in message


def main():
    bad = 0
    print("| case | what the program says |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        for name, expected, named, case in CASES:
            code, message = case(bench)
            good = (code == 0) == named and expected in message
            bad += not good
            shown = re.sub(r"/(lyceum/runs/[^/ ]+|case\d+)", "", message.replace(str(folder), "…")).replace(str(harness.ROOT) + "/", "").replace("|", "\\|").strip()
            print(f"| {name}{'' if good else ' (NOT CAUGHT)'} | {'named' if named else 'refused'}: {shown.removeprefix('error: ')} |")
    print(f"\n{len(CASES) - bad} of {len(CASES)} refused or named.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
