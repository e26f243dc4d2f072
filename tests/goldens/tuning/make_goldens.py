#!/usr/bin/env python3
"""Makes the goldens of src/tuning from PyTorch, transformers and PEFT, in this folder:

    gradients/<model>/   config.json, model.safetensors, expected.safetensors: the loss and every parameter's gradient of one packed
                         batch, taken in float64, for small random models with every switch of DecoderConfig
    lora/<model>/        base/, initial/ (an adapter saved by PEFT), expected.json (losses and learning rates of 50 AdamW steps in
                         float32), final.safetensors (the adapter after them)
    lora/<model>_<variant>/  the same over that model's base with rsLoRA, DoRA or LoRA+ (PEFT's optimizer); DoRA also has gradients.safetensors, the adapter's
                         gradients of the first row in float64
    full/<model>/        50 steps over all parameters of lora/<model>/base: expected.json, final.safetensors
    dpo/<model>_<variant>/, orpo/<model>/   50 steps of DPO (ORPO has no reference) from a saved adapter, its reference the model with the adapter off: losses, rewards and
                         log-probabilities by TRL's names

    python tests/goldens/tuning/make_goldens.py [folder…]       (needs torch, transformers, peft, safetensors; no folder = all)

Samples are packed first-fit into rows; isolation comes from a block-diagonal mask and restarting positions. The loss of a step is the
sum over all its labelled tokens divided by their number, over all micro-batches.
"""
import json
import pathlib
import random
import sys

import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, get_cosine_schedule_with_warmup

HERE = pathlib.Path(__file__).resolve().parent
torch.set_num_threads(1)

COMMON = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=61,
              max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False, hidden_act="silu",
              bos_token_id=None, eos_token_id=0, pad_token_id=None)
MODELS = {
    "llama_gqa": dict(COMMON, model_type="llama"),
    "llama_tied": dict(COMMON, model_type="llama", num_key_value_heads=4, tie_word_embeddings=True),
    "qwen2_bias": dict(COMMON, model_type="qwen2", rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True),
    "qwen3_qk_norm": dict(COMMON, model_type="qwen3", head_dim=8, rms_norm_eps=1e-6, rope_theta=1e6),
    "mistral_window": dict(COMMON, model_type="mistral", sliding_window=5, head_dim=6),
}


def build(spec, dtype):
    spec = dict(spec)
    config = AutoConfig.for_model(spec.pop("model_type"), **spec)
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.1 * torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) * (0.1 if parameter.dim() == 1 else 0.2))
    return model.to(dtype).eval()


def make_samples(vocab, count, seed):
    rng = random.Random(seed)
    samples = []
    for _ in range(count):
        length = rng.randint(4, 28)
        ids = [rng.randrange(vocab) for _ in range(length)]
        labelled = [int(rng.random() < 0.7) for _ in range(length)]
        labelled[-1] = 1
        samples.append({"ids": ids, "labelled": labelled})
    return samples


def pack(samples, length):
    rows = []
    for sample in samples:
        for row in rows:
            if sum(len(s["ids"]) for s in row) + len(sample["ids"]) <= length:
                row.append(sample)
                break
        else:
            rows.append([sample])
    return rows


def row_loss(model, row, window, dtype):
    """Sum of -log p over the row's labelled tokens, and their number."""
    ids, positions, targets, document = [], [], [], []
    for number, sample in enumerate(row):
        ids += sample["ids"]
        positions += range(len(sample["ids"]))
        targets += [t if l else -100 for t, l in list(zip(sample["ids"], sample["labelled"]))[1:]] + [-100]
        document += [number] * len(sample["ids"])
    document = torch.tensor(document)
    index = torch.arange(len(ids))
    seen = (document[:, None] == document[None, :]) & (index[None, :] <= index[:, None])
    if window:
        seen &= index[:, None] - index[None, :] < window
    mask = torch.zeros(len(ids), len(ids), dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[None, None]
    logits = model(input_ids=torch.tensor([ids]), position_ids=torch.tensor([positions]), attention_mask=mask, use_cache=False).logits[0]
    targets = torch.tensor(targets)
    return torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="sum"), int((targets != -100).sum())


