#!/usr/bin/env python3
"""Gathers the training corpus of the starter model: the Python standard library as Debian 12 ships it (package libpython3.11-stdlib,
Python Software Foundation License).

    python3 starter/make_corpus.py OUTPUT_FOLDER

OUTPUT_FOLDER/train holds what the model is pre-trained on. OUTPUT_FOLDER/unseen holds two packages, asyncio and email, that it never
sees: the tuning demonstration improves the model there. Left out: tests, tables (encodings, lib2to3, pydoc_data), vendored wheels and
generated build configuration. The copy is deterministic; the last line printed is a SHA-256 over (sha256, path) of all files.
"""
import hashlib
import pathlib
import shutil
import sys

SOURCE = pathlib.Path("/usr/lib/python3.11")
SKIPPED = {"test", "tests", "idlelib", "lib2to3", "pydoc_data", "encodings", "ensurepip", "dist-packages", "site-packages", "__pycache__", "__phello__"}
SKIPPED_PREFIXES = ("config-", "lib-dynload", "_sysconfigdata", "antigravity", "this.py")
UNSEEN = {"asyncio", "email"}


def wanted(relative):
    return not any(part in SKIPPED or part.startswith(SKIPPED_PREFIXES) for part in relative.parts)


def main(output):
    if not SOURCE.is_dir():
        sys.exit(f"{SOURCE} is missing: apt-get install libpython3.11-stdlib")
    digest, counts = hashlib.sha256(), {"train": 0, "unseen": 0}
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        if path.is_symlink() or not wanted(relative):
            continue
        part = "unseen" if relative.parts[0] in UNSEEN else "train"
        target = output / part / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        counts[part] += target.stat().st_size
        digest.update(f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {part}/{relative}\n".encode())
    print(f"train {counts['train']} bytes, unseen {counts['unseen']} bytes")
    print(digest.hexdigest())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
