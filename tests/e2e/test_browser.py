"""The pages in a real Chromium: home, the starter Space answering with streamed text, the model page. No third-party request."""
import json
import pathlib
import shutil

import pytest

import harness

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def visit():
    folder = harness.temporary_folder()
    with harness.Server(folder / "data", starter=harness.ROOT / "starter") as server:
        result = harness.run(["node", HERE / "space.mjs", server.url, folder], cwd=HERE, timeout=180)
        yield json.loads(result.stdout)
    shutil.rmtree(folder, ignore_errors=True)


def test_the_starter_space_streams_its_answer(visit):
    assert visit["answer"], visit
    growing = [n for n in visit["lengths"] if n > 0]
    assert len(growing) >= 2, f"the text came in one piece: {visit['lengths']}"


def test_the_pages_ask_no_other_host(visit):
    assert visit["foreign"] == []


def test_the_pages_run_without_errors(visit):
    assert visit["errors"] == []