def gradients(name, spec):
    folder = HERE / "gradients" / name
    build(spec, torch.float32).save_pretrained(folder)
    model = build(spec, torch.float64)
    samples = make_samples(spec["vocab_size"], 6, 1)
    total = 0.0
    for row in pack(samples, 64):
        loss, _ = row_loss(model, row, spec.get("sliding_window"), torch.float64)
        loss.backward()
        total += float(loss)
    expected = {key: parameter.grad.to(torch.float32).contiguous() for key, parameter in model.named_parameters()}
    save_file(expected, folder / "expected.safetensors", metadata={"format": "pt"})
    (folder / "expected.json").write_text(json.dumps({"loss_sum": total, "samples": samples}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    print(name, "loss", total)


def add_adapter(base, **options):
    torch.manual_seed(11)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **options))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                parameter.copy_(0.02 * torch.randn_like(parameter))
            if "lora_magnitude_vector" in key:
                parameter.mul_(1 + 0.1 * torch.randn_like(parameter))
    return model


def save_adapter(model, folder):
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)


def save_final(model, folder):
    model.save_pretrained(folder / "final")
    (folder / "final" / "adapter_model.safetensors").rename(folder / "final.safetensors")
    for leftover in (folder / "final").iterdir():
        leftover.unlink()
    (folder / "final").rmdir()


def adapter_gradients(folder, spec, row, options):
    """The adapter's gradients of one row's summed loss, in float64."""
    model = add_adapter(build(spec, torch.float64), **options).to(torch.float64)
    from safetensors.torch import load_file
    from peft import set_peft_model_state_dict
    set_peft_model_state_dict(model, load_file(folder / "initial" / "adapter_model.safetensors"))
    loss, _ = row_loss(model, row, spec.get("sliding_window"), torch.float64)
    loss.backward()
    out = {}
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            name = key.replace(".default", "")
            out[name.removesuffix(".weight") if "magnitude" in name else name] = parameter.grad.to(torch.float32).contiguous()
    save_file(out, folder / "gradients.safetensors", metadata={"format": "pt"})
    return float(loss)


