"""What the people who run a hub rely on: metrics, logs without secrets, graceful end, garbage collection, backup and restore."""
import http.client
import json
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

import harness


@pytest.fixture
def server(tmp_path):
    with harness.Server(tmp_path / "data", extra=["--log-format", "json", "--access-log", "true", "--drain-seconds", "20"]) as one:
        one.client = one.environment(tmp_path / "home", HF_HUB_DISABLE_XET="1")
        one.client["PATH"] = os.path.dirname(os.sys.executable) + ":" + one.client["PATH"]
        yield one


def ask(server, method, path, body=None, token=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def upload(server, tmp_path, repo, size=1 << 20):
    folder = tmp_path / repo.replace("/", "-")
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(os.urandom(size))
    harness.run(["hf", "repos", "create", repo], env=server.client)
    harness.run(["hf", "upload", repo, folder, "."], env=server.client)


def test_metrics_count_and_logs_hold_no_secret(server, tmp_path):
    upload(server, tmp_path, "admin/one")
    harness.run(["git", "clone", server.url.replace("http://", f"http://admin:{server.token}@") + "/admin/one", tmp_path / "clone"], env=dict(server.client, GIT_LFS_SKIP_SMUDGE="1"))
    ask(server, "POST", "/api/lyceum/users", {"name": "eve", "email": "e@x.org", "password": "a very secret password"}, server.token)
    ask(server, "POST", "/api/lyceum/sign-in", {"name": "eve", "password": "a very secret password"})
    _, made, _ = ask(server, "POST", "/api/lyceum/tokens", {"name": "t", "role": "write"}, server.token)
    ask(server, "GET", "/api/whoami-v2?token=" + server.token, token="hf_wrongwrongwrong")

    assert ask(server, "GET", "/metrics")[0] == 401
    status, text, _ = ask(server, "GET", "/metrics", token=server.token)
    assert status == 200
    for expected in ("lyceum_commits_total 1\n", "lyceum_blobs 1\n", "lyceum_connections ", 'le="+Inf"', "lyceum_engine_processes 0\n", "process_resident_memory_bytes "):
        assert expected in text
    assert any(line.startswith("lyceum_received_bytes_total") and float(line.split()[-1]) >= 1 << 20 for line in text.splitlines())

    log = pathlib.Path(server.log.name).read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert len(requests) > 10 and all(line["id"] for line in requests)
    for secret in (server.token, json.loads(made)["token"], "a very secret password", "hf_wrong", "signature", "sig="):
        assert secret not in log
    assert all("?" not in line["path"] for line in requests)


def test_request_id_is_answered_and_logged(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/healthz", headers={"X-Request-Id": "my-id-1"})
    assert connection.getresponse().headers["X-Request-Id"] == "my-id-1"
    harness.wait_for(lambda: '"id":"my-id-1"' in pathlib.Path(server.log.name).read_text(), 5, "the log line")


def test_sigterm_finishes_what_has_begun_and_takes_nothing_new(server, tmp_path):
    upload(server, tmp_path, "admin/big", 64 << 20)
    reader = socket.create_connection(("127.0.0.1", server.port))
    reader.sendall(b"GET /admin/big/resolve/main/weights.safetensors HTTP/1.1\r\nHost: x\r\n\r\n")
    received = len(reader.recv(65536))
    idle = socket.create_connection(("127.0.0.1", server.port))
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    assert idle.recv(1) == b""
    harness.wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", server.port)) != 0, 5, "the closed door")
    assert server.process.poll() is None
    while piece := reader.recv(1 << 20):
        received += len(piece)
    assert received > 64 << 20
    assert server.process.wait(10) == 0


def test_gc_counts_first_and_removes_when_told(server, tmp_path):
    upload(server, tmp_path, "admin/kept")
    upload(server, tmp_path, "admin/gone")
    harness.run(["hf", "repos", "delete", "admin/gone", "--yes"], env=server.client)
    long_ago = time.time() - 40 * 24 * 3600
    for blob in (server.data / "blobs").rglob("*"):
        if blob.is_file():
            os.utime(blob, (long_ago, long_ago))
    counted = json.loads(harness.lyceum("gc", "--json", env=server.client).stdout)
    assert (counted["blobs"], counted["live_blobs"]) == (1, 1)
    assert json.loads(harness.lyceum("gc", "--json", "--remove", env=server.client).stdout)["blobs"] == 1
    assert sum(blob.is_file() for blob in (server.data / "blobs").rglob("*")) == 1
    harness.run(["hf", "download", "admin/kept", "--local-dir", tmp_path / "got"], env=server.client)


def test_backup_of_a_busy_hub_restores_whole(server, tmp_path):
    upload(server, tmp_path, "admin/one")
    stop = threading.Event()

    def commit():
        from huggingface_hub import HfApi
        api, number = HfApi(endpoint=server.url, token=server.token), 0
        while not stop.is_set():
            api.upload_file(path_or_fileobj=f"{number}".encode(), path_in_repo="counter.txt", repo_id="admin/one")
            number += 1

    writer = threading.Thread(target=commit)
    writer.start()
    try:
        for _ in range(2):
            harness.lyceum("backup", tmp_path / "backup", "--data", server.data)
    finally:
        stop.set()
        writer.join()
    assert "and proved" in harness.lyceum("restore", tmp_path / "backup", "--data", tmp_path / "restored").stdout
    with harness.Server(tmp_path / "restored", token=server.token) as copy:
        status, _, headers = ask(copy, "HEAD", "/admin/one/resolve/main/weights.safetensors", token=server.token)
        assert (status, headers["X-Linked-Size"]) == (200, str(1 << 20))
