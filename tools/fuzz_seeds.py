#!/usr/bin/env python3
"""Writes one or more valid inputs for every fuzzer into CORPUS/<fuzzer>/seed-N, so that mutation begins where a parser's work begins.

usage: python3 tools/fuzz_seeds.py CORPUS
"""
import base64
import gzip
import json
import pathlib
import struct
import sys

NAME_TO_TEXT = {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "general.base_model.0.repo_url": "https://example.org/a/b"}


def importance():
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()
    out = b"GGUF" + struct.pack("<IQQ", 3, 2, 2) + text("general.type") + struct.pack("<I", 8) + text("imatrix") + text("imatrix.chunk_count") + struct.pack("<II", 4, 3)
    out += text("a.in_sum2") + struct.pack("<IQQIQ", 2, 2, 2, 0, 0) + text("a.counts") + struct.pack("<IQQIQ", 2, 1, 2, 0, 32)
    return out + bytes(-len(out) % 32) + struct.pack("<4f", 1, 2, 3, 4) + bytes(16) + struct.pack("<2f", 2, 0) + bytes(24)


def gguf(pairs=NAME_TO_TEXT, tensors=1):
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()
    out = b"GGUF" + struct.pack("<IQQ", 3, tensors, len(pairs) + 4)
    for key, value in pairs.items():
        out += text(key) + struct.pack("<I", 8) + text(value)
    tokens = ["<|endoftext|>"] + [chr(c) for c in range(33, 127)] + ["th", "he"]
    out += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(tokens)) + b"".join(map(text, tokens))
    out += text("tokenizer.ggml.merges") + struct.pack("<IIQ", 9, 8, 2) + text("t h") + text("h e")
    out += text("tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, len(tokens)) + struct.pack("<I", 3) + struct.pack("<I", 1) * (len(tokens) - 1)
    out += text("llama.context_length") + struct.pack("<II", 4, 2048)
    for number in range(tensors):
        out += text(f"w{number}") + struct.pack("<IQQIQ", 2, 4, 2, 0, number * 32)
    return out + bytes(-len(out) % 32) + bytes(32 * tensors)


def safetensors():
    header = json.dumps({"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}, "b": {"dtype": "BF16", "shape": [], "data_offsets": [8, 10]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(10)


def tokenizer_json():
    vocabulary = {c: n for n, c in enumerate("helo wrd")} | {"he": 8, "ll": 9}
    return json.dumps({"version": "1.0", "added_tokens": [{"id": 10, "content": "<s>", "special": True}], "normalizer": {"type": "NFC"},
                       "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\w+|\\s"}, "behavior": "Isolated"}, "decoder": {"type": "ByteLevel"},
                       "post_processor": None, "model": {"type": "BPE", "vocab": vocabulary, "merges": ["h e", "l l"], "unk_token": None}}).encode() + b"\0hello world"


def wav(channels=1, rate=16000, kind=1, bits=16):
    data = bytes(i * 37 % 64 for i in range(256))
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, kind, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits) + b"data" + struct.pack("<I", len(data)) + data


def json_lines(*objects):
    return "\n".join(map(json.dumps, objects)).encode()


def ask(actor, row, query="", header="", body=b"", kind=0):
    return bytes([actor, row >> 8, row & 255, 0, kind]) + query.encode() + b"\n" + header.encode() + b"\n" + body


ENTRY = {"id": "a/b", "createdAt": "2024-05-06T07:08:09.000Z", "downloads": 5, "likes": 2, "tags": ["license:mit"], "pipeline_tag": "fill-mask", "gated": "auto", "safetensors": {"parameters": {"F32": 5}, "total": 5},
         "cardData": {"license": "mit"}, "siblings": [{"rfilename": "x"}], "description": "a language model"}
COMMIT = json_lines({"key": "header", "value": {"summary": "x"}}, {"key": "file", "value": {"path": "a.txt", "content": "aGk=", "encoding": "base64"}},
                    {"key": "lfsFile", "value": {"path": "b", "algo": "sha256", "oid": "a" * 64, "size": 3}}, {"key": "deletedEntry", "value": {"path": "c"}}, {"key": "copyFile", "value": {"path": "d", "srcPath": "a"}})
CARD = b"license: mit\nlanguage: [en, fr]\nbase_model:\n- a/b\nmodel-index:\n- name: x\n  results:\n  - task: {type: t}\n    dataset: {type: d, name: n}\n    metrics: [{type: acc, value: 0.5}]\n"
BODIES = [{"operation": "upload", "transfers": ["basic", "multipart", "xet"], "objects": [{"oid": "a" * 64, "size": 5}], "ref": {"name": "refs/heads/main"}},
          {"url": "https://example.org/hook", "watched": [{"type": "user", "name": "alice"}], "domains": ["repo"], "secret": "s"}, {"name": "x", "type": "model", "private": True, "organization": "team"},
          {"files": [{"path": "a", "size": 3, "sample": "aGk="}], "gitIgnore": "*.o"}, {"paths": ["a", "b"], "expand": True}, {"title": "t", "description": "d", "pullRequest": True},
          {"path": "a.bin", "ref": {"name": "refs/heads/main"}}, {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "x", "client_id": "y"}, {"comment": "hello"}, {"status": "closed"}]
