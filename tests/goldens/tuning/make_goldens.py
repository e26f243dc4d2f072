#!/usr/bin/env python3
"""Makes the goldens of src/tuning from PyTorch, transformers and PEFT, in this folder:

    gradients/<model>/   config.json, model.safetensors, expected.safetensors: the loss and every parameter's gradient of one packed
                         batch, taken in float64, for small random models with every switch of DecoderConfig
    lora/<model>/        base/, initial/ (an adapter saved by PEFT), expected.json (losses and learning rates of 50 AdamW steps in
                         float32), final.safetensors (the adapter after them)
    lora/<model>_<variant>/  the same over that model's base with rsLoRA, DoRA, LoRA+ (PEFT's optimizer), embedding and head trained whole, or patterns of ranks and alphas; DoRA also has gradients.safetensors, the adapter's
                         gradients of the first row in float64
    qlora/<model><variant>/  the same over a base in 4 bits (bitsandbytes: NF4, double-quantised, with DoRA): base/ in bfloat16, base_4bit/ as transformers saves it
    full/<model>/        50 steps over all parameters of lora/<model>/base: expected.json, final.safetensors
    optimizers/<name>/   50 steps over all parameters with 8-bit AdamW (bitsandbytes), Lion (bitsandbytes) and Muon (PyTorch's, its iteration in float32): expected.json,
                         final.safetensors (of the first layer); 8-bit AdamW also the codes of one matrix after the first step
    kto/<model>/         50 steps of KTO by TRL's formula, the mismatched answers those of the example before
    dpo/<model>_<variant>/, orpo/<model>/   50 steps of DPO (_full: over all parameters, its reference a copy of the model) (ORPO has no reference) from a saved adapter, its reference the model with the adapter off: losses, rewards and
                         log-probabilities by TRL's names

    python tests/goldens/tuning/make_goldens.py [folder…]       (needs torch, transformers, peft, safetensors, for qlora and optimizers bitsandbytes==0.50.2 and accelerate; no folder = all)

Samples are packed first-fit into rows; isolation comes from a block-diagonal mask and restarting positions. The loss of a step is the
sum over all its labelled tokens divided by their number, over all micro-batches.
"""
import contextlib
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
# Columns of 64, so that rows are whole blocks in 4 bits.
WIDE = dict(COMMON, hidden_size=64, intermediate_size=128)
MODELS = {
    "llama_wide": dict(WIDE, model_type="llama"),
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
    options = {"target_modules": "all-linear"} | options
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **options))
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


class Together:
    """Several optimizers as one."""

    def __init__(self, *optimizers):
        self.optimizers = optimizers

    def step(self):
        for optimizer in self.optimizers:
            optimizer.step()

    def zero_grad(self):
        for optimizer in self.optimizers:
            optimizer.zero_grad()


def nearest_codes():
    """bitsandbytes' CPU kernel looks 8-bit codes up on a grid of 65,536 values; the nearest ones are what its CUDA kernels and its PyTorch backend give."""
    sys.path.insert(0, str(HERE.parent / "quants"))
    from make_nf4 import quantize_blockwise
    return quantize_blockwise


