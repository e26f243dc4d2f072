"""Starts the real program for the end-to-end scripts and tests. LYCEUM_BIN names the binary."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LYCEUM_BIN", ROOT / "build/dev/src/app/lyceum"))


class Server:
    """One `lyceum serve` on a free port. The token is that of the administrator, from the first start. `popen` goes to subprocess.Popen."""

    def __init__(self, data, token=None, starter=None, extra=(), log=None, **popen):
        self.data = pathlib.Path(data)
        self.log_path = log or self.data.parent / (self.data.name + ".log")
        self.popen = popen
        self.token = token
        self.starter = starter
        self.extra = list(extra)
        self.port = 0
        self.process = None

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        self.log = open(self.log_path, "ab")
        command = [str(BIN), "serve", "--port", str(self.port), "--data", str(self.data), "--web", str(ROOT / "web/dist"), "--print-json"]
        if self.starter:
            command += ["--starter", str(self.starter)]
        self.process = subprocess.Popen(command + self.extra, stdout=subprocess.PIPE, stderr=self.log, text=True, **self.popen)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("lyceum serve did not start: " + pathlib.Path(self.log.name).read_text()[-2000:])
        ready = json.loads(line)
        self.url = ready["url"]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.token = ready.get("token") or self.token
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def environment(self, home, **more):
        """Environment of a client that knows only this server, with its own caches."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "LYCEUM_"))}
        env.update(HF_ENDPOINT=self.url, HF_TOKEN=self.token or "", HF_HOME=str(home), LYCEUM_HOME=str(pathlib.Path(home) / "lyceum"),
                   HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false", GIT_TERMINAL_PROMPT="0")
        env.update(more)
        return env


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def ask(url, method, path, body=None, token=None, headers=None, basic=None, opened=urllib.request.urlopen):
    """One request to a hub, with a token, a name and password, or nothing. JSON goes in as an object; errors are answers, too."""
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    request = urllib.request.Request(path if path.startswith("http") else url + path, data=data, method=method)
    if basic:
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(basic).encode()).decode())
    elif token:
        request.add_header("Authorization", "Bearer " + token)
    if isinstance(body, (dict, list)):
        request.add_header("Content-Type", "application/json")
    for key, value in (headers or {}).items():
        request.add_header(key, value)
    try:
        with opened(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def run(command, env=None, check=True, cwd=None, timeout=600, input=None):
    result = subprocess.run([str(c) for c in command], env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout, input=input)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {result.returncode}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}")
    return result


def lyceum(*arguments, env=None, check=True, timeout=1800):
    return run([BIN, *arguments], env=env, check=check, timeout=timeout)


def temporary_folder():
    return pathlib.Path(tempfile.mkdtemp(prefix="lyceum-e2e-"))


def wait_for(condition, seconds=30, what="condition"):
    end = time.time() + seconds
    while time.time() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come true within {seconds} s")
