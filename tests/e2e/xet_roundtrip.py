#!/usr/bin/env python3
"""Large files through Xet with the real client: upload, download into a fresh cache, deduplication, ranges, restart.

Run: LYCEUM_BIN=… python tests/e2e/xet_roundtrip.py      (needs huggingface_hub with hf_xet)
Prints one line per check and ends with 1 if any failed.
"""
import hashlib
import http.server
import json
import pathlib
import random
import shutil
import struct
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, run, temporary_folder  # noqa: E402

MIB = 1 << 20
CLIENT = pathlib.Path(__file__).resolve()


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def make_files(folder):
    """A random file, a compressible one, float weights, and a second version of the random one with small edits."""
    rng = random.Random(20261122)
    first = folder / "first"
    first.mkdir()
    noise = rng.randbytes(24 * MIB + 4321)
    (first / "random.bin").write_bytes(noise)
    (first / "text.bin").write_bytes(b"".join(b"%d: the same words again and again\n" % (i % 5000) for i in range(300_000)))
    (first / "weights.safetensors").write_bytes(b"".join(struct.pack("<f", rng.random() * 0.02) for _ in range(1_500_000)))
    (first / "README.md").write_text("# A model\n")
    second = folder / "second"
    second.mkdir()
    edited = noise[: 5 * MIB] + b"an insertion" + noise[5 * MIB : 20 * MIB] + rng.randbytes(200_000) + noise[20 * MIB :]
    (second / "random-2.bin").write_bytes(edited)
    return first, second


