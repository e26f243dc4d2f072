"""kill -9 of the hub during upload/commit cycles: no acknowledged commit is lost, none is half visible, the store is clean."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import threading
import time
import urllib.error
import urllib.request

import pytest

import harness

CYCLES = int(os.environ.get("LYCEUM_CRASH_CYCLES", "100"))


def call(server, method, path, body=None, content_type="application/json", timeout=30):
    request = urllib.request.Request(server.url + path, data=body, method=method)
    request.add_header("Authorization", "Bearer " + server.token)
    if body is not None:
        request.add_header("Content-Type", content_type)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return response.read()


def upload_and_commit(server, repo, number):
    """One cycle as a client does it: a large file through LFS, then a commit with it and a small file. Returns what was acknowledged."""
    large = random.Random(number).randbytes(200_000 + number)
    oid = hashlib.sha256(large).hexdigest()
    batch = {"operation": "upload", "transfers": ["basic"], "hash_algo": "sha256", "objects": [{"oid": oid, "size": len(large)}]}
    answer = json.loads(call(server, "POST", f"/{repo}.git/info/lfs/objects/batch", json.dumps(batch).encode(), "application/vnd.git-lfs+json"))
    actions = answer["objects"][0].get("actions")
    if actions:
        request = urllib.request.Request(actions["upload"]["href"], data=large, method="PUT")
        urllib.request.urlopen(request, timeout=30).read()
    lines = [
        {"key": "header", "value": {"summary": f"cycle {number}", "description": ""}},
        {"key": "lfsFile", "value": {"path": f"weights-{number}.bin", "algo": "sha256", "oid": oid, "size": len(large)}},
        {"key": "file", "value": {"path": f"notes-{number}.txt", "encoding": "utf-8", "content": f"cycle {number}"}},
    ]
    body = "\n".join(map(json.dumps, lines)).encode()
    commit = json.loads(call(server, "POST", f"/api/models/{repo}/commit/main", body, "application/x-ndjson"))["commitOid"]
    return {"number": number, "commit": commit, "sha256": oid, "size": len(large)}


def verify(server, repo, acknowledged):
    commits = set()
    page = f"/api/models/{repo}/commits/main?limit=1000"
    for item in json.loads(call(server, "GET", page)):
        commits.add(item["id"])
    for done in acknowledged:
        assert done["commit"] in commits, f"acknowledged commit {done['number']} is lost"
        small = call(server, "GET", f"/{repo}/resolve/main/notes-{done['number']}.txt").decode()
        assert small == f"cycle {done['number']}"
        large = call(server, "GET", f"/{repo}/resolve/main/weights-{done['number']}.bin")
        assert hashlib.sha256(large).hexdigest() == done["sha256"]


def tree_is_whole(server, repo):
    """Every commit carries its two files together: a file without its twin would be half a commit."""
    names = {e["path"] for e in json.loads(call(server, "GET", f"/api/models/{repo}/tree/main?recursive=true"))}
    for name in names:
        if name.startswith("weights-"):
            assert name.replace("weights-", "notes-").replace(".bin", ".txt") in names, name


@pytest.mark.slow
def test_kill_nine_loses_no_acknowledged_commit():
    folder = harness.temporary_folder()
    server = harness.Server(folder / "data").start()
    try:
        call(server, "POST", "/api/repos/create", json.dumps({"name": "crash", "organization": "admin", "type": "model"}).encode())
        acknowledged, kills, number = [], 0, 0
        chance = random.Random(7)
        while number < CYCLES:
            delay = chance.uniform(0.0, 0.35)
            killer = threading.Timer(delay, server.process.kill)
            killer.start()
            try:
                while number < CYCLES:
                    number += 1
                    acknowledged.append(upload_and_commit(server, "admin/crash", number))
            except (urllib.error.URLError, ConnectionError, OSError, json.JSONDecodeError):
                pass  # The hub died under this cycle: it was not acknowledged, so nothing is owed.
            killer.join()
            server.process.wait()
            kills += 1
            server.start()
            tree_is_whole(server, "admin/crash")
        verify(server, "admin/crash", acknowledged)
        print(f"{number} cycles, {kills} kills, {len(acknowledged)} acknowledged")
        assert kills >= 10 and len(acknowledged) >= CYCLES // 5
        server.stop()
        for repository in (folder / "data/repos").glob("*/*/*.git"):
            result = harness.run(["git", "-C", repository, "fsck", "--strict"])
            assert "error" not in result.stderr and "missing" not in result.stdout, result.stdout + result.stderr
        report = json.loads(harness.lyceum("fsck", "--data", folder / "data", "--json").stdout)
        assert report["problems"] == []
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_second_server_on_the_same_data_is_refused():
    folder = harness.temporary_folder()
    with harness.Server(folder / "data"):
        second = harness.run([harness.BIN, "serve", "--port", "0", "--data", folder / "data", "--print-json"], check=False, timeout=20)
        assert second.returncode != 0
        assert str(folder / "data") in second.stderr
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_full_disk_is_reported_and_nothing_is_lost():
    folder = harness.temporary_folder()
    small = folder / "small"
    small.mkdir()
    if harness.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small], check=False).returncode != 0:
        pytest.fail("cannot mount a small tmpfs")
    try:
        with harness.Server(small / "data") as server:
            call(server, "POST", "/api/repos/create", json.dumps({"name": "full", "organization": "admin", "type": "model"}).encode())
            first = upload_and_commit(server, "admin/full", 1)
            big = os.urandom(40 << 20)
            batch = {"operation": "upload", "objects": [{"oid": hashlib.sha256(big).hexdigest(), "size": len(big)}]}
            answer = json.loads(call(server, "POST", "/admin/full.git/info/lfs/objects/batch", json.dumps(batch).encode(), "application/vnd.git-lfs+json"))
            with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)) as failure:
                urllib.request.urlopen(urllib.request.Request(answer["objects"][0]["actions"]["upload"]["href"], data=big, method="PUT"), timeout=60).read()
            if isinstance(failure.value, urllib.error.HTTPError):
                assert failure.value.code == 507
                assert "space" in failure.value.read().decode().lower()
            verify(server, "admin/full", [first])
            upload_and_commit(server, "admin/full", 2)
    finally:
        harness.run(["umount", "-l", small], check=False)
        shutil.rmtree(folder, ignore_errors=True)