def make_optimizer(name, model, rate):
    """name: adamw_8bit, lion or muon. As transformers: biases and norms do not decay."""
    parameters = list(model.named_parameters())
    groups = [{"params": [p for _, p in parameters if p.dim() > 1], "weight_decay": 0.01}, {"params": [p for _, p in parameters if p.dim() < 2], "weight_decay": 0.0}]
    if name == "muon":
        import torch.optim._muon as muon

        def orthogonalise(grad, coefficients, steps, eps):
            a, b, c = coefficients
            x = grad.T if grad.size(0) > grad.size(1) else grad
            x = x / x.norm().clamp(min=eps)
            for _ in range(steps):
                square = x @ x.T
                x = a * x + (b * square + c * square @ square) @ x
            return x.T if grad.size(0) > grad.size(1) else x

        muon._zeropower_via_newtonschulz = orthogonalise   # which rounds to bfloat16
        table = lambda key: "embed_tokens" in key or "lm_head" in key
        rest = [{"params": [p for key, p in parameters if p.dim() > 1 and table(key)], "weight_decay": 0.01}, groups[1]]
        return Together(torch.optim.Muon([p for key, p in parameters if p.dim() > 1 and not table(key)], lr=rate, weight_decay=0.01, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw"),
                        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.999), eps=1e-8))
    import bitsandbytes
    if name == "lion":
        return bitsandbytes.optim.Lion32bit(groups, lr=rate, betas=(0.9, 0.99))
    from bitsandbytes.backends.cpu import ops
    quantize_blockwise = nearest_codes()

    def nearest(values, code, absmax_out, out, blocksize):
        codes, absmax = quantize_blockwise(values, code, blocksize)
        out.copy_(codes.reshape(out.shape))
        absmax_out.copy_(absmax)

    ops._quant_blockwise_fp32_direct = nearest
    return bitsandbytes.optim.AdamW8bit(groups, lr=rate, betas=(0.9, 0.999), eps=1e-8)


def optimizers(name):
    folder = HERE / "optimizers" / name
    folder.mkdir(parents=True, exist_ok=True)
    wide = name == "adamw_8bit"
    model = AutoModelForCausalLM.from_pretrained(HERE / ("qlora/llama_wide/base" if wide else "lora/llama_gqa/base"), dtype=torch.float32, attn_implementation="eager").eval()
    rate = 5e-4 if name == "lion" else 2e-3
    optimizer = make_optimizer(name, model, rate)
    samples = make_samples(61, 40, 2)
    rows = pack(samples, 64)
    out = {"steps": 50, "rows_per_batch": 2, "accumulation": 2, "samples": samples, "losses": [], "norms": [], "rate": rate}
    codes = {}
    for step in range(50):
        losses = [row_loss(model, rows[(4 * step + i) % len(rows)], None, torch.float32) for i in range(4)]
        loss = sum(l for l, _ in losses) / sum(n for _, n in losses)
        loss.backward()
        out["norms"].append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        out["losses"].append(float(loss))
        optimizer.step()
        optimizer.zero_grad()
        if wide and step == 0:
            state = optimizer.state[model.model.layers[0].mlp.down_proj.weight]
            codes = {f"down#{key}": state[key].clone().contiguous() for key in ("state1", "state2", "absmax1", "absmax2")}
    (folder / "expected.json").write_text(json.dumps(out))
    save_file({key: p.detach().contiguous() for key, p in model.named_parameters() if "layers.0" in key} | codes, folder / "final.safetensors", metadata={"format": "pt"})
    print("optimizers", name, "losses", out["losses"][0], "->", out["losses"][-1])


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


def qlora(name, spec, variant, **options):
    """LoRA over a base that bitsandbytes has in 4 bits: base/ (bfloat16, quantised on load) and base_4bit/ (as transformers saves it)."""
    import bitsandbytes.functional
    from transformers import BitsAndBytesConfig
    theirs, nearest = bitsandbytes.functional.quantize_blockwise, nearest_codes()

    def quantize_blockwise(values, *args, **kwargs):
        codes, state = theirs(values, *args, **kwargs)
        return codes.copy_(nearest(values, state.code)[0].reshape(codes.shape)), state

    bitsandbytes.functional.quantize_blockwise = quantize_blockwise
    folder = HERE / "qlora" / (name + variant)
    shared = HERE / "qlora" / name
    if not variant:
        build(spec, torch.bfloat16).save_pretrained(shared / "base")
    double = options.pop("double", False)
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32, bnb_4bit_use_double_quant=double)
    base = AutoModelForCausalLM.from_pretrained(shared / "base", quantization_config=config, dtype=torch.float32, attn_implementation="eager", device_map="cpu").eval()
    if not options:
        base.save_pretrained(folder / "base_4bit")
    for each in (shared / "base", folder / "base_4bit"):
        (each / "generation_config.json").unlink(missing_ok=True)
    model = add_adapter(base, **options)
    model.peft_config["default"].base_model_name_or_path = "base"
    save_adapter(model, folder / "initial")
    samples = make_samples(spec["vocab_size"], 40, 2)
    rows = pack(samples, 64)
    out = {"steps": 50, "rows_per_batch": 2, "accumulation": 2, "samples": samples}

    def step_loss(step_rows):
        losses = [row_loss(model, row, None, torch.float32) for row in step_rows]
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


