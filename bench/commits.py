#!/usr/bin/env python3
"""A commit of many small files by huggingface_hub, beside `git commit` and `git fast-import` of the same files in the same run: CPU-seconds of
the hub, and of git. Then many committers at once to one repository: commits a second, and what the slowest waited.

usage: LYCEUM_BIN=… python bench/commits.py [--files 1000] [--rounds 3] [--committers 50]
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
import harness  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """Of the process and the children it has waited for."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICK


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_files(number, seed):
    """Text of 200 to 3,000 bytes in folders of fifty."""
    r = random.Random(seed)
    words = [f"word{n}" for n in range(500)]
    return {f"data/{n // 50:03}/file-{n:04}.json": (json.dumps({"round": seed, "number": n, "text": " ".join(r.choices(words, k=r.randrange(20, 400)))}) + "\n").encode() for n in range(number)}


def git_commit(folder, files):
    """add and commit of files that lie there, and the same through fast-import; one fsync at the end as git does by default."""
    work, bare = folder / "work", folder / "bare.git"
    subprocess.run(["git", "init", "-q", work], check=True)
    subprocess.run(["git", "init", "-q", "--bare", bare], check=True)
    for name, data in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(data)
    before = cpu_of_children()
    subprocess.run(["git", "-C", work, "add", "."], check=True)
    subprocess.run(["git", "-C", work, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"], check=True)
    commit, before = cpu_of_children() - before, cpu_of_children()
    stream = bytearray(b"commit refs/heads/main\ncommitter a <a@b> 1 +0000\ndata 1\nx\n")
    for name, data in files.items():
        stream += f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n"
    subprocess.run(["git", "-C", bare, "fast-import", "--quiet"], input=bytes(stream), check=True)
    fast_import = cpu_of_children() - before
    for one in (work, bare):
        shutil.rmtree(one)
    return commit, fast_import


def bench_large(api, pid, folder, count, rounds):
    from huggingface_hub import CommitOperationAdd
    api.create_repo("admin/many")
    for number in range(rounds):
        files = make_files(count, number)
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()]
        before, start = cpu_seconds(pid), time.perf_counter()
        api.create_commit("admin/many", operations, commit_message=f"round {number}")
        seconds, hub = time.perf_counter() - start, cpu_seconds(pid) - before
        commit, fast_import = git_commit(folder, files)
        print(json.dumps({"files": count, "kib": sum(map(len, files.values())) >> 10, "hub_cpu_s": round(hub, 3), "wall_s": round(seconds, 3), "git_commit_cpu_s": round(commit, 3),
                          "git_fast_import_cpu_s": round(fast_import, 3)}), flush=True)


def bench_committers(api, pid, committers):
    api.create_repo("admin/busy")
    def commit(number):
        start = time.perf_counter()
        api.upload_file(path_or_fileobj=b"x" * 100, path_in_repo=f"f{number}.txt", repo_id="admin/busy")
        return time.perf_counter() - start
    before, start = cpu_seconds(pid), time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(committers) as pool:
        waits = sorted(pool.map(commit, range(committers * 4)))
    seconds = time.perf_counter() - start
    there = len([f for f in api.list_repo_files("admin/busy") if f.startswith("f")])
    print(json.dumps({"committers": committers, "commits": len(waits), "there": there, "commits_per_s": round(len(waits) / seconds, 1), "slowest_s": round(waits[-1], 2),
                      "hub_cpu_ms_per_commit": round((cpu_seconds(pid) - before) / len(waits) * 1000, 1)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--committers", type=int, default=50)
    args = parser.parse_args()
    folder = harness.temporary_folder()
    try:
        with harness.Server(folder / "data") as server:
            os.environ.update({k: v for k, v in server.environment(folder / "home").items() if k.startswith("HF_")})
            from huggingface_hub import HfApi
            api = HfApi(endpoint=server.url, token=server.token)
            bench_large(api, server.process.pid, folder, args.files, args.rounds)
            bench_committers(api, server.process.pid, args.committers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
