"""convert and quantize with the real program: a tuned and merged model becomes a small GGUF, is served from the hub, and made again to the same hash."""
import ast
import asyncio
import json
import math
import pathlib
import struct

import harness
import pytest

MODEL = harness.ROOT / "starter/model"
LIMITS = {"Q8_0": (0.005, 0.0003), "Q5_K_M": (0.02, 0.002), "Q4_K_M": (0.02, 0.008), "Q4_0": (0.03, 0.015), "Q2_K": (0.1, 0.08)}   # perplexity, divergence
TOKENS = 800


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LYCEUM_HOME": str(home / "lyceum")}


def widen(source, target):
    """The starter model, 192 wide, as the same function 256 wide, whole blocks of the K types: zeros beside it, norms scaled for them, and an empty head a group."""
    import torch
    from safetensors.torch import load_file, save_file
    config = json.loads((source / "config.json").read_text())
    old, new, size = config["hidden_size"], 256, config["head_dim"]
    root = math.sqrt(old / new)
    rows = [head * size + i for group in range(2) for head in range(4 * group, 4 * group + 3) for i in range(size)]
    out = {}
    for name, value in load_file(source / "model.safetensors").items():
        value = value.float()
        if "norm" in name:
            wide = torch.zeros(new)
            wide[:old] = value * root
        elif "q_proj" in name:
            wide = torch.zeros(new, new)
            wide[rows, :old] = value
        elif "o_proj" in name:
            wide = torch.zeros(new, new)
            wide[:old, rows] = value
        elif "down_proj" in name:
            wide = torch.zeros(new, value.shape[1])
            wide[:old] = value
        else:
            wide = torch.zeros(value.shape[0], new)
            wide[:, :old] = value
        out[name] = wide.contiguous()
    target.mkdir()
    save_file(out, target / "model.safetensors", metadata={"format": "pt"})
    config |= {"hidden_size": new, "num_attention_heads": 8, "rms_norm_eps": config["rms_norm_eps"] * old / new, "torch_dtype": "float32"}
    (target / "config.json").write_text(json.dumps(config))
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]:
        (target / name).write_bytes((source / name).read_bytes())


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    target = tmp_path_factory.mktemp("wide") / "model"
    widen(MODEL, target)
    return target


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """What the rounding is weighed with: other modules than the one that is measured."""
    folder = tmp_path_factory.mktemp("text")
    for module in [ast, pathlib, json, struct]:
        path = pathlib.Path(module.__file__)
        (folder / f"{path.parent.name}_{path.name}").write_bytes(path.read_bytes()[:40000])
    return folder


def make(env, model, out, *more, command="quantize"):
    return json.loads(harness.lyceum(command, model, out, *more, "--json", env=env).stdout)


def logits(env, model, ids, tmp_path):
    import numpy
    target = tmp_path / "logits.f32"
    harness.lyceum("logits", model, "--ids", ",".join(map(str, ids)), "--out", target, "--json", env=env)
    return numpy.fromfile(target, numpy.float32).reshape(len(ids), -1).astype(numpy.float64)


def log_chances(env, model, ids, tmp_path):
    import numpy
    rows = logits(env, model, ids, tmp_path)
    rows -= rows.max(axis=1, keepdims=True)
    return rows - numpy.log(numpy.exp(rows).sum(axis=1, keepdims=True))


def test_a_converted_model_is_the_same_model(env, tmp_path):
    import numpy
    report = make(env, MODEL, tmp_path / "m.gguf", command="convert")
    assert report["type"] == "BF16" and not report["tokenizer_embedded"]
    assert (logits(env, tmp_path / "m.gguf", range(6, 60), tmp_path) == logits(env, MODEL, range(6, 60), tmp_path)).all()
    assert numpy.isfinite(report["bits_per_weight"])
    inspected = json.loads(harness.lyceum("inspect", tmp_path / "m.gguf", "--json", env=env).stdout)
    assert inspected["lineage"]["base"]["inputs_sha256"]["model.safetensors"] and inspected["architecture"] == "LlamaForCausalLM"


