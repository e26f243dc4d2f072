"""The client matrix: client x transport x operation, against the real program. usage: run.py [--client WORDS] [--only WORDS] [--jobs N]

A cell is one operation of one client over one transport. Each client and transport has a server of its own, so that its access log
tells which way the bytes went. What a client cannot do is n/a with a reason and not counted. The last line is `N of M passed`.
"""
import argparse
import base64
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402
import tls_server  # noqa: E402

BYTES = [("http", "lfs"), ("http", "xet"), ("tls", "lfs"), ("tls", "xet")]
PLAIN = [("http", ""), ("tls", "")]
MARKS = {"pass": "ok", "fail": "FAIL", "n/a": "n/a"}


@dataclasses.dataclass
class Client:
    name: str
    family: str     # clients of one family share a file of operations and a table
    command: list
    ways: list      # (HTTP or TLS, how large content travels where the client can choose)
    check_bytes: bool = False                    # is the access log to show that content went the way's way?
    refused: dict = dataclasses.field(default_factory=dict)  # transport -> why the client cannot go it at all


def version_of(python, package):
    code = f"import importlib.metadata as m; print(m.version('{package}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def python_clients(python, command_file):
    hub = version_of(python, "huggingface_hub")
    newest = command_file == "hf_command.py" and not hub.startswith("1.")
    return [
        Client(f"huggingface_hub {hub}", "huggingface_hub", [python, HERE / "huggingface_hub_client.py"], BYTES, True),
        Client(f"hf command {hub}", command_file, [python, HERE / command_file], BYTES if newest else [("http", "lfs"), ("tls", "xet")], True),
        Client(f"datasets {version_of(python, 'datasets')}, hub {hub}", "datasets", [python, HERE / "datasets_client.py"], BYTES),
        Client(f"transformers {version_of(python, 'transformers')}, hub {hub}", "transformers", [python, HERE / "transformers_client.py"], BYTES),
    ]


def all_clients():
    newest, middle, old = (os.environ[key] for key in ("MATRIX_PYTHON", "MATRIX_PYTHON_1_19", "MATRIX_PYTHON_0_36"))
    found = python_clients(newest, "hf_command.py") + python_clients(middle, "hf_command.py") + python_clients(old, "hf_command_0_36.py")
    package = json.loads((HERE.parent / "node_modules/@huggingface/hub/package.json").read_text())
    found.append(Client(f"@huggingface/hub {package['version']}", "@huggingface/hub", ["node", HERE / "javascript_client.mjs"], BYTES, True))
    git = re.search(r"[\d.]+", harness.run(["git", "--version"]).stdout)[0]
    lfs = re.search(r"git-lfs/([\d.]+)", harness.run(["git", "lfs", "version"]).stdout)[1]
    found.append(Client(f"git {git}, git-lfs {lfs}", "git and git-lfs", [newest, HERE / "git_client.py"], PLAIN))
    found.append(Client(f"hf-hub 0.4.1 (Rust, in outlines-core {version_of(middle, 'outlines_core')})", "Rust hf-hub", [middle, HERE / "rust_client.py"], PLAIN,
                        refused={"tls": "its TLS trusts the authorities compiled into it and has no setting for another"}))
    found.append(Client("replay of llama.cpp -hf", "llama.cpp -hf, its requests sent by a script", [newest, HERE / "llama_replay.py"], PLAIN))
    return found


# --- one client over one transport ------------------------------------------------------------------------------------------------------
def start_server(folder, transport):
    extra = ["--access-log", "true", "--log-format", "json", "--rate-limit-api", "0"]
    if transport == "http":
        return harness.Server(folder / "data", extra=extra).start()
    tls_server.make_ca(folder)
    tls_server.issue(folder, "matrix")
    extra += ["--tls-cert", str(folder / "tls.pem"), "--tls-key", str(folder / "tls.key"), "--tls-port", "0", "--plain-http", "false"]
    return tls_server.TlsServer(folder / "data", extra=extra).start()


