"""Adapters against PEFT itself: what we write it loads, what it writes we load, and both merge to the same model."""
import json
import pathlib
import struct

import harness
import pytest

MODEL = harness.ROOT / "starter/model"
SETTINGS = ["--set", "seq_len=128", "--set", "max_steps=3", "--set", "lora_r=4", "--set", "learning_rate=5e-3"]
IDS = list(range(6, 60))


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LYCEUM_HOME": str(home / "lyceum")}


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    for i in range(4):
        body = "".join(f"def step_{i}_{k}(value, rest):\n    total = value * {k * (i + 3)}\n    return total + rest\n\n\n" for k in range(20))
        (folder / f"part{i}.py").write_text(body)
    return folder


def our_logits(model, env, tmp_path, adapter=None):
    target = tmp_path / "logits.f32"
    harness.lyceum("logits", model, "--ids", ",".join(map(str, IDS)), "--out", target, "--json", *(["--adapter", adapter] if adapter else []), env=env)
    raw = target.read_bytes()
    import torch
    return torch.tensor(struct.unpack(f"<{len(raw) // 4}f", raw)).view(len(IDS), -1)


def base_model():
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(1)
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()


def logits_of(model):
    import torch
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0]


def tuned(env, data, *more):
    report = json.loads(harness.lyceum("tune", MODEL, "--data", data, "--json", *SETTINGS, *more, env=env).stdout)
    return pathlib.Path(report["run_folder"]) / "output"


KINDS = {"lora": [], "dora": ["use_dora=true"], "rslora": ["use_rslora=true"], "qlora": ["load_in_4bit=true"],
         "patterns": ['rank_pattern={"q_proj": 2}', 'alpha_pattern={"mlp.up_proj": 3}', "exclude_modules=k_proj", "layers_to_transform=[2, 4]"]}


@pytest.mark.parametrize("kind", KINDS)
def test_peft_loads_ours_whole_and_saves_the_same_bytes(kind, env, code, tmp_path):
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors.torch import load_file
    output = tuned(env, code, *(part for setting in KINDS[kind] for part in ("--set", setting)))
    model = PeftModel.from_pretrained(base_model(), output).eval()
    ours = load_file(output / "adapter_model.safetensors")
    assert set(get_peft_model_state_dict(model)) == set(ours)   # 0 missing, 0 unexpected
    assert ("lora_magnitude_vector" in " ".join(ours)) == (kind == "dora")
    theirs = logits_of(model)
    assert (theirs - logits_of(base_model())).abs().max() > 1e-2, "the adapter changes nothing"
    assert (our_logits(MODEL, env, tmp_path, output) - theirs).abs().max() < 1e-3
    model.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again/adapter_model.safetensors").read_bytes() == (output / "adapter_model.safetensors").read_bytes()


def peft_adapter(folder, **options):
    """An adapter that PEFT wrote, with an effect."""
    import torch
    from peft import LoraConfig, get_peft_model
    torch.manual_seed(3)
    model = get_peft_model(base_model(), LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **options))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.05 * torch.randn_like(parameter))
            if "magnitude" in name:
                parameter.mul_(1 + 0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model.eval()


@pytest.mark.parametrize("options", [{"use_dora": True}, {"use_dora": True, "use_rslora": True, "rank_pattern": {"q_proj": 2}}, {}], ids=["dora", "dora_rslora_pattern", "lora"])
def test_we_load_and_merge_what_peft_wrote(options, env, tmp_path):
    model = peft_adapter(tmp_path / "adapter", **options)
    theirs = logits_of(model)
    assert (our_logits(MODEL, env, tmp_path, tmp_path / "adapter") - theirs).abs().max() < 1e-3
    report = json.loads(harness.lyceum("merge", MODEL, "--adapter", tmp_path / "adapter", "--out", tmp_path / "merged", "--dtype", "f32", "--json", env=env).stdout)
    assert report["modules"] == 42 and report["untied"] is False
    import torch
    from transformers import AutoModelForCausalLM
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32).eval()
    wanted = model.merge_and_unload().state_dict()
    for name, tensor in merged.state_dict().items():
        assert (tensor - wanted[name]).abs().max() < 1e-5, name
    assert (logits_of(merged) - theirs).abs().max() < 1e-3
    assert (our_logits(tmp_path / "merged", env, tmp_path) - theirs).abs().max() < 1e-3