def train(model, rows, step_loss, folder, out):
    """50 AdamW steps; step_loss(rows of a step) gives the loss and what else to record of it."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    common = dict(betas=(0.9, 0.999), eps=1e-8)
    if "loraplus_lr_ratio" in out:
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=2e-3, loraplus_lr_ratio=out["loraplus_lr_ratio"], loraplus_weight_decay=0.01, **common)
    elif hasattr(model, "peft_config"):
        optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01, **common)
    else:   # as transformers: biases and norms do not decay
        groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.01}, {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=2e-3, **common)
    schedule = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=5, num_training_steps=out["steps"])
    out.update(losses=[], norms=[], rates=[])
    at, count = 0, out["rows_per_batch"] * out["accumulation"]
    for _ in range(out["steps"]):
        loss, more = step_loss([rows[(at + i) % len(rows)] for i in range(count)])
        at += count
        loss.backward()
        out["norms"].append(float(torch.nn.utils.clip_grad_norm_(parameters, 1.0)))
        out["losses"].append(float(loss))
        out["rates"].append(schedule.get_last_lr()[0])
        for key, value in more.items():
            out.setdefault(key, []).append(value)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    (folder / "expected.json").write_text(json.dumps(out))
    if hasattr(model, "peft_config"):
        save_final(model, folder)
    else:
        save_file({name: value.detach().contiguous() for name, value in model.named_parameters()}, folder / "final.safetensors", metadata={"format": "pt"})
    print(folder.relative_to(HERE), "losses", out["losses"][0], "->", out["losses"][-1])


def lora(name, spec, variant="", loraplus=None, **options):
    folder = HERE / "lora" / (name + variant)
    base = build(spec, torch.float32)
    if not variant:
        base.save_pretrained(folder / "base")
        (folder / "base" / "generation_config.json").unlink(missing_ok=True)
    model = add_adapter(base, **options)
    save_adapter(model, folder / "initial")
    samples = make_samples(spec["vocab_size"], 40, 2)
    rows = pack(samples, 64)
    out = {"steps": 50, "rows_per_batch": 2, "accumulation": 2, "samples": samples}
    if loraplus:
        out["loraplus_lr_ratio"] = loraplus
    if options.get("use_dora"):
        out["gradient_loss"] = adapter_gradients(folder, spec, rows[0], options)

    def step_loss(step_rows):
        losses = [row_loss(model, row, spec.get("sliding_window"), torch.float32) for row in step_rows]
        return sum(l for l, _ in losses) / sum(n for _, n in losses), {}

    train(model, rows, step_loss, folder, out)


def full(name, spec):
    folder = HERE / "full" / name
    folder.mkdir(parents=True, exist_ok=True)
    model = build(spec, torch.float32)
    samples = make_samples(spec["vocab_size"], 40, 2)

    def step_loss(step_rows):
        losses = [row_loss(model, row, spec.get("sliding_window"), torch.float32) for row in step_rows]
        return sum(l for l, _ in losses) / sum(n for _, n in losses), {}

    train(model, pack(samples, 64), step_loss, folder, {"steps": 50, "rows_per_batch": 2, "accumulation": 2, "samples": samples})


def make_pairs(vocab, count, seed):
    rng = random.Random(seed)
    pairs = []
    for _ in range(count):
        prompt = [rng.randrange(vocab) for _ in range(rng.randint(2, 8))]
        pairs.append({"prompt": prompt, "chosen": [rng.randrange(vocab) for _ in range(rng.randint(2, 9))],
                      "rejected": [rng.randrange(vocab) for _ in range(rng.randint(2, 9))]})
    return pairs


def completion_logp(model, prompt, completion):
    ids = torch.tensor([prompt + completion])
    logp = model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
    return sum(logp[len(prompt) + i - 1, token] for i, token in enumerate(completion))


def all_logps(model, ids):
    """log p of every token but the first."""
    logp = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)
    return torch.stack([logp[i - 1, token] for i, token in enumerate(ids) if i > 0])


def pack_pairs(pairs):
    """First fit by a pair's length, as samples are packed."""
    rows = []
    for pair in pairs:
        size = lambda p: 2 * len(p["prompt"]) + len(p["chosen"]) + len(p["rejected"])
        for row in rows:
            if sum(map(size, row)) + size(pair) <= 64:
                row.append(pair)
                break
        else:
            rows.append([pair])
    return rows


def mean(values):
    return sum(values) / len(values)


def rewards_of(chosen, rejected, logps):
    return {"rewards/chosen": mean(chosen), "rewards/rejected": mean(rejected), "rewards/margins": mean([c - r for c, r in zip(chosen, rejected)]),
            "rewards/accuracies": mean([float(c > r) for c, r in zip(chosen, rejected)]),
            "logps/chosen": mean([p[0] for p in logps]), "logps/rejected": mean([p[1] for p in logps])}


def preference_run(folder, spec, seed, **options):
    folder.mkdir(parents=True, exist_ok=True)
    model = add_adapter(build(spec, torch.float32), **options)
    save_adapter(model, folder / "initial")
    return model, make_pairs(spec["vocab_size"], 30, seed)


def dpo(name, spec, variant, beta, label_smoothing, **options):
    """The plain loss of Rafailov et al. 2023, a sequence at a time, no packing; conservative DPO's label smoothing."""
    folder = HERE / "dpo" / (name + variant)
    model, pairs = preference_run(folder, spec, 3, **options)

    def step_loss(step_rows):
        losses, chosen, rejected, logps = [], [], [], []
        for pair in (pair for row in step_rows for pair in row):
            policy = [completion_logp(model, pair["prompt"], pair[side]) for side in ("chosen", "rejected")]
            with torch.no_grad(), model.disable_adapter():
                reference = [completion_logp(model, pair["prompt"], pair[side]) for side in ("chosen", "rejected")]
            logits = (policy[0] - policy[1]) - (reference[0] - reference[1])
            log_sigmoid = torch.nn.functional.logsigmoid
            losses.append(-log_sigmoid(beta * logits) * (1 - label_smoothing) - log_sigmoid(-beta * logits) * label_smoothing)
            chosen.append(float(beta * (policy[0] - reference[0])))
            rejected.append(float(beta * (policy[1] - reference[1])))
            logps.append([float(p) for p in policy])
        return mean(losses), rewards_of(chosen, rejected, logps)

    out = {"steps": 50, "rows_per_batch": 2, "accumulation": 2, "pairs": pairs, "beta": beta, "label_smoothing": label_smoothing}
    train(model, pack_pairs(pairs), step_loss, folder, out)


