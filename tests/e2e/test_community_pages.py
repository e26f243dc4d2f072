"""A repository's pages in a real Chromium: what somebody does there is in the hub afterwards."""
import json
import pathlib

import pytest

import harness

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def visit(hub, api, guest, repo, tmp_path):
    from huggingface_hub import HfApi
    api.upload_file(path_or_fileobj=b"# One\n", path_in_repo="README.md", repo_id=repo)
    api.create_tag(repo, tag="v1")
    HfApi(endpoint=hub.url, token=guest[1]).upload_file(
        path_or_fileobj=b"two\n", path_in_repo="b.txt", repo_id=repo, create_pr=True, commit_message="Propose b.txt")
    result = harness.run(["node", HERE / "community.mjs", hub.url, hub.token, repo, 1, tmp_path], cwd=HERE, timeout=120)
    return json.loads(result.stdout)


def test_talking_merging_liking_and_settings(visit, api, repo):
    assert visit["errors"] == [] and visit["foreign"] == []
    assert visit["bold"] == "Why?" and visit["scripts"] == 0
    assert visit["discussion"] == f"/{repo}/discussions/2"
    talk = api.get_discussion_details(repo, 2)
    assert (talk.title, talk.status) == ("A question <b>in bold</b>", "closed")
    assert [e.content for e in talk.events if e.type == "comment"] == ['**Why?** <script>alert(1)</script> <b onclick="alert(1)">x</b>', "Because."]
    assert visit["pullRequest"] and visit["added"] == ["+two"]
    assert api.get_discussion_details(repo, 1).status == "merged" and "b.txt" in api.list_repo_files(repo)
    assert visit["commits"][0] == "Propose b.txt (#1)" and visit["filesOfTag"] == len(api.list_repo_files(repo, revision="v1"))
    after = api.model_info(repo)
    assert (after.private, after.gated, after.likes) == (True, "manual", 1)