def dpo(name, spec, variant, beta, label_smoothing, full=False, **options):
    """The plain loss of Rafailov et al. 2023, a sequence at a time, no packing; conservative DPO's label smoothing."""
    folder = HERE / "dpo" / (name + variant)
    if full:
        folder.mkdir(parents=True, exist_ok=True)
        model, pairs, frozen = build(spec, torch.float32), make_pairs(spec["vocab_size"], 30, 3), build(spec, torch.float32)
    else:
        model, pairs = preference_run(folder, spec, 3, **options)

    def step_loss(step_rows):
        losses, chosen, rejected, logps = [], [], [], []
        for pair in (pair for row in step_rows for pair in row):
            policy = [completion_logp(model, pair["prompt"], pair[side]) for side in ("chosen", "rejected")]
            with torch.no_grad(), contextlib.nullcontext() if full else model.disable_adapter():
                reference = [completion_logp(frozen if full else model, pair["prompt"], pair[side]) for side in ("chosen", "rejected")]
            logits = (policy[0] - policy[1]) - (reference[0] - reference[1])
            log_sigmoid = torch.nn.functional.logsigmoid
            losses.append(-log_sigmoid(beta * logits) * (1 - label_smoothing) - log_sigmoid(-beta * logits) * label_smoothing)
            chosen.append(float(beta * (policy[0] - reference[0])))
            rejected.append(float(beta * (policy[1] - reference[1])))
            logps.append([float(p) for p in policy])
        return mean(losses), rewards_of(chosen, rejected, logps)

    out = {"steps": 50, "rows_per_batch": 2, "accumulation": 2, "pairs": pairs, "beta": beta, "label_smoothing": label_smoothing}
    train(model, pack_pairs(pairs), step_loss, folder, out)


def kto(name, spec, beta, desirable_weight, undesirable_weight):
    """Ethayarajh et al. 2024 as TRL writes it; the KL term is the mean over the step of prompts with the answer of the example before."""
    folder = HERE / "kto" / name
    model, pairs = preference_run(folder, spec, 5)
    rng = random.Random(6)
    examples = [{"prompt": p["prompt"], "completion": p["chosen"], "label": rng.random() < 0.6} for p in pairs]
    for i, example in enumerate(examples):
        example["other"] = examples[i - 1]["completion"]
    rows = []
    for example in examples:   # first fit by the length of both documents
        size = lambda e: 2 * len(e["prompt"]) + len(e["completion"]) + len(e["other"])
        for row in rows:
            if sum(map(size, row)) + size(example) <= 64:
                row.append(example)
                break
        else:
            rows.append([example])

    def step_loss(step_rows):
        these = [example for row in step_rows for example in row]
        with torch.no_grad():
            other = torch.stack([completion_logp(model, e["prompt"], e["other"]) for e in these])
            with model.disable_adapter():
                kl = (other - torch.stack([completion_logp(model, e["prompt"], e["other"]) for e in these])).mean().clamp(min=0)
                reference = [completion_logp(model, e["prompt"], e["completion"]) for e in these]
        losses, chosen, rejected = [], [], []
        for example, of_reference in zip(these, reference):
            ratio = completion_logp(model, example["prompt"], example["completion"]) - of_reference
            if example["label"]:
                losses.append(desirable_weight * (1 - torch.sigmoid(beta * (ratio - kl))))
                chosen.append(float(beta * ratio))
            else:
                losses.append(undesirable_weight * (1 - torch.sigmoid(beta * (kl - ratio))))
                rejected.append(float(beta * ratio))
        return mean(losses), {"kl": float(kl), "rewards/chosen": mean(chosen), "rewards/rejected": mean(rejected)}

    out = {"steps": 50, "rows_per_batch": 2, "accumulation": 2, "examples": examples, "beta": beta, "desirable_weight": desirable_weight, "undesirable_weight": undesirable_weight}
    train(model, rows, step_loss, folder, out)


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