def client_environment(server, folder, client, transport, large):
    env = server.environment(folder / "home", MATRIX_BYTES=large, MATRIX_WORK=str(folder / "work"), HOME=str(folder / "home"), PYTHONDONTWRITEBYTECODE="1",
                             GIT_CONFIG_GLOBAL=str(folder / "gitconfig"), MATRIX_FAMILY=client.family, TERM="dumb", NO_COLOR="1", COLUMNS="200")
    env["PATH"] = str(pathlib.Path(client.command[0]).parent) + os.pathsep + env["PATH"] if "/" in str(client.command[0]) else env["PATH"]
    if large == "lfs":
        env["HF_HUB_DISABLE_XET"] = "1"
    if transport == "tls":
        authority = str(folder / "ca.pem")
        env.update(MATRIX_CA=authority, SSL_CERT_FILE=authority, REQUESTS_CA_BUNDLE=authority, NODE_EXTRA_CA_CERTS=authority, GIT_SSL_CAINFO=authority)
    (folder / "home").mkdir()
    (folder / "work").mkdir()
    return env


def make_guest(python, env, folder):
    """A second user with a write token, made by a helper that trusts the hub's authority."""
    code = ("import matrix, json; matrix.http('POST', '/api/lyceum/users', {'name': 'guest', 'email': 'guest@example.org', 'password': 'correct horse battery'});"
            "print(matrix.http('POST', '/api/lyceum/tokens', {'name': 'matrix', 'role': 'write'}, token=None, basic=('guest', 'correct horse battery')).json()['token'])")
    return harness.run([python, "-c", code], env=env, cwd=HERE).stdout.strip()


def way_of_bytes(log, large):
    """Did large content go the way it was meant to? From the access log: xorbs are Xet uploads, PUTs under info/lfs are LFS uploads."""
    seen = {"xet": 0, "lfs": 0}
    for line in log.read_text().splitlines():
        request = json.loads(line) if line.startswith("{") else {}
        path = request.get("path", "")
        seen["xet"] += request.get("method") == "POST" and "/v1/xorbs/" in path
        seen["lfs"] += request.get("method") == "PUT" and "/info/lfs/objects/" in path
    good = seen["xet"] > 0 if large == "xet" else seen["lfs"] > 0 and seen["xet"] == 0
    return {"operation": "access log: content went this way", "result": "pass" if good else "fail", "detail": "" if good else f"uploads seen: {seen}", "seconds": 0}


def run_one(client, way, only):
    transport, large = way
    if transport in client.refused:
        return [{"operation": "*", "result": "n/a", "detail": client.refused[transport], "seconds": 0}]
    folder = harness.temporary_folder()
    try:
        server = start_server(folder, transport)
        try:
            env = client_environment(server, folder, client, transport, large)
            env["MATRIX_GUEST_TOKEN"] = make_guest(os.environ["MATRIX_PYTHON"], env, folder)
            env["MATRIX_ONLY"] = only
            result = subprocess.run([str(c) for c in client.command], env=env, cwd=folder / "work", capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)
        finally:
            server.stop()
        rows = [json.loads(line) for line in result.stdout.splitlines() if line.startswith('{"operation"')]
        if result.returncode != 0 or not rows:
            rows.append({"operation": "the client's process", "result": "fail", "detail": f"ended with {result.returncode}: {result.stderr[-1500:]}", "seconds": 0})
        if client.check_bytes and not only:
            rows.append(way_of_bytes(folder / "data.log", large))
        return rows
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_and_tell(client, way, only):
    try:
        rows = run_one(client, way, only)
    except Exception as error:  # a server that does not start, a client that does not end: the others still run
        rows = [{"operation": "the client's run", "result": "fail", "detail": f"{type(error).__name__}: {error}"[:1500], "seconds": 0}]
    counts = {result: sum(row["result"] == result for row in rows) for result in MARKS}
    print(f"  {client.name}, {title(way)}: {counts['pass']} passed, {counts['fail']} failed, {counts['n/a']} n/a", file=sys.stderr, flush=True)
    return rows


