"""Discussions and pull requests: huggingface_hub, @huggingface/hub and git against the real server."""
import pytest

import harness


@pytest.fixture
def guest_api(hub, guest):
    from huggingface_hub import HfApi
    return HfApi(endpoint=hub.url, token=guest[1])


def test_a_discussion_from_opening_to_closing(api, guest_api, guest, repo):
    one = guest_api.create_discussion(repo, title="A question", description="**Why?** <script>alert(1)</script>")
    assert (one.num, one.status, one.author, one.is_pull_request) == (1, "open", guest[0], False)
    assert one.events[0].content.startswith("**Why?**")
    assert "<strong>Why?</strong>" in one.events[0].rendered and "<script" not in one.events[0].rendered
    comment = api.comment_discussion(repo, 1, "Because.")
    assert (comment.content, comment.edited, comment.hidden) == ("Because.", False, False)
    edited = api.edit_discussion_comment(repo, 1, comment.id, "Because of that.")
    assert edited.edited and edited.number_of_edits == 1 and edited.last_edited_by == "admin"
    hidden = api.hide_discussion_comment(repo, 1, one.events[0].id)
    assert hidden.hidden and hidden.content == ""
    renamed = guest_api.rename_discussion(repo, 1, "A better question")
    assert (renamed.old_title, renamed.new_title) == ("A question", "A better question")
    closed = api.change_discussion_status(repo, 1, "closed", comment="Done.")
    assert closed.new_status == "closed"
    after = api.get_discussion_details(repo, 1)
    assert (after.title, after.status) == ("A better question", "closed")
    assert [e.type for e in after.events] == ["comment", "comment", "title-change", "comment", "status-change"]


def test_listing_filters_and_pages(api, guest_api, guest, repo):
    for i in range(3):
        guest_api.create_discussion(repo, title=f"d{i}")
    api.create_pull_request(repo, title="p")
    api.change_discussion_status(repo, 1, "closed")
    nums = lambda **filters: [d.num for d in api.get_repo_discussions(repo, **filters)]
    assert nums() == [4, 3, 2, 1]
    assert nums(discussion_type="pull_request") == [4]
    assert nums(discussion_status="closed") == [1]
    assert nums(author=guest[0], discussion_status="open") == [3, 2]


def test_more_discussions_than_a_page(api, http, repo):
    for i in range(53):
        assert http("POST", f"/api/models/{repo}/discussions", {"title": f"d{i}", "description": "", "pullRequest": False}).status == 200
    assert [d.num for d in api.get_repo_discussions(repo)] == list(range(53, 0, -1))


def test_a_strangers_pull_request_is_merged(api, guest_api, repo):
    api.upload_file(path_or_fileobj=b"one\n", path_in_repo="a.txt", repo_id=repo)
    info = guest_api.upload_file(path_or_fileobj=b"two\n", path_in_repo="b.txt", repo_id=repo, create_pr=True, commit_message="Add b")
    assert info.pr_num == 1 and info.pr_revision == "refs/pr/1"
    details = api.get_discussion_details(repo, 1)
    assert details.status == "open" and details.conflicting_files == [] and details.target_branch == "refs/heads/main"
    assert "+two" in details.diff and "b.txt" in details.diff
    assert [(e.type, getattr(e, "summary", None)) for e in details.events] == [("commit", "Add b")]
    with pytest.raises(Exception, match="403"):
        guest_api.upload_file(path_or_fileobj=b"x", path_in_repo="c.txt", repo_id=repo)
    with pytest.raises(Exception, match="403"):
        guest_api.merge_pull_request(repo, 1)
    api.merge_pull_request(repo, 1, comment="Thank you.")
    merged = api.get_discussion_details(repo, 1)
    assert merged.status == "merged" and merged.merge_commit_oid == api.model_info(repo).sha
    assert "b.txt" in api.list_repo_files(repo)
    assert api.list_repo_commits(repo)[0].title == "Add b (#1)"
    assert "+two" in merged.diff
    assert [r.ref for r in api.list_repo_refs(repo, include_pull_requests=True).pull_requests] == ["refs/pr/1"]