def test_fewer_bits_move_it_more_and_weighing_moves_it_less(env, wide, text, tmp_path):
    """Perplexity, and the mean Kullback-Leibler divergence of the next token's chances from those of the unrounded model. The perplexity of so small and
    unsure a model moves by chance when little is lost; the divergence does not, so that is what weighing is held to."""
    import numpy
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    # Three modules that the starter model has not learned (starter/make_corpus.py leaves asyncio out).
    documents = [tokenizer.encode((pathlib.Path(asyncio.__file__).parent / name).read_text(), add_special_tokens=False).ids[300:300 + TOKENS] for name in ["base_events.py", "tasks.py", "streams.py"]]
    exact = [log_chances(env, MODEL, ids, tmp_path) for ids in documents]
    assert numpy.abs(log_chances(env, wide, documents[0], tmp_path) - exact[0]).max() < 1e-3   # the wide model is the same function
    places = numpy.arange(TOKENS - 1)

    def measure(kind, *more):
        report = make(env, wide, tmp_path / "m.gguf", "--type", kind, *more)
        found = [log_chances(env, tmp_path / "m.gguf", ids, tmp_path) for ids in documents]
        (tmp_path / "m.gguf").unlink()
        perplexity = [math.exp(-numpy.mean([rows[places, ids[1:]].mean() for rows, ids in zip(chances, documents)])) for chances in (found, exact)]
        divergence = float(numpy.mean([(numpy.exp(sure) * (sure - rows)).sum(axis=1).mean() for sure, rows in zip(exact, found)]))
        print(f"{kind:<7} {report['bits_per_weight']:5.2f} bits  perplexity {perplexity[0] / perplexity[1] - 1:+.2%}  divergence {divergence:.5f}  {'weighed' if more else ''}")
        return perplexity[0] / perplexity[1] - 1, divergence

    found = {kind: measure(kind) for kind in LIMITS}
    assert {kind: moved for kind, (moved, divergence) in found.items() if abs(moved) > LIMITS[kind][0] or divergence > LIMITS[kind][1]} == {}
    assert sorted(found, key=lambda kind: found[kind][1]) == list(LIMITS)
    imatrix = tmp_path / "imatrix.gguf"
    weighed = {kind: measure(kind, "--imatrix", imatrix, *([] if imatrix.exists() else ["--calibrate", text])) for kind in ["Q4_K_M", "Q4_0", "Q2_K"]}
    assert {kind: one for kind, (_, one) in weighed.items() if one >= found[kind][1]} == {}


def test_refusals_name_the_remedy_and_leave_nothing(env, tmp_path):
    def refused(*arguments):
        done = harness.lyceum(*arguments, env=env, check=False)
        assert done.returncode != 0
        return done.stderr
    out = tmp_path / "out.gguf"
    assert "did you mean Q4_K_M" in refused("quantize", MODEL, out, "--type", "Q4_K_N")
    assert "lyceum quantize" in refused("convert", MODEL, out, "--type", "Q4_0")
    make(env, MODEL, tmp_path / "q8.gguf", "--type", "Q8_0")
    assert "--requantize" in refused("quantize", tmp_path / "q8.gguf", out, "--type", "Q4_0")
    assert "exists" in refused("quantize", MODEL, tmp_path / "q8.gguf", "--type", "Q4_0")
    (tmp_path / "no.gguf").write_bytes(b"no imatrix")
    assert "no.gguf" in refused("quantize", MODEL, out, "--type", "Q4_0", "--imatrix", tmp_path / "no.gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no.gguf", "q8.gguf"]
    make(env, tmp_path / "q8.gguf", out, "--type", "Q4_0", "--requantize")


def test_the_recorded_inputs_give_the_same_hash(env, text, tmp_path):
    made = make(env, MODEL, tmp_path / "m.gguf", "--type", "Q4_K_M", "--calibrate", text, "--chunks", "4", "--threads", "1")
    again = json.loads(harness.lyceum("reproduce", tmp_path / "m.gguf", "--base", MODEL, "--data", text, "--threads", "2", "--json", env=env).stdout)
    assert again["reproduced"] and again["sha256"] == made["sha256"]
    (text / "more.py").write_text("x = 1\n")
    done = harness.lyceum("reproduce", tmp_path / "m.gguf", "--base", MODEL, "--data", text, env=env, check=False)
    assert done.returncode != 0 and "differs" in done.stderr


def test_a_quantised_model_is_published_and_served(env, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    with harness.Server(tmp_path / "data", starter=MODEL.parent) as server:
        own = env | server.environment(tmp_path)
        report = make(own, "lyceum/stdlib-coder-3m", folder / "stdlib-coder-Q4_K_M.gguf", "--type", "Q4_K_M", "--card")
        assert report["lineage"]["base"]["repo"] == "lyceum/stdlib-coder-3m"
        harness.lyceum("push", folder, "admin/small", env=own)
        body = {"model": "admin/small", "prompt": "def read(path):\n    with open(", "max_tokens": 8, "temperature": 0}
        answer = harness.ask(server.url, "POST", "/v1/completions", body, token=server.token)
        assert answer.status == 200 and answer.json()["usage"]["completion_tokens"] > 0
        assert json.loads(harness.lyceum("reproduce", "admin/small", "--json", env=own).stdout)["reproduced"]