def orpo(name, spec, beta):
    """Hong et al. 2024: the chosen document's own loss over all its tokens, and the odds ratio of the answers' mean log-probabilities."""
    folder = HERE / "orpo" / name
    model, pairs = preference_run(folder, spec, 4)

    def step_loss(step_rows):
        nll, tokens, ratios, odds, chosen, rejected, logps = 0.0, 0, [], [], [], [], []
        for pair in (pair for row in step_rows for pair in row):
            both = [all_logps(model, pair["prompt"] + pair[side]) for side in ("chosen", "rejected")]
            nll, tokens = nll - both[0].sum(), tokens + len(both[0])
            answers = [whole[len(pair["prompt"]) - 1:].mean() for whole in both]
            log_odds = (answers[0] - answers[1]) - (torch.log1p(-torch.exp(answers[0])) - torch.log1p(-torch.exp(answers[1])))
            odds.append(float(log_odds))
            ratios.append(torch.nn.functional.logsigmoid(log_odds))
            chosen.append(float(beta * answers[0]))
            rejected.append(float(beta * answers[1]))
            logps.append([float(a) for a in answers])
        more = rewards_of(chosen, rejected, logps) | {"nll_loss": float(nll / tokens), "log_odds_ratio": float(mean(ratios)), "log_odds_chosen": mean(odds)}
        return nll / tokens - beta * mean(ratios), more

    out = {"steps": 50, "rows_per_batch": 2, "accumulation": 2, "pairs": pairs, "beta": beta, "label_smoothing": 0.0}
    train(model, pack_pairs(pairs), step_loss, folder, out)


RUNS = {f"gradients/{model}": lambda model=model: gradients(model, MODELS[model]) for model in MODELS}
RUNS |= {f"lora/{model}": lambda model=model: lora(model, MODELS[model]) for model in ("llama_gqa", "qwen2_bias")}
RUNS |= {f"lora/{model}_dora": lambda model=model: lora(model, MODELS[model], "_dora", use_dora=True) for model in ("llama_gqa", "qwen2_bias")}
RUNS["lora/llama_gqa_rslora"] = lambda: lora("llama_gqa", MODELS["llama_gqa"], "_rslora", use_rslora=True)
RUNS["lora/llama_gqa_loraplus"] = lambda: lora("llama_gqa", MODELS["llama_gqa"], "_loraplus", loraplus=8)
RUNS["lora/qwen2_bias_dora_loraplus"] = lambda: lora("qwen2_bias", MODELS["qwen2_bias"], "_dora_loraplus", loraplus=4, use_dora=True)
RUNS |= {f"full/{model}": lambda model=model: full(model, MODELS[model]) for model in ("llama_gqa", "qwen2_bias")}
RUNS["dpo/llama_gqa_plain"] = lambda: dpo("llama_gqa", MODELS["llama_gqa"], "_plain", 0.5, 0.0)
RUNS["dpo/qwen2_bias_smoothed"] = lambda: dpo("qwen2_bias", MODELS["qwen2_bias"], "_smoothed", 0.3, 0.1, use_dora=True)
RUNS["orpo/llama_gqa"] = lambda: orpo("llama_gqa", MODELS["llama_gqa"], 0.5)

if __name__ == "__main__":
    for folder in sys.argv[1:] or RUNS:
        RUNS[folder]()
