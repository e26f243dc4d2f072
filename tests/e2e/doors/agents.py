"""Coding agents from npm, not interactive, against the server: the same job for each. usage: agents.py URL KEY AGENT FOLDER. The model is scripted
(scripted_model.py): what is shown is that the agent connects, its whole prompt with its own tools is taken, a call of one of its tools comes back in the form it
expects, it runs the tool, its result goes back in, and it ends with the model's last words. Not shown: any sense of a model."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from jobs import KEY, LAST_WORDS, SCRIPTED, URL, job, report

AGENT, FOLDER = sys.argv[3], pathlib.Path(sys.argv[4])
HERE = pathlib.Path(__file__).resolve().parent
ASK = "Write hello into the file hello.txt."
WORK, HOME = FOLDER / "work", FOLDER / ("home-" + AGENT)
BIN = HERE / "agents/node_modules/.bin"


def qwen():
    return [BIN / "qwen", "--auth-type", "openai", "--yolo", "-p", ASK], {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": URL + "/v1", "OPENAI_MODEL": SCRIPTED}


def claude():
    return [BIN / "claude", "-p", ASK, "--model", SCRIPTED, "--allowedTools", "Write", "--permission-mode", "acceptEdits"], {
        "ANTHROPIC_BASE_URL": URL, "ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_SMALL_FAST_MODEL": SCRIPTED, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1"}


def opencode():
    config = {"$schema": "https://opencode.ai/config.json", "autoupdate": False, "share": "disabled", "permission": {"edit": "allow"}, "model": "lyceum/" + SCRIPTED,
              "provider": {"lyceum": {"npm": "@ai-sdk/openai-compatible", "name": "Lyceum", "options": {"baseURL": URL + "/v1", "apiKey": KEY}, "models": {SCRIPTED: {"name": "scripted", "tool_call": True}}}}}
    (WORK / "opencode.json").write_text(json.dumps(config))
    return [BIN / "opencode", "run", ASK], {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}


def codex():
    settings = {"model_provider": "lyceum", "model": SCRIPTED, "web_search": "disabled", "model_providers.lyceum.name": "Lyceum", "model_providers.lyceum.base_url": URL + "/v1",
                "model_providers.lyceum.env_key": "LYCEUM_KEY", "model_providers.lyceum.wire_api": "responses"}
    flags = [word for name, value in settings.items() for word in ("-c", f"{name}={json.dumps(value)}")]
    return [BIN / "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", *flags, ASK], {"LYCEUM_KEY": KEY}


def run_agent():
    shutil.rmtree(WORK, ignore_errors=True)
    for folder in (WORK, HOME):
        folder.mkdir(parents=True, exist_ok=True)
    command, more = {"qwen": qwen, "claude": claude, "opencode": opencode, "codex": codex}[AGENT]()
    env = {"PATH": os.environ["PATH"], "HOME": str(HOME), "LANG": "C.UTF-8", "NO_COLOR": "1", **more}
    return subprocess.run([str(word) for word in command], cwd=WORK, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)


said = []


@job("runs to its end")
def _():
    result = run_agent()
    said.append(result.stdout)
    assert result.returncode == 0, (result.stdout[-300:], result.stderr[-800:])


@job("the file that the called tool writes is there")
def _():
    assert (WORK / "hello.txt").read_text().strip() == "hello"


@job("ends with the model's last words")
def _():
    assert LAST_WORDS in said[0], said[0][-500:]


report()