def test_dpo_prefers_the_chosen_answers_and_reproduces(env, tmp_path):
    pairs = [{"prompt": f"Say word {i}", "chosen": f"def word_{i}():", "rejected": f"class Word{i}:"} for i in range(12)]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    dpo = ["--set", "objective=dpo", "--set", "max_steps=8", "--set", "micro_batch_size=2", "--set", "use_dora=true"]
    plan = json.loads(harness.lyceum("tune", MODEL, "--data", data, "--plan", "--json", *SETTINGS, *dpo, env=env).stdout)
    assert plan["format"] == "preference" and plan["pairs"] == 12 and plan["written_as"] == "chat"
    assert [s["text"] for s in plan["sample"] if s["learned"]] == ["def word_0():<|im_end|>", "class Word0:<|im_end|>"]
    output = tuned(env, data, *dpo)
    lines = [json.loads(line) for line in (output.parent / "progress.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["phase"] == "train"]
    assert abs(steps[0]["loss"] - 0.6931) < 1e-3 and abs(steps[0]["rewards/margins"]) < 1e-6
    assert steps[-1]["loss"] < 0.6 and steps[-1]["rewards/margins"] > 0.1 and steps[-1]["rewards/accuracies"] == 1.0
    assert steps[-1]["logps/chosen"] > steps[0]["logps/chosen"] - 20
    assert "DPO, beta 0.1" in (output / "README.md").read_text()
    again = json.loads(harness.lyceum("reproduce", output, "--data", data, "--base", MODEL, "--threads", "1", "--json", env=env).stdout)
    assert again["reproduced"] is True, again


@pytest.mark.parametrize("method", ["lora", "full"])
def test_kto_tells_good_answers_from_bad_ones(method, env, tmp_path):
    data = tmp_path / "answers.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"Say word {i}", "completion": f"def word_{i}():" if i % 2 else f"class Word{i}:", "label": bool(i % 2)}) + "\n" for i in range(24)))
    settings = ["--set", "objective=kto", "--set", f"method={method}", "--set", "max_steps=8", "--set", "micro_batch_size=4", *(["--set", "learning_rate=1e-4"] if method == "full" else [])]
    plan = json.loads(harness.lyceum("tune", MODEL, "--data", data, "--plan", "--json", *SETTINGS, *settings, env=env).stdout)
    assert plan["examples"] == 24 and plan["desirable"] == 12
    assert [s["text"] for s in plan["sample"] if s["learned"]] == ["class Word0:<|im_end|>", "def word_23():<|im_end|>"]
    output = tuned(env, data, *settings)
    steps = [line for line in map(json.loads, (output.parent / "progress.jsonl").read_text().splitlines()) if line["phase"] == "train"]
    assert abs(steps[0]["loss"] - 0.5) < 1e-6 and steps[0]["kl"] == 0 and abs(steps[0]["rewards/margins"]) < 1e-6
    assert steps[-1]["loss"] < 0.499 and steps[-1]["rewards/margins"] > 0.01


@pytest.mark.parametrize("objective", ["dpo", "orpo"])
def test_held_out_pairs_get_better(objective, env, tmp_path):
    pairs = [{"prompt": f"Say word {i}", "chosen": f"def word_{i}():", "rejected": f"class Word{i}:"} for i in range(40)]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    output = tuned(env, data, "--set", f"objective={objective}", "--set", "val_size=0.3", "--set", "eval_steps=2", "--set", "max_steps=6", "--set", "load_best_model_at_end=true")
    lines = [json.loads(line) for line in (output.parent / "progress.jsonl").read_text().splitlines()]
    measured = [line for line in lines if line["phase"] == "evaluate" and "eval_loss" in line]
    assert len(measured) == 3 and measured[-1]["eval_loss"] < measured[0]["eval_loss"]
    assert measured[-1]["eval_rewards/margins"] > measured[0]["eval_rewards/margins"] and measured[-1]["eval_rewards/accuracies"] > 0.8
    assert ("eval_nll_loss" in measured[0]) == (objective == "orpo")
    record = json.loads((output / "lineage.json").read_text())
    assert record["data"]["pairs"] + record["data"]["pairs_held_out"] == 40
    assert record["evaluation"]["best_loss"] == min(line["eval_loss"] for line in measured)


def test_chats_held_out_stop_training_in_time_and_are_compared(env, tmp_path):
    """Chats that all answer alike: the held-out ones get better until training is too fast, and the best model is kept."""
    chats = [{"messages": [{"role": "user", "content": f"Count to {i}"}, {"role": "assistant", "content": "def count():\n    return " + str(i % 5)}]} for i in range(60)]
    data = tmp_path / "chats.jsonl"
    data.write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    settings = ["--set", "val_size=0.3", "--set", "eval_steps=2", "--set", "early_stopping_patience=4", "--set", "load_best_model_at_end=true", "--set", "max_steps=14"]
    output = tuned(env, data, *settings)
    record = json.loads((output / "lineage.json").read_text())
    curve = record["evaluation"]["curve"]
    assert record["data"]["chats_held_out"] + record["data"]["chats"] == 60
    assert record["evaluation"]["best_loss"] == min(loss for _, loss in curve) < curve[0][1]
    assert "whose weights these are" in (output / "README.md").read_text()
    report = json.loads(harness.lyceum("compare", MODEL, "--adapter", output, "--data", data, "--json", env=env).stdout)
    assert report["chats"] == record["data"]["chats_held_out"]
    bits = report["bits_per_labelled_token"]
    assert bits["adapter"] < bits["base"] and bits["difference_high"] < 0
    # The same model and the same tokens: what training measured is what the engine measures.
    assert abs(bits["adapter"] * 0.6931471805599453 - record["evaluation"]["best_loss"]) < 0.02