RUNS = {f"gradients/{model}": lambda model=model: gradients(model, MODELS[model]) for model in MODELS if model != "llama_wide"}
RUNS |= {f"lora/{model}": lambda model=model: lora(model, MODELS[model]) for model in ("llama_gqa", "qwen2_bias")}
RUNS |= {f"lora/{model}_dora": lambda model=model: lora(model, MODELS[model], "_dora", use_dora=True) for model in ("llama_gqa", "qwen2_bias")}
RUNS["lora/llama_gqa_rslora"] = lambda: lora("llama_gqa", MODELS["llama_gqa"], "_rslora", use_rslora=True)
RUNS["lora/llama_gqa_full_modules"] = lambda: lora("llama_gqa", MODELS["llama_gqa"], "_full_modules", modules_to_save=["embed_tokens", "lm_head"])
RUNS["lora/llama_gqa_patterns"] = lambda: lora("llama_gqa", MODELS["llama_gqa"], "_patterns", rank_pattern={"q_proj": 2, "mlp.down_proj": 6}, alpha_pattern={"q_proj": 3}, exclude_modules=["k_proj"],
                                               layers_to_transform=[1], target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
RUNS["lora/llama_gqa_loraplus"] = lambda: lora("llama_gqa", MODELS["llama_gqa"], "_loraplus", loraplus=8)
RUNS["lora/qwen2_bias_dora_loraplus"] = lambda: lora("qwen2_bias", MODELS["qwen2_bias"], "_dora_loraplus", loraplus=4, use_dora=True)
RUNS["qlora/llama_wide"] = lambda: qlora("llama_wide", MODELS["llama_wide"], "")
RUNS["qlora/llama_wide_double"] = lambda: qlora("llama_wide", MODELS["llama_wide"], "_double", double=True)
RUNS["qlora/llama_wide_dora"] = lambda: qlora("llama_wide", MODELS["llama_wide"], "_dora", use_dora=True)
RUNS |= {f"full/{model}": lambda model=model: full(model, MODELS[model]) for model in ("llama_gqa", "qwen2_bias")}
RUNS["dpo/llama_gqa_plain"] = lambda: dpo("llama_gqa", MODELS["llama_gqa"], "_plain", 0.5, 0.0)
RUNS["dpo/qwen2_bias_smoothed"] = lambda: dpo("qwen2_bias", MODELS["qwen2_bias"], "_smoothed", 0.3, 0.1, use_dora=True)
RUNS["dpo/llama_gqa_full"] = lambda: dpo("llama_gqa", MODELS["llama_gqa"], "_full", 0.5, 0.0, full=True)
RUNS["kto/llama_gqa"] = lambda: kto("llama_gqa", MODELS["llama_gqa"], 0.3, 1.0, 1.5)
RUNS |= {f"optimizers/{name}": lambda name=name: optimizers(name) for name in ("adamw_8bit", "lion", "muon")}
RUNS["orpo/llama_gqa"] = lambda: orpo("llama_gqa", MODELS["llama_gqa"], 0.5)

if __name__ == "__main__":
    for folder in sys.argv[1:] or RUNS:
        RUNS[folder]()
