"""@huggingface/hub against the real server. One run of the script, one behaviour per test."""
import json
import pathlib

import pytest

import harness

HERE = pathlib.Path(__file__).resolve().parent
NAME = "admin/from-javascript"


@pytest.fixture(scope="module")
def seen(hub):
    result = harness.run(["node", "js_client.mjs", hub.url, hub.token, NAME], cwd=HERE, env=hub.environment(hub.home), timeout=300)
    return json.loads(result.stdout.strip().splitlines()[-1])


def test_whoami(seen):
    assert seen["whoAmI"] == "admin"


def test_create_repo_with_first_files(seen, hub):
    assert seen["createRepo"] == f"{hub.url}/{NAME}"
    assert seen["repoExists"] is True


@pytest.mark.parametrize("key", ["uploadXet", "uploadLfs"])
def test_upload(seen, key):
    assert seen[key] is True


def test_list_files(seen):
    assert {"dir", "dir/a.txt", "xet.bin", "lfs.bin", "first.txt"} <= set(seen["listFiles"])


def test_download_of_a_small_file(seen):
    assert seen["small"] == "hello"


@pytest.mark.parametrize("key", ["largeXet", "largeLfs", "plain"])
def test_download_of_a_large_file(seen, key):
    assert seen[key] is True


def test_download_info_tells_the_size(seen):
    assert seen["info"] == 12 << 20


def test_download_of_a_missing_file(seen):
    assert seen["missing"] is None


def test_paths_info_and_file_exists(seen):
    assert seen["fileExists"] is True and seen["pathsInfo"] == ["dir/a.txt"]


def test_create_branch(seen):
    assert seen["createBranch"] is True


def test_delete_file(seen):
    assert seen["deleteFile"] is True


def test_pull_request(seen, hub):
    assert seen["pullRequest"] == f"{hub.url}/{NAME}/discussions/1"


def test_raw_pull_request_revision_in_the_tree_address(seen):
    assert seen["pullRequestTree"] == ["p/pr.txt"]


def test_commits_are_listed_and_counted(seen):
    assert seen["countCommits"] == len(seen["commits"]) > 3


def test_model_info_and_listing(seen):
    assert seen["modelInfo"] == NAME and NAME in seen["listModels"]