SEEDS = {
    "importance": [importance()], "gguf": [gguf(), gguf(tensors=0)], "model_facts": [gguf(), safetensors()], "gguf_tokenizer": [gguf()], "safetensors": [safetensors()],
    "audio": [wav(), wav(2, 44100), wav(1, 8000, 3, 32), base64.b64decode("ZkxhQwAAACIQABAAAACKAACKA+gA8AAAAEBMLl5cEcQ8nBu/GFu8ei0NBAAAKCAAAAByZWZlcmVuY2UgbGliRkxBQyAxLjQuMiAyMDIyMTAyMgAAAACDAAASAAAAAAAAAAAAAAAAAAAAAABA//hlCAA/SAIlAG9KuZQI3lItnHfmwTUQf1rJpBjuYj2sh/bRRSCPatm0KANyTbyXC+FVMJ966cQ4E4JdzKcb8WVAr4r51Egjkm3ctysGdVC/mg7kWDOifezHOxaFYM+qHvRoQ7KNAddLJpVw37ouCXhTwp0R51s2pYDvyj4ZiGPSrSH3a0a1kDxR"),
              base64.b64decode("//MYxAAD+Ab24ABGAFVWhsIAXB8H3urE4OO8oCD//wVO//UD//MYxAcFEAbgAABEAECoKuER6Iv/gqCsGgZq//////ULCyHC//MYxAkEqAWsAAAAAMLNNqFmoGCwsLVMQU1FMy4xMDBVVVVV")],
    "multipart": [b'x\n--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na/b\r\n--x\r\ncontent-disposition: form-data; filename="a \\"b"; name=file\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--x--\r\n'],
    "llama2c": [struct.pack("<7i", 2, 2, 1, 1, 1, 2, 2) + bytes(4 * n) for n in (28, 38, 40, 44)],
    "tokenizer_json": [tokenizer_json()], "chat_template": [b"{% for m in messages %}{{ '<|' + m['role'] + '|>' + (m.content or '')|trim }}{% endfor %}{% if add_generation_prompt %}x{% endif %}"],
    "regex": [b"(?i:'s|'t)|\\p{L}+|\\s*[\\r\\n]+|\\s+(?!\\S)\nit's a text 42\n", b"[^\\w\\s]{1,3}+\n!!??"],
    "gbnf": [b'ab"{12}\0root ::= "{" ws (pair ("," ws pair)*)? "}" # object\npair ::= [a-z0-9]+ ":" [^"\\x00-\\x1f]{0,3} .?\nws ::= [ \\n]* | ""\n', b'ab\0root ::= "a" root | "b"'],
    "json_schema": [json.dumps({"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-f]{2,3}$"}, "b": {"type": "array", "items": {"$ref": "#/$defs/n"}, "maxItems": 3}}, "required": ["a"],
                    "additionalProperties": {"type": ["number", "null"]}, "$defs": {"n": {"anyOf": [{"type": "integer", "minimum": -5, "maximum": 120}, {"enum": ["x", 1.5, None]}]}}}).encode(),
                    b'{"allOf":[{"properties":{"a":{"type":"string","format":"date-time"}}},{"required":["a"],"properties":{"b":{"minLength":2,"maxLength":9}}}]}'],
    "config": [json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2,
                           "vocab_size": 100, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                           "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, "tie_word_embeddings": True, "hidden_act": "silu"}).encode()],
    "adapter_config": [json.dumps({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "rank_pattern": {"^lm_head": 4}, "use_rslora": True}).encode(), b'{"r":4,"target_modules":".*q_proj"}'],
    "recipe": [b'{"base": "a/b", "data": "x", "max_steps": 5}', b"base: a/b\nmax_steps: 5\nlora_r: 8\n"], "preference": [json_lines({"prompt": "a", "chosen": "b", "rejected": "c"}), json_lines({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]}), json_lines({"conversations": [{"from": "human", "value": "a"}], "chosen": {"from": "gpt", "value": "b"}, "rejected": {"from": "gpt", "value": "c"}})],
    "private_code": [b"SECRET_KEY: str = 'k3jH8s2LqPx9'\nurl = 'https://a:b8jfk29d@h.io/'\n-----BEGIN RSA PRIVATE KEY-----\n# SPDX-License-Identifier: MIT\n"],
    "chat": [json_lines({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
             {"conversations": [{"from": "human", "value": "a"}]}, {"instruction": "a", "input": "b", "output": "c"}, {"prompt": "a", "completion": "b"})],
    "job_spec": [b'{"base":"a/b","data":"x","recipe":{"max_steps":5}}'], "space_app": [b"title: x\ninputs:\n- {name: text, type: textbox}\nsteps:\n- chat: {model: a/b, prompt: '{{ text }}'}\n"],
    "card": [CARD], "s3_list": [b"<?xml version='1.0'?><ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken><Contents><Key>k</Key><Size>5</Size></Contents></ListBucketResult>"],
    "catalogue_import": [json_lines(ENTRY, {"id": "c/d", "num_parameters": 7, "lastModified": 5})], "search": [b"5_7\n\5en,llama,license:mit\nlama instuct", b"\n\0\nqwne co"],
    "lfs_messages": [json.dumps(one).encode() for one in (BODIES[0], {"oid": "a" * 64, "size": 5}, {"oid": "a" * 64, "parts": [{"partNumber": 1, "etag": "\"x\""}]})],
    "commit_lines": [b"\xff" + COMMIT, b"\3" + COMMIT], "ignore_rules": [b"a/b.o\n*.o\n!keep.o\n/build/\n**/tmp\ndoc/**/x?[a-c]\n"],
    "html_filter": [b"<p onclick=x><a href='https://e.org/?a=1&amp;b'>x</a><img src=a.png><table><td>"], "markdown": [b"# T\n\n[a](b.md) ![i](https://e.org/x.png) <b>x</b>\n\n| a | b |\n|---|---|\n| 1 | `2` |\n\n- [x] y\n"],
    "generation_params": [json.dumps({"temperature": 0.5, "top_p": 0.9, "max_tokens": 5, "stop": ["a"], "logit_bias": {"5": -1}, "n": 2, "stream": True, "stream_options": {"include_usage": True}, "seed": 3, "top_k": 4,
                                      "min_p": 0.1, "logprobs": True, "response_format": {"type": "text"}, "stop_token_ids": [1]}).encode()],
    "anthropic": [json.dumps({"max_tokens": 5, "system": [{"type": "text", "text": "s"}], "stop_sequences": ["a"], "thinking": {"type": "enabled"}, "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"},
                              "output_config": {"format": {"type": "json_schema", "schema": {}}}, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "h", "signature": ""},
                              {"type": "tool_use", "id": "t", "name": "f", "input": {}}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]}, {"role": "assistant", "content": "b"}]}).encode()],
    "ollama": [json.dumps({"prompt": "p", "suffix": "s", "system": "y", "raw": True, "stream": False, "think": "low", "format": {"type": "object"}, "options": {"num_predict": 5, "stop": ["a"], "mirostat": 0, "repeat_penalty": 1.1},
                           "tools": [], "messages": [{"role": "assistant", "content": "", "thinking": "h", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}, {"role": "tool", "tool_name": "f", "content": "r"}]}).encode()],
    "responses": [json.dumps({"instructions": "i", "max_output_tokens": 5, "reasoning": {"effort": "none"}, "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}, "tool_choice": {"type": "function", "name": "f"},
                              "tools": [{"type": "function", "name": "f"}, {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]}], "input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                              {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "h"}]}, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c", "output": "r"}]}).encode()],
    "routes": [ask(n % 5, n * 7, "limit=5&sort=likes&search=a&filter=b", "X-Forwarded-Proto: https", json.dumps(BODIES[n % len(BODIES)]).encode()) for n in range(60)] + [ask(1, n * 5, body=COMMIT, kind=1) for n in range(40)],
    "request": [b"POST /api/a?b=c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nCookie: a=b\r\n\r\nabc"],
    "path": [b"/a/b/resolve/main/x%20y?download=true&a=%C3%A9", b"/api/models/a/b"], "range": [b"bytes=0-9,20-,-5", gzip.compress(b"hello" * 50, mtime=0)],
    "address": [b"10.20.0.0/16,fd00::/8,hooks.example.org", b"http://[::1]:8443/pre/fix", b"user@host:80"],
    "attributes": [b"a/b.bin\n*.bin filter=lfs diff=lfs merge=lfs -text\n[attr]x y\n\"q uote\" text\n"], "lfs_pointer": [b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 5\n"],
    "object": [b"100644 a\0" + bytes(20) + b"40000 d\0" + bytes(20), b"tree " + b"a" * 40 + b"\nparent " + b"b" * 40 + b"\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n"],
    "pkt_line": [b"00a8" + b"0" * 40 + b" " + b"a" * 40 + b" refs/heads/main\0 report-status side-band-64k object-format=sha1 agent=git/2.39.5\n".ljust(82) + b"0000PACK"],
    "shard": [bytes(48) + b"\xff" * 32 + bytes(16) + b"\xff" * 32 + bytes(16)], "xorb": [bytes([0, 5, 0, 0, 0, 5, 0, 0]) + b"hello"],
}


def main():
    for name, seeds in SEEDS.items():
        folder = pathlib.Path(sys.argv[1]) / ("fuzz_" + name)
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    main()