def test_a_strangers_large_file_reaches_a_pull_request(api, guest_api, repo, tmp_path):
    (tmp_path / "w.bin").write_bytes(bytes(range(256)) * 9000)
    info = guest_api.upload_folder(folder_path=tmp_path, repo_id=repo, create_pr=True)
    assert api.get_paths_info(repo, "w.bin", revision="refs/pr/1")[0].lfs.size == 256 * 9000
    api.merge_pull_request(repo, info.pr_num if info.pr_num else 1)
    assert api.get_paths_info(repo, "w.bin")[0].lfs.size == 256 * 9000


def test_conflicts_are_reported_and_resolved(api, guest_api, repo):
    from huggingface_hub import CommitOperationAdd
    api.upload_file(path_or_fileobj=b"base\n", path_in_repo="a.txt", repo_id=repo)
    guest_api.upload_file(path_or_fileobj=b"theirs\n", path_in_repo="a.txt", repo_id=repo, create_pr=True)
    api.upload_file(path_or_fileobj=b"ours\n", path_in_repo="a.txt", repo_id=repo)
    assert api.get_discussion_details(repo, 1).conflicting_files == ["a.txt"]
    with pytest.raises(Exception, match="conflicts with main in a.txt"):
        api.merge_pull_request(repo, 1)
    assert api.get_discussion_details(repo, 1).status == "open"
    guest_api.create_commit(repo, [CommitOperationAdd("a.txt", b"ours\n")], commit_message="give way", revision="refs/pr/1")
    guest_api.upload_file(path_or_fileobj=b"more\n", path_in_repo="b.txt", repo_id=repo, revision="refs/pr/1")
    api.merge_pull_request(repo, 1)
    assert {"a.txt", "b.txt"} <= set(api.list_repo_files(repo))


def test_draft_is_opened(api, repo):
    one = api.create_pull_request(repo, title="Draft", description="later")
    assert one.status == "draft" and one.git_reference == "refs/pr/1"
    assert api.change_discussion_status(repo, 1, "open").new_status == "open"
    assert api.get_discussion_details(repo, 1).status == "open"


def test_pull_requests_in_git(api, hub, repo, env, tmp_path):
    git_env = dict(env, HOME=str(tmp_path), GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@x", GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@x")
    git = lambda *arguments, cwd=tmp_path, check=True: harness.run(["git", *arguments], env=git_env, cwd=cwd, check=check)
    api.create_pull_request(repo, title="From git")
    address = hub.url.replace("://", f"://user:{hub.token}@") + "/" + repo
    git("clone", "-q", address, "w")
    work = tmp_path / "w"
    assert "refs/pr" not in git("for-each-ref", cwd=work).stdout
    git("fetch", "-q", "origin", "refs/pr/1:pr/1", cwd=work)
    git("checkout", "-q", "pr/1", cwd=work)
    (work / "from-git.txt").write_text("hello")
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "one from git", cwd=work)
    git("push", "-q", "origin", "pr/1:refs/pr/1", cwd=work)
    assert [e.summary for e in api.get_discussion_details(repo, 1).events if e.type == "commit"] == ["one from git"]
    git("push", "-q", "origin", "pr/1:refs/pr/9", cwd=work)
    assert api.get_discussion_details(repo, 9).title == "one from git"
    api.merge_pull_request(repo, 1)
    assert "from-git.txt" in api.list_repo_files(repo)
    refused = git("push", "origin", ":refs/pr/1", cwd=work, check=False)
    assert refused.returncode != 0 and "stays" in refused.stderr
    git("fetch", "-q", "origin", cwd=work)
    git("merge", "-q", "--ff-only", "origin/main", cwd=work)


def test_private_repositories_hide_their_discussions(api, guest_api, new_name):
    name = new_name()
    api.create_repo(name, private=True)
    api.create_discussion(name, title="secret")
    with pytest.raises(Exception) as caught:
        guest_api.get_discussion_details(name, 1)
    assert type(caught.value).__name__ == "RepositoryNotFoundError"