class Meter:
    """A loopback proxy that counts what clients send and which paths they ask for."""

    def __init__(self, target):
        meter = self
        self.paths, self.sent = [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def relay(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                meter.sent += length
                meter.paths.append((self.command, self.path.split("?")[0], length))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection",)}
                request = urllib.request.Request(target + self.path, data=body, method=self.command, headers=headers)
                try:
                    answer = NO_REDIRECT.open(request)
                except urllib.error.HTTPError as error:
                    answer = error
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                length_header = answer.headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length_header or "0")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = relay

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def xorb_bytes(self):
        return sum(length for method, path, length in self.paths if method == "POST" and "/xorbs/" in path)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


NO_REDIRECT = urllib.request.build_opener(NoRedirect)


def client(environment, action, *arguments):
    """Runs one client action in a process of its own, because the client reads its settings on import."""
    result = run([sys.executable, CLIENT, "--client", action, *arguments], env=environment)
    return json.loads(result.stdout.strip().splitlines()[-1])


def client_main(action, *arguments):
    import huggingface_hub
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    if action == "create":
        created = HfApi().create_repo(arguments[0], exist_ok=True)
        print(json.dumps({"repo": created.repo_id}))
    elif action == "upload":
        commit = HfApi().upload_folder(repo_id=arguments[0], folder_path=arguments[1])
        print(json.dumps({"commit": getattr(commit, "oid", None)}))
    elif action == "snapshot":
        print(json.dumps({"folder": snapshot_download(arguments[0]), "version": huggingface_hub.__version__}))
    elif action == "file":
        print(json.dumps({"file": hf_hub_download(arguments[0], arguments[1])}))
    elif action == "tree":
        files = {f.path: getattr(f, "xet_hash", None) for f in HfApi().list_repo_tree(arguments[0], recursive=True)}
        print(json.dumps(files))
    elif action == "range":
        from huggingface_hub import HfFileSystem

        with HfFileSystem().open(f"{arguments[0]}/{arguments[1]}", "rb", block_size=1 << 16) as file:
            file.seek(int(arguments[2]))
            print(json.dumps({"hex": file.read(int(arguments[3])).hex()}))


class Checks:
    def __init__(self):
        self.failed = 0

    def __call__(self, name, passed, note=""):
        self.failed += not passed
        print(("ok    " if passed else "FAILED"), name, note, flush=True)


def same_files(folder, other):
    names = [p.name for p in folder.iterdir()]
    return all(digest(folder / name) == digest(pathlib.Path(other) / name) for name in names)


def main():
    work = temporary_folder()
    check = Checks()
    first, second = make_files(work)
    server = Server(work / "data").start()
    try:
        meter = Meter(server.url)

        def environment(home, **more):
            return server.environment(work / home, **{"HF_ENDPOINT": meter.url, **more})

        uploader = environment("home-up")
        repo = client(uploader, "create", "xet")["repo"]
        started = time.time()
        client(uploader, "upload", repo, first)
        sent = meter.xorb_bytes()
        check("upload_folder went through Xet", any("/v1/xorbs/" in p for _, p, _ in meter.paths), f"{sent} xorb bytes, {time.time() - started:.1f} s")
        check("no LFS upload happened", not any("info/lfs" in p for _, p, _ in meter.paths))

        meter.paths.clear()
        got = client(environment("home-down"), "snapshot", repo)
        check("a fresh cache gets identical bytes", same_files(first, got["folder"]), "huggingface_hub " + got["version"])
        check("the download went through Xet", any("/transfer/" in p for _, p, _ in meter.paths))

        got = client(environment("home-plain", HF_HUB_DISABLE_XET="1"), "snapshot", repo)
        check("without Xet the bytes are the same", same_files(first, got["folder"]))

        meter.paths.clear()
        client(environment("home-other"), "upload", repo, second)
        sent = meter.xorb_bytes()
        check("a similar file deduplicates against the hub", 0 < sent < 2 * MIB, f"{sent} bytes sent for {(second / 'random-2.bin').stat().st_size}")
        check("the answer came from global deduplication", any("/v1/chunks/" in p for _, p, _ in meter.paths))
        got = client(environment("home-down2"), "file", repo, "random-2.bin")
        check("the deduplicated file is identical", digest(got["file"]) == digest(second / "random-2.bin"))

        meter.paths.clear()
        client(uploader, "create", repo + "-copy")
        client(uploader, "upload", repo + "-copy", first)
        check("the same files in another repository send nothing", meter.xorb_bytes() == 0, f"{meter.xorb_bytes()} xorb bytes")
        got = client(environment("home-down3"), "snapshot", repo + "-copy")
        check("and are all there", same_files(first, got["folder"]))

        lfs = environment("home-lfs", HF_HUB_DISABLE_XET="1")
        plain = client(lfs, "create", "lfs")["repo"]
        client(lfs, "upload", plain, first)
        client(lfs, "file", plain, "random.bin")
        end = time.time() + 60
        while time.time() < end and not client(uploader, "tree", plain).get("random.bin"):
            time.sleep(1)
        hashes = client(uploader, "tree", plain), client(uploader, "tree", repo)
        check("a file that came through LFS gets the same Xet hash", hashes[0].get("random.bin") == hashes[1].get("random.bin") is not None, str(hashes[0].get("random.bin")))
        got = client(environment("home-down4"), "snapshot", plain)
        check("and downloads through Xet", same_files(first, got["folder"]))

        offset, length = 7 * MIB + 11, 100_001
        got = client(environment("home-range"), "range", repo, "random.bin", offset, length)
        check("a range read is exact", bytes.fromhex(got["hex"]) == (first / "random.bin").read_bytes()[offset : offset + length])

        left = list((work / "data" / "staging" / "xorbs").glob("*")) if (work / "data" / "staging" / "xorbs").exists() else []
        check("nothing stays in staging", not left, f"{len(left)} files")
        stored = sum(p.stat().st_size for p in (work / "data" / "blobs").rglob("*") if p.is_file())
        sizes = {digest(p): p.stat().st_size for folder in (first, second) for p in folder.iterdir() if p.suffix != ".md"}
        check("each large file is stored once", stored == sum(sizes.values()), f"{stored} bytes")

        server.stop()
        shutil.rmtree(work / "data")
        server.token = None
        server.start()
        client(uploader | {"HF_TOKEN": server.token}, "create", repo)
        client(uploader | {"HF_TOKEN": server.token}, "upload", repo, first)
        got = client(environment("home-down5"), "snapshot", repo)
        check("a client with caches of an older hub at the same address still uploads all", same_files(first, got["folder"]))
    finally:
        server.stop()
        if not check.failed:
            shutil.rmtree(work, ignore_errors=True)
        else:
            print("kept", work)
    return 1 if check.failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client_main(*sys.argv[2:])
    else:
        sys.exit(main())
