"""A model with a real tokenizer and chat template but small random weights: what it says is noise, which is what a test of form needs."""
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import harness
import numpy
from safetensors.numpy import save_file

sys.path.insert(0, str(harness.ROOT / "tests/text"))
import npm_packages  # noqa: E402

HIDDEN, HEADS, HEAD_DIM, MIDDLE = 64, 4, 16, 128
ENDS = {"qwen2_5": ["<|im_end|>", "<|endoftext|>"], "qwen3": ["<|im_end|>", "<|endoftext|>"], "llama3": ["<|eot_id|>", "<|eom_id|>"], "llama3_2": ["<|eot_id|>", "<|eom_id|>"],
        "mistral_nemo": ["</s>"], "llama2": ["</s>"]}


def make(folder, tokenizer, layers=2, hidden=HIDDEN, middle=MIDDLE, heads=HEADS, seed=0, dtype=numpy.float32):
    """Writes a Llama-shaped model that speaks with the named tokenizer of tests/text/npm_packages.py. Returns the folder."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    source = npm_packages.models_folder(tokenizer)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, folder / name)
    ids = token_ids(folder)
    vocab = max(ids.values()) + 1
    head_dim = hidden // heads
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": middle, "num_hidden_layers": layers,
              "num_attention_heads": heads, "num_key_value_heads": heads, "head_dim": head_dim, "vocab_size": vocab, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
              "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": True, "torch_dtype": "float32",
              "eos_token_id": [ids[name] for name in ENDS[tokenizer] if name in ids]}
    (folder / "config.json").write_text(json.dumps(config))
    random = numpy.random.default_rng(seed)

    def weight(*shape, scale=None):
        return (random.standard_normal(shape, dtype=numpy.float32) * (scale or shape[-1] ** -0.5)).astype(dtype)

    weights = {"model.embed_tokens.weight": weight(vocab, hidden, scale=0.4), "model.norm.weight": numpy.ones(hidden, dtype)}
    for i in range(layers):
        layer = f"model.layers.{i}."
        for name, shape in (("self_attn.q_proj", (hidden, hidden)), ("self_attn.k_proj", (hidden, hidden)), ("self_attn.v_proj", (hidden, hidden)), ("self_attn.o_proj", (hidden, hidden)),
                            ("mlp.gate_proj", (middle, hidden)), ("mlp.up_proj", (middle, hidden)), ("mlp.down_proj", (hidden, middle))):
            weights[layer + name + ".weight"] = weight(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[layer + name + ".weight"] = numpy.ones(hidden, dtype)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def token_ids(folder):
    file = json.loads((folder / "tokenizer.json").read_text())
    return {**file["model"]["vocab"], **{token["content"]: token["id"] for token in file["added_tokens"]}}


class Engine:
    """`lyceum engine` on a free port, without a hub before it."""

    def __init__(self, model, *arguments):
        self.model = pathlib.Path(model)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [str(harness.BIN), "engine", "--model", str(model), "--name", "model", "--port", str(self.port), *arguments]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(self.process.stderr.read()[-2000:])
            try:
                return urllib.request.urlopen(self.url + "/health", timeout=5).status == 200
            except OSError:
                return False
        harness.wait_for(ready, 60, "the engine's start")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def client(self):
        from openai import OpenAI
        return OpenAI(base_url=self.url + "/v1", api_key="none", max_retries=0)
