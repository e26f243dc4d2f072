#!/usr/bin/env python3
"""Makes the Xet test vectors from the real client (hf_xet), the oracle of src/xet.

Writes beside this script, into xet/:
  hashes.txt        one line per generated file: "<size> <seed> <kind> <file hash>", hashed by hf_xet.hash_files
  upload_N.xorb     xorbs exactly as hf_xet posts them (named in upload.txt)
  upload.shard      the shard exactly as hf_xet posts it
  upload.txt        "xorb <file> <hash>", "file <size> <seed> <kind> <file hash> <sha256>" lines

The contents are made by SplitMix64, so the C++ test makes the same bytes without storing them.
Run: python make_xet_goldens.py   (needs hf_xet; talks to a server of its own on loopback only)
"""
import hashlib
import http.server
import json
import pathlib
import struct
import tempfile
import threading

import hf_xet

OUT = pathlib.Path(__file__).parent / "xet"
MASK = (1 << 64) - 1


def splitmix(seed):
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def content(size, seed, kind):
    """random: raw generator bytes; text: lines of decimal numbers; floats: float32 with few distinct high bytes; zeros."""
    rng = splitmix(seed)
    out = bytearray()
    if kind == "zeros":
        return bytes(size)
    while len(out) < size:
        value = next(rng)
        if kind == "random":
            out += struct.pack("<Q", value)
        elif kind == "text":
            out += b"line %d\n" % (value % 100000)
        elif kind == "floats":
            out += struct.pack("<f", (value >> 40) / float(1 << 24) * 0.02)
    return bytes(out[:size])


HASHED = [(1, 1, "random"), (63, 2, "random"), (8191, 3, "random"), (8192, 4, "random"), (8193, 5, "text"), (65536, 6, "random"),
          (131072, 7, "zeros"), (131073, 8, "zeros"), (1000000, 9, "random"), (3000001, 10, "text"), (5000000, 11, "floats"),
          (20000000, 12, "random"), (700000, 13, "zeros")]
UPLOADED = [(30000, 21, "random"), (150000, 22, "text"), (65536, 23, "floats"), (50003, 24, "floats")]


class Recorder(http.server.BaseHTTPRequestHandler):
    xorbs, shards = {}, []
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(404, {"error": "not found"})

    def do_POST(self):
        if self.headers.get("Content-Length"):
            body = self.rfile.read(int(self.headers["Content-Length"]))
        else:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if "/xorbs/" in self.path:
            self.xorbs[self.path.rsplit("/", 1)[1]] = body
            return self.answer(200, {"was_inserted": True})
        if self.path.startswith("/v1/shards"):
            self.shards.append(body)
            return self.answer(200, {"result": 1})
        # The client falls back from /v2/shards and /v1/xorb-grants when they are not found.
        self.answer(200 if "telemetry" in self.path else 404, {})

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main():
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        def write(spec):
            path = pathlib.Path(folder) / "{}-{}-{}".format(*spec)
            path.write_bytes(content(*spec))
            return str(path)

        hashes = hf_xet.hash_files([write(spec) for spec in HASHED])
        lines = ["{} {} {} {}".format(*spec, info.hash) for spec, info in zip(HASHED, hashes)]
        (OUT / "hashes.txt").write_text("\n".join(lines) + "\n")

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = "http://127.0.0.1:{}".format(server.server_port)
        infos = hf_xet.upload_files([write(spec) for spec in UPLOADED], endpoint, ("token", 4102444800), None, None, "model")
        server.shutdown()

    lines = []
    for number, (name, body) in enumerate(sorted(Recorder.xorbs.items())):
        (OUT / f"upload_{number}.xorb").write_bytes(body)
        lines.append(f"xorb upload_{number}.xorb {name}")
    assert len(Recorder.shards) == 1, Recorder.shards
    (OUT / "upload.shard").write_bytes(Recorder.shards[0])
    for spec, info in zip(UPLOADED, infos):
        lines.append("file {} {} {} {} {}".format(*spec, info.hash, hashlib.sha256(content(*spec)).hexdigest()))
    (OUT / "upload.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
