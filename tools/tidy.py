#!/usr/bin/env python3
"""Structure checks: room edges, file sizes, README lengths, SPDX-free sources, machine paths. Exit 1 on any finding."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE_LINES_MAX = 800
ROOM_README_LINES_MAX = 40
ARCHITECTURE_LINES_MAX = 300


def read_edges():
    edges = {}
    for line in (ROOT / "tools/rooms.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            room, _, allowed = line.partition(":")
            edges[room.strip()] = set(allowed.split())
    return edges


def check_cycles(edges):
    findings, done = [], set()

    def visit(room, trail):
        if room in trail:
            findings.append("tools/rooms.txt: cycle " + " -> ".join(trail + [room]))
        elif room not in done:
            for target in edges.get(room, ()):
                visit(target, trail + [room])
            done.add(room)

    for room in edges:
        visit(room, [])
    return findings


def check_includes(edges, files):
    findings = []
    for path in files:
        if path.suffix not in (".h", ".cpp") or path.parts[0] != "src":
            continue
        room = path.parts[1]
        if room not in edges:
            findings.append(f"{path}: room '{room}' is not in tools/rooms.txt")
            continue
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
            if match and match.group(1) in edges and match.group(1) != room and match.group(1) not in edges[room]:
                findings.append(f"{path}:{number}: room '{room}' may not include '{match.group(1)}' (tools/rooms.txt)")
            if re.match(r"\s*#\s*include\s+<boost/(beast|asio)", line) and room != "http":
                findings.append(f"{path}:{number}: only the http room includes Beast or Asio")
    return findings


def check_sizes(files):
    findings = []
    for path in files:
        if path.suffix in (".h", ".cpp", ".py", ".ts", ".svelte") and not path.name.startswith("package"):
            lines = (ROOT / path).read_text(errors="replace").count("\n")
            if lines > SOURCE_LINES_MAX:
                findings.append(f"{path}: {lines} lines (limit {SOURCE_LINES_MAX})")
        if path.name == "README.md" and len(path.parts) == 3 and path.parts[0] == "src":
            lines = (ROOT / path).read_text().count("\n")
            if lines > ROOM_README_LINES_MAX:
                findings.append(f"{path}: {lines} lines (limit {ROOM_README_LINES_MAX})")
    architecture = ROOT / "ARCHITECTURE.md"
    if architecture.exists() and architecture.read_text().count("\n") > ARCHITECTURE_LINES_MAX:
        findings.append(f"ARCHITECTURE.md: over {ARCHITECTURE_LINES_MAX} lines")
    for room in sorted({p.parts[1] for p in files if p.parts[0] == "src" and len(p.parts) > 2}):
        if not (ROOT / "src" / room / "README.md").exists():
            findings.append(f"src/{room}: no README.md")
    return findings


def check_text(files):
    findings = []
    banned = [(re.compile(r"/work/(main|shared)|/root/"), "a machine path"), (re.compile(r"\bTODO\b|\bFIXME\b"), "a TODO")]
    for path in files:
        if path.name in ("tidy.py", "package-lock.json") or path.suffix not in (
                ".h", ".cpp", ".py", ".ts", ".svelte", ".md", ".txt", ".sh", ".json", ".cmake", ".mjs", ""):
            continue
        if not (ROOT / path).is_file():
            continue
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1):
            for pattern, what in banned:
                if pattern.search(line):
                    findings.append(f"{path}:{number}: {what}: {line.strip()[:100]}")
    return findings


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [p for p in map(pathlib.Path, listed.splitlines()) if (ROOT / p).exists()]
    edges = read_edges()
    findings = check_cycles(edges) + check_includes(edges, files) + check_sizes(files) + check_text(files)
    for finding in findings:
        print(finding)
    print(f"tidy: {len(files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
