#!/usr/bin/env python3
"""Makes the goldens of src/tuning from PyTorch, transformers and PEFT, in this folder:

    gradients/<model>/   config.json, model.safetensors, expected.safetensors: the loss and every parameter's gradient of one packed
                         batch, taken in float64, for small random models with every switch of DecoderConfig
    lora/<model>/        base/, initial/ (an adapter saved by PEFT), expected.json (losses and learning rates of 50 AdamW steps in
                         float32), final.safetensors (the adapter after them)

    python tests/goldens/tuning/make_goldens.py        (needs torch, transformers, peft, safetensors)

Samples are packed first-fit into rows; isolation comes from a block-diagonal mask and restarting positions. The loss of a step is the
sum over all its labelled tokens divided by their number, over all micro-batches.
"""
import json
import pathlib
import random

import torch
from peft import LoraConfig, get_peft_model
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


def lora(name, spec):
    folder = HERE / "lora" / name
    base = build(spec, torch.float32)
    base.save_pretrained(folder / "base")
    (folder / "base" / "generation_config.json").unlink(missing_ok=True)
    torch.manual_seed(11)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                parameter.copy_(0.02 * torch.randn_like(parameter))
    model.save_pretrained(folder / "initial")
    (folder / "initial" / "README.md").unlink(missing_ok=True)
    steps, rows_per_batch, accumulation = 50, 2, 2
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    schedule = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=5, num_training_steps=steps)
    samples = make_samples(spec["vocab_size"], 40, 2)
    rows = pack(samples, 64)
    out = {"steps": steps, "rows_per_batch": rows_per_batch, "accumulation": accumulation, "samples": samples, "losses": [], "norms": [], "rates": []}
    at = 0
    for _ in range(steps):
        losses = []
        for _ in range(rows_per_batch * accumulation):
            losses.append(row_loss(model, rows[at % len(rows)], spec.get("sliding_window"), torch.float32))
            at += 1
        loss = sum(l for l, _ in losses) / sum(n for _, n in losses)
        loss.backward()
        out["norms"].append(float(torch.nn.utils.clip_grad_norm_(parameters, 1.0)))
        out["losses"].append(float(loss))
        out["rates"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    (folder / "expected.json").write_text(json.dumps(out))
    model.save_pretrained(folder / "final")
    (folder / "final" / "adapter_model.safetensors").rename(folder / "final.safetensors")
    for leftover in (folder / "final").iterdir():
        leftover.unlink()
    (folder / "final").rmdir()
    print(name, "losses", out["losses"][0], "->", out["losses"][-1])


if __name__ == "__main__":
    for model_name, model_spec in MODELS.items():
        gradients(model_name, model_spec)
    lora("llama_gqa", MODELS["llama_gqa"])
    lora("qwen2_bias", MODELS["qwen2_bias"])
