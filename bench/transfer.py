#!/usr/bin/env python3
"""CPU-seconds of the hub per GiB, moved by the real clients, beside the raw hash rate of this machine in the same run.

usage: LYCEUM_BIN=… python bench/transfer.py [--mib 1024]     (needs the test clients: ./dev e2e installs them)
The floor of an upload (SHA-256, BLAKE3, LZ4) is added when build/release/bench/upload_floor is there: cmake --preset release && cmake --build --preset release --target upload_floor
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import harness  # noqa: E402

FLOOR = harness.ROOT / "build/release/bench/upload_floor"


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # user, system, and those of ended children


def measure(server, name, gib, action, rows):
    before, started = cpu_seconds(server.process.pid), time.time()
    action()
    rows.append({"what": name, "server_cpu_s_per_gib": round((cpu_seconds(server.process.pid) - before) / gib, 2), "wall_s": round(time.time() - started, 1)})
    print(json.dumps(rows[-1]), flush=True)


def sha256_rate(gib):
    block, total = os.urandom(1 << 24), int(gib * 64)
    hasher, before = hashlib.sha256(), time.process_time()
    for _ in range(total):
        hasher.update(block)
    return round((time.process_time() - before) / gib, 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=1024)
    mib = parser.parse_args().mib
    gib = mib / 1024
    folder = harness.temporary_folder()
    rows = []
    try:
        with harness.Server(folder / "data") as server:
            env = server.environment(folder / "home")
            plain = dict(env, HF_HUB_DISABLE_XET="1")
            for name, environment in (("xet", env), ("lfs", plain)):
                source = folder / name
                source.mkdir()
                with open(source / "weights.safetensors", "wb") as file:
                    for _ in range(mib):
                        file.write(os.urandom(1 << 20))
                harness.run(["hf", "repos", "create", f"admin/{name}"], env=environment)
                measure(server, f"upload {name}", gib, lambda: harness.run(["hf", "upload", f"admin/{name}", source, "."], env=environment), rows)
            measure(server, "download xet", gib, lambda: harness.run(["hf", "download", "admin/xet", "--local-dir", folder / "a"], env=env), rows)
            measure(server, "download http", gib, lambda: harness.run(["hf", "download", "admin/lfs", "--local-dir", folder / "b"], env=plain), rows)
            git = dict(plain, GIT_CONFIG_GLOBAL=str(folder / "gitconfig"))
            harness.run(["git", "lfs", "install"], env=git)
            url = server.url.replace("http://", f"http://admin:{server.token}@")
            measure(server, "git clone", gib, lambda: harness.run(["git", "clone", url + "/admin/lfs", folder / "c"], env=git), rows)
        print(json.dumps({"what": "sha256 of the same bytes (Python's OpenSSL, one core)", "cpu_s_per_gib": sha256_rate(gib)}))
        if FLOOR.exists():
            print(json.dumps({"what": "what an upload cannot do without"} | json.loads(harness.run([FLOOR, folder]).stdout)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
