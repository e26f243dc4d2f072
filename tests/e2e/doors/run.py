"""The clients of the serving API against the real program: client x job. usage: run.py [--client WORDS] [--no-agents] [--json FILE]

Environment: LYCEUM_BIN, and DOORS_LM_EVAL_PYTHON for lm-evaluation-harness. The last line is `N of M passed`.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import harness  # noqa: E402
import scripted_model  # noqa: E402

LAST_WORDS = "The file is written."
AGENTS = {"qwen": ("@qwen-code/qwen-code", "chat completions"), "claude": ("@anthropic-ai/claude-code", "messages"), "opencode": ("opencode-ai", "chat completions"), "codex": ("@openai/codex", "responses")}


def calls(work):
    """What agents name their tools and arguments. The server's constraint lets through only what the asking agent offers."""
    path, text, command = str(work / "hello.txt"), "hello\n", "echo hello > hello.txt"
    return [scripted_model.call("write_file", file_path=path, content=text), scripted_model.call("Write", file_path=path, content=text), scripted_model.call("write", filePath=path, content=text),
            scripted_model.call("write", content=text, filePath=path), scripted_model.call("shell_command", command=command), scripted_model.call("exec_command", cmd=command),
            scripted_model.call("shell", command=["bash", "-lc", command])]


def package_version(folder, name):
    return json.loads((HERE / folder / "node_modules" / name / "package.json").read_text())["version"]


def all_clients(folder, with_agents):
    import openai
    found = {f"openai {openai.__version__} (Python)": [sys.executable, HERE / "openai_client.py"]}
    for name, file in (("openai", "openai_client.mjs"), ("@anthropic-ai/sdk", "anthropic_client.mjs"), ("ollama", "ollama_client.mjs")):
        found[f"{name} {package_version('', name)} (JS)"] = ["node", HERE / file]
    if python := os.environ.get("DOORS_LM_EVAL_PYTHON"):
        version = harness.run([python, "-c", "import importlib.metadata as m; print(m.version('lm_eval'))"]).stdout.strip()
        found[f"lm_eval {version}"] = [python, HERE / "lm_eval_client.py"]
    for agent, (package, door) in AGENTS.items() if with_agents else ():
        if (HERE / "agents/node_modules" / package).exists():
            found[f"{package} {package_version('agents', package)} ({door})"] = [sys.executable, HERE / "agents.py", agent, folder]
    return found


def publish(server, folder):
    from huggingface_hub import HfApi
    api = HfApi(endpoint=server.url, token=server.token)
    api.create_repo("admin/scripted")
    api.upload_folder(repo_id="admin/scripted", folder_path=scripted_model.make(folder / "scripted", calls(folder / "work"), LAST_WORDS))


def run_client(server, folder, command):
    arguments = [str(word) for word in command]
    arguments[2:2] = [server.url, server.token]
    try:
        result = subprocess.run(arguments, env=server.environment(folder / "home", PYTHONPATH=str(HERE)), cwd=HERE, capture_output=True, text=True, timeout=500)
        return json.loads(result.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, json.JSONDecodeError) as error:
        return {"its jobs": f"did not come to an end: {error!r} {getattr(error, 'doc', '') or ''}" + (result.stderr[-800:] if "result" in locals() else "")}


def show(client, jobs):
    print(f"\n{client}")
    for job, outcome in jobs.items():
        print(f"  {'ok  ' if outcome is True else 'FAIL'}  {job}" + ("" if outcome is True else "\n        " + outcome.replace("\n", "\n        ")), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", default="")
    parser.add_argument("--no-agents", action="store_true")
    parser.add_argument("--json")
    given = parser.parse_args()
    folder = harness.temporary_folder()
    seen = {}
    try:
        with harness.Server(folder / "data", starter=harness.ROOT / "starter") as server:
            os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
            publish(server, folder)
            for client, command in all_clients(folder, not given.no_agents).items():
                if given.client not in client:
                    continue
                seen[client] = run_client(server, folder, command)
                show(client, seen[client])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(seen, indent=1))
    passed, total = (sum(rule(outcome) for jobs in seen.values() for outcome in jobs.values()) for rule in (lambda outcome: outcome is True, lambda _: True))
    print("\n" + "\n".join(f"{client:58} {sum(outcome is True for outcome in jobs.values())} of {len(jobs)}" for client, jobs in seen.items()))
    print(f"{passed} of {total} passed")
    sys.exit(passed != total or total == 0)


main()
