"""Many committers at once to one repository: every commit is there, or its author was told clearly that it is not."""
import concurrent.futures

import pytest

COMMITTERS = 50


def all_at_once(work):
    with concurrent.futures.ThreadPoolExecutor(COMMITTERS) as pool:
        return list(pool.map(work, range(COMMITTERS)))


def file(number):
    from huggingface_hub import CommitOperationAdd  # not earlier: its endpoint is read when it is imported
    return CommitOperationAdd(path_in_repo=f"file-{number}.txt", path_or_fileobj=b"of %d" % number)


@pytest.fixture
def repo(api):
    name = "admin/concurrent"
    api.create_repo(name, exist_ok=True)
    yield name
    api.delete_repo(name)


def test_without_a_parent_every_commit_succeeds(api, repo):
    """Each changes a file of its own, so each can go on top of whatever came before."""
    before = len(api.list_repo_commits(repo))
    made = set(all_at_once(lambda n: api.create_commit(repo, [file(n)], commit_message=f"number {n}").oid))
    assert len(made) == COMMITTERS
    history = api.list_repo_commits(repo)
    assert made <= {commit.commit_id for commit in history} and len(history) == before + COMMITTERS
    assert {f"file-{n}.txt" for n in range(COMMITTERS)} <= set(api.list_repo_files(repo))


def test_with_the_same_parent_one_succeeds_and_the_others_are_told(api, repo):
    from huggingface_hub.errors import HfHubHTTPError
    parent = api.repo_info(repo).sha

    def commit(number):
        try:
            return api.create_commit(repo, [file(number)], commit_message=f"number {number}", parent_commit=parent).oid
        except HfHubHTTPError as error:
            assert error.response.status_code == 412, error
            return None

    made = [(number, oid) for number, oid in enumerate(all_at_once(commit)) if oid]
    assert len(made) == 1
    number, oid = made[0]
    assert api.repo_info(repo).sha == oid
    assert [f for f in api.list_repo_files(repo) if f.startswith("file-")] == [f"file-{number}.txt"]
    assert api.list_repo_commits(repo)[1].commit_id == parent


def test_who_rebases_on_a_conflict_loses_nothing(api, repo):
    """As a careful client does it: read the head, commit on top of it, again if somebody was faster."""
    from huggingface_hub.errors import HfHubHTTPError
    def commit(number):
        for attempt in range(1, 400):
            try:
                api.create_commit(repo, [file(number)], commit_message=f"number {number}", parent_commit=api.repo_info(repo).sha)
                return attempt
            except HfHubHTTPError as error:
                assert error.response.status_code == 412, error
        return 0

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        attempts = list(pool.map(commit, range(20)))
    assert all(attempts)
    assert {f"file-{n}.txt" for n in range(20)} <= set(api.list_repo_files(repo))
