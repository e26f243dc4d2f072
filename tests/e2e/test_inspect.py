"""`lyceum inspect` tells from headers alone what the whole model would tell, and `lyceum bench` measures it."""
import json
import shutil

import harness
import random_model

SAME = ["architecture", "parameters", "dtypes", "layers", "vocabulary", "context", "tokenizer_tokens", "chat_template", "fill_in_the_middle"]


def inspect(target, env, *arguments, check=True):
    return json.loads(harness.run([harness.BIN, "inspect", target, "--json", *arguments], env=env, check=check).stdout)


def test_a_repository_is_judged_without_its_weights(hub, env, api, repo, tmp_path):
    folder = random_model.make(tmp_path / "model", "qwen2_5")
    api.upload_folder(repo_id=repo, folder_path=folder)
    env = {**env, "LYCEUM_HOME": str(tmp_path / "home"), "LYCEUM_TOKEN": hub.token, "LYCEUM_ENDPOINT": hub.url}
    remote, local = inspect(repo, env), inspect(str(folder), env, "--quick")
    assert {key: remote[key] for key in SAME} == {key: local[key] for key in SAME}
    assert remote["commit"] == api.model_info(repo).sha
    [model], [quick] = remote["models"], local["models"]
    assert model["runs"] and model["fits"] and model["file"] == "model.safetensors" and model["type"] == "F32"
    for key in ("weights_bytes", "kv_bytes_per_token", "needs_bytes"):
        assert model[key] == quick[key]
    assert model["weights_bytes"] == 4 * remote["parameters"] and model["kv_bytes_per_token"] == 2 * 2 * 64 * 4
    assert model["decode_tokens_s_at_most"] > 0 and model["prompt_tokens_s_at_most"] > 0 and "decode_tokens_s_at_most" not in quick
    assert not (tmp_path / "home").exists()   # nothing was kept
    huge = inspect(repo, env, "--quick", "--context", "4000000000")["models"][0]
    assert huge["for_context"] == 8192   # the model's own

    shown = harness.run([harness.BIN, "inspect", repo, "--quick"], env=env).stdout
    assert "fits" in shown and "LlamaForCausalLM" in shown


def test_what_would_not_run_says_why(hub, env, api, repo, tmp_path):
    folder = random_model.make(tmp_path / "model", "qwen2_5")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["CamelForCausalLM"], "model_type": "camel"}))
    (folder / "broken.gguf").write_bytes(b"GGUF" + bytes(60))
    api.upload_folder(repo_id=repo, folder_path=folder)
    env = {**env, "LYCEUM_TOKEN": hub.token, "LYCEUM_ENDPOINT": hub.url}
    (folder / "broken.gguf").unlink()
    result = harness.run([harness.BIN, "inspect", str(folder), "--json", "--quick"], env=env, check=False)
    assert result.returncode == 1
    [model] = json.loads(result.stdout)["models"]
    assert model["runs"] is False and "CamelForCausalLM" in model["why_not"]
    # Each file has its own verdict.
    result = harness.run([harness.BIN, "inspect", repo, "--json", "--quick"], env=env, check=False)
    assert result.returncode == 1
    whole, gguf = json.loads(result.stdout)["models"]
    assert "CamelForCausalLM" in whole["why_not"] and gguf["file"] == "broken.gguf" and "broken.gguf" in gguf["why_not"]


def test_bench_prints_the_fields_columns(env, tmp_path):
    folder = random_model.make(tmp_path / "model", "qwen2_5")
    run = json.loads(harness.run([harness.BIN, "bench", str(folder), "-p", "32", "-n", "4", "-b", "1,3", "-r", "2", "--json"], env=env).stdout)
    assert [test["test"] for test in run["tests"]] == ["pp32", "tg4", "tg4 x 3"]
    assert all(test["tokens_s"] > 0 and test["cpu_s_per_1000_tokens"] > 0 for test in run["tests"])
    assert run["tests"][1]["of_memory"] > 0 and "of_memory" not in run["tests"][0]
    table = harness.run([harness.BIN, "bench", str(folder), "-p", "16", "-n", "0", "-r", "1"], env=env).stdout
    assert table.startswith("| model | size | params | threads | test | t/s |") and "| pp16 |" in table
    wrong = harness.run([harness.BIN, "bench", str(folder), "-p", "many"], env=env, check=False)
    assert wrong.returncode != 0 and "--prompt takes numbers" in wrong.stderr
    shutil.rmtree(folder)