# --- the table -----------------------------------------------------------------------------------------------------------------------------
def title(way):
    return "+".join(part for part in way if part)


def print_family(family, columns):
    """columns: [(client, way, rows)]. One line an operation, one column a client and transport."""
    print(f"\n{family}")
    operations = list(dict.fromkeys(row["operation"] for _, _, rows in columns for row in rows if row["operation"] != "*"))
    names = list(dict.fromkeys(client.name for client, _, _ in columns))
    width = max(len(o) for o in operations) + 2 if operations else 10
    print(" " * width + "  ".join(n.ljust(9 * sum(c.name == n for c, _, _ in columns) - 2) for n in names))
    print(" " * width + "".join(title(way).ljust(9) for _, way, _ in columns))
    for operation in operations:
        cells = []
        for _, _, rows in columns:
            refused = any(r["operation"] == "*" for r in rows)
            row = next((r for r in rows if r["operation"] == operation), None)
            cells.append("n/a" if refused else MARKS[row["result"]] if row else "")
        print(operation.ljust(width) + "".join(cell.ljust(9) for cell in cells))


def print_reasons(outcomes):
    reasons = {}
    for client, way, rows in outcomes:
        for row in rows:
            if row["result"] == "n/a":
                reasons.setdefault((client.name, row["operation"], row["detail"]), []).append(title(way))
    if reasons:
        print("\nNot available in a client, not counted:")
    for (name, operation, detail), ways in reasons.items():
        print(f"  {name}: {'every operation over ' + ', '.join(ways) if operation == '*' else operation}: {detail}")
    failures = [(client, way, row) for client, way, rows in outcomes for row in rows if row["result"] == "fail"]
    if failures:
        print("\nFailed:")
    for client, way, row in failures:
        print(f"  {client.name}, {title(way)}, {row['operation']}: {row['detail']}")


def print_totals(outcomes):
    counted = [row["result"] for _, _, rows in outcomes for row in rows if row["result"] != "n/a"]
    absent = sum(row["result"] == "n/a" for _, _, rows in outcomes for row in rows)
    print()
    for name in dict.fromkeys(client.name for client, _, _ in outcomes):
        mine = [row for client, _, rows in outcomes if client.name == name for row in rows]
        seconds = sum(row["seconds"] for row in mine)
        print(f"  {name.ljust(52)} {sum(r['result'] == 'pass' for r in mine)} of {sum(r['result'] != 'n/a' for r in mine)} passed, {sum(r['result'] == 'n/a' for r in mine)} n/a, {seconds:.0f} s")
    passed = counted.count("pass")
    print(f"  cells n/a: {absent}")
    print(f"{passed} of {len(counted)} passed")
    return passed == len(counted) and counted


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", default="", help="only clients whose name holds these words")
    parser.add_argument("--way", default="", help="only transports whose title holds this, such as tls or http+lfs")
    parser.add_argument("--only", default="", help="only operations whose name holds these words")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=pathlib.Path, help="also write every cell here")
    asked = parser.parse_args()
    pairs = [(client, way) for client in all_clients() if asked.client in client.name for way in client.ways if asked.way in title(way)]
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        results = list(pool.map(lambda pair: run_and_tell(*pair, asked.only), pairs))
    outcomes = [(client, way, rows) for (client, way), rows in zip(pairs, results)]
    for family in dict.fromkeys(client.family for client, _ in pairs):
        print_family(family, [o for o in outcomes if o[0].family == family])
    print_reasons(outcomes)
    if asked.json:
        asked.json.write_text(json.dumps([{"client": c.name, "transport": title(w), **row} for c, w, rows in outcomes for row in rows], indent=1))
    sys.exit(0 if print_totals(outcomes) else 1)


if __name__ == "__main__":
    main()
