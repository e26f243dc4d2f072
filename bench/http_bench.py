#!/usr/bin/env python3
"""The hub's HTTP server beside nginx in the same run: CPU-seconds of the server processes, p99, resident memory.

usage: LYCEUM_BIN=… python bench/http_bench.py [--only small,download,idle,idle_tls,attack] [--rounds 3]
Needs nginx and wrk (bench/apt-packages.txt). Client and server share the machine, so compare ratios and CPU, not requests a second.
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import harness  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
NGINX = """
worker_processes 2; worker_rlimit_nofile 20000; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 16000; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; }} }}
"""


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_mb(pids):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) for pid in pids) / 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        (folder / "www").mkdir(parents=True)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=self.port))

    def __enter__(self):
        self.process = subprocess.Popen(["nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)])
        harness.wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, what="nginx")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.pids = [self.process.pid, *map(int, children)]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def to_ms(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 1e-3, "ms": 1, "s": 1000}[unit]


def load(url, pids, connections, seconds):
    """wrk against one address: CPU of the server per request, p50 and p99."""
    before = cpu_seconds(pids)
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pids) - before
    requests = int(re.search(r"(\d+) requests in", out)[1])
    assert "Non-2xx" not in out, out
    quantiles = dict(re.findall(r"(50|99)%\s+(\S+)", out))
    return {"us_cpu_per_request": round(used / requests * 1e6, 1), "requests_per_s": round(requests / seconds), "p50_ms": round(to_ms(quantiles["50"]), 2), "p99_ms": round(to_ms(quantiles["99"]), 2)}


def download(url, pids, gib):
    before = cpu_seconds(pids)
    subprocess.run(["curl", "-sS", "--fail", "-L", "-o", "/dev/null", url], check=True)
    return round((cpu_seconds(pids) - before) / gib, 3)


def spread(values):
    return {"median": sorted(values)[len(values) // 2], "lowest": min(values), "highest": max(values)}


def bench_small(hub, nginx, rounds, report):
    for _ in range(rounds):
        for name, url, pids in (("hub", f"{hub.url}/admin/model/resolve/main/config.json", hub.pids), ("nginx", f"http://127.0.0.1:{nginx.port}/config.json", nginx.pids)):
            report("small resolve, 64 connections", name, load(url, pids, 64, 4))


def bench_download(hub, nginx, rounds, report):
    for _ in range(rounds):
        for name, url, pids in (("hub", f"{hub.url}/admin/model/resolve/main/weights.safetensors", hub.pids), ("nginx", f"http://127.0.0.1:{nginx.port}/weights.safetensors", nginx.pids)):
            report("download, CPU-s per GiB", name, {"cpu_s_per_gib": download(url, pids, nginx.gib)})


def hold_idle(hub, report, what, connect):
    """Ten thousand connections, half fresh, half kept alive after a request."""
    wanted = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    before = resident_mb(hub.pids)
    idle = []
    for number in range(wanted):
        connection = connect()
        if number % 2:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(4096)
        idle.append(connection)
    time.sleep(1)
    cpu = cpu_seconds(hub.pids)
    time.sleep(5)
    report(what, "hub", {"connections": wanted, "rss_mb": round(resident_mb(hub.pids), 1), "rss_mb_before": round(before, 1),
                         "cpu_s_in_5_s": round(cpu_seconds(hub.pids) - cpu, 2)})
    return idle


def bench_idle_tls(_hub, nginx, _rounds, report):
    folder = nginx.folder.parent
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj", "/CN=localhost", "-keyout", folder / "tls.key", "-out", folder / "tls.pem"],
                   check=True, capture_output=True)
    extra = ["--tls-cert", str(folder / "tls.pem"), "--tls-key", str(folder / "tls.key"), "--tls-port", "0", "--plain-http", "false"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with harness.Server(folder / "tls-data", extra=extra) as hub:
        hub.pids = [hub.process.pid]
        for connection in hold_idle(hub, report, "idle connections over TLS", lambda: context.wrap_socket(socket.create_connection(("127.0.0.1", hub.port)))):
            connection.close()


def bench_idle(hub, _nginx, _rounds, report):
    idle = hold_idle(hub, report, "idle connections", lambda: socket.create_connection(("127.0.0.1", hub.port)))
    report("small resolve beside idle", "hub", load(f"{hub.url}/admin/model/resolve/main/config.json", hub.pids, 16, 3))
    for connection in idle:
        connection.close()


class Attack:
    """Connections that send headers or bodies byte by byte, or read answers hardly at all."""

    def __init__(self, kind, hub, count=1000):
        self.kind, self.hub, self.count, self.stopping = kind, hub, count, False

    def open(self):
        connection = socket.socket()
        if self.kind == "slow read":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", self.hub.port))
        start = {"slow header": b"GET / HTTP/1.1\r\nHost: x\r\nX-", "slow body": self.post(),
                 "slow read": b"GET /admin/model/resolve/main/weights.safetensors HTTP/1.1\r\nHost: x\r\n\r\n"}[self.kind]
        connection.sendall(start)
        connection.setblocking(False)
        return connection

    def post(self):
        return (f"POST /api/validate-yaml HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.hub.token}\r\nContent-Type: application/json\r\n"
                "Content-Length: 100000\r\n\r\n{").encode()

    def run(self):
        held = []
        while not self.stopping:
            while len(held) < self.count and not self.stopping:
                try:
                    held.append(self.open())
                except OSError:
                    break
            kept = []
            for connection in held:
                try:
                    if self.kind == "slow read":
                        connection.recv(64)
                    else:
                        connection.send(b"a")
                    kept.append(connection)
                except BlockingIOError:
                    kept.append(connection)
                except OSError:
                    connection.close()
            held = kept
            time.sleep(1)
        for connection in held:
            connection.close()

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        time.sleep(3)
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()


def bench_attack(hub, _nginx, _rounds, report):
    url = f"{hub.url}/admin/model/resolve/main/config.json"
    subprocess.run(["curl", "-sS", "--fail", "-o", "/dev/null", f"{hub.url}/admin/model/resolve/main/weights.safetensors"], check=True)
    time.sleep(5)  # the first download of a file makes its Xet index; that is not the attack's doing
    report("p99, 16 connections, no attack", "hub", load(url, hub.pids, 16, 5))
    for kind in ("slow header", "slow body", "slow read"):
        with Attack(kind, hub):
            report(f"p99, 16 connections, 1000 × {kind}", "hub", load(url, hub.pids, 16, 5) | {"rss_mb": round(resident_mb(hub.pids), 1)})


def prepare(hub, nginx, mib):
    """The same two files for both servers."""
    from huggingface_hub import HfApi
    api = HfApi(endpoint=hub.url, token=hub.token)
    config = json.dumps({"architectures": ["LlamaForCausalLM"], "padding": "x" * 10150}).encode()
    (nginx.folder / "www/config.json").write_bytes(config)
    with open(nginx.folder / "www/weights.safetensors", "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    nginx.gib = mib / 1024
    api.create_repo("admin/model")
    for name in ("config.json", "weights.safetensors"):
        api.upload_file(path_or_fileobj=str(nginx.folder / "www" / name), path_in_repo=name, repo_id="admin/model")
    http.client.HTTPConnection("127.0.0.1", hub.port).request("GET", "/healthz")


BENCHES = {"small": bench_small, "download": bench_download, "idle": bench_idle, "idle_tls": bench_idle_tls, "attack": bench_attack}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(BENCHES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=1024)
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    folder = harness.temporary_folder()

    def report(what, who, figures):
        print(json.dumps({"what": what, "who": who} | figures), flush=True)

    try:
        (folder / "nginx").mkdir()
        folder.chmod(0o755)
        with harness.Server(folder / "data", extra=["--rate-limit-api", "0", "--rate-limit-files", "0"]) as hub, Nginx(folder / "nginx") as nginx:
            hub.pids = [hub.process.pid]
            os.environ.update({k: v for k, v in hub.environment(folder / "home").items() if k.startswith("HF_")})
            prepare(hub, nginx, arguments.mib)
            for name in arguments.only.split(","):
                BENCHES[name](hub, nginx, arguments.rounds, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
