"""Likes, collections and gated repositories, with huggingface_hub and @huggingface/hub."""
import json
import pathlib

import pytest

import harness

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def theirs(hub, guest):
    from huggingface_hub import HfApi
    return HfApi(endpoint=hub.url, token=guest[1])


# --- likes -------------------------------------------------------------------------------------------------------------------------------
def test_likes(http, api, theirs, guest, repo):
    assert http("POST", f"/api/models/{repo}/like", token=guest[1]).status == 200
    assert [u.username for u in api.list_repo_likers(repo)] == ["guest"]
    assert api.model_info(repo).likes == 1
    assert repo in api.list_liked_repos("guest").models
    assert api.get_user_overview("guest").num_likes >= 1
    theirs.unlike(repo)
    assert api.model_info(repo).likes == 0 and repo not in theirs.list_liked_repos().models
    assert http("POST", f"/api/models/{repo}/like", token=None).status == 401


# --- collections -------------------------------------------------------------------------------------------------------------------------
def test_collection_from_first_to_last(api, theirs, repo, new_name):
    from huggingface_hub.errors import HfHubHTTPError
    dataset = new_name()
    api.create_repo(dataset, repo_type="dataset")
    made = api.create_collection("My best things", description="what it says", private=False)
    assert made.slug.startswith("admin/my-best-things-") and made.items == [] and made.url.endswith(made.slug)
    assert api.create_collection("My best things", exists_ok=True).slug == made.slug
    with pytest.raises(HfHubHTTPError):
        api.create_collection("My best things")
    api.add_collection_item(made.slug, repo, "model", note="good")
    filled = api.add_collection_item(made.slug, dataset, "dataset")
    assert [(i.item_id, i.item_type, i.note) for i in filled.items] == [(repo, "model", "good"), (dataset, "dataset", None)]
    api.add_collection_item(made.slug, repo, "model", exists_ok=True)
    with pytest.raises(HfHubHTTPError):
        api.add_collection_item(made.slug, repo, "model")
    api.update_collection_item(made.slug, filled.items[1].item_object_id, note="first", position=0)
    again = theirs.get_collection(made.slug)
    assert [i.item_id for i in again.items] == [dataset, repo] and again.items[0].note == "first"
    with pytest.raises(HfHubHTTPError):
        theirs.delete_collection(made.slug)
    renamed = api.update_collection_metadata(made.slug, title="Our best things", theme="pink")
    assert renamed.title == "Our best things" and renamed.theme == "pink"
    api.delete_collection_item(renamed.slug, again.items[0].item_object_id)
    api.delete_collection_item(renamed.slug, again.items[0].item_object_id, missing_ok=True)
    assert [i.item_id for i in api.get_collection(renamed.slug).items] == [repo]
    api.delete_collection(renamed.slug)
    api.delete_collection(renamed.slug, missing_ok=True)


def test_collections_are_found(api, theirs, repo):
    open_one = api.create_collection("Findable collection", exists_ok=True)
    closed = api.create_collection("Closed collection", private=True, exists_ok=True)
    api.add_collection_item(open_one.slug, repo, "model", exists_ok=True)
    slugs = lambda client, **query: [c.slug for c in client.list_collections(**query)]
    assert {open_one.slug, closed.slug} <= set(slugs(api, owner="admin", sort="lastModified"))
    assert closed.slug not in slugs(theirs, owner="admin")
    assert slugs(theirs, item=f"models/{repo}") == [open_one.slug]
    assert len(slugs(api, owner="admin", limit=1)) == 1


def test_collections_from_javascript(hub, repo):
    script = """
import { createCollection, deleteCollection, listCollections } from '@huggingface/hub';
const [hubUrl, accessToken, repo] = process.argv.slice(1);
const to = { hubUrl, accessToken };
const { slug } = await createCollection({ ...to, collection: { title: 'From JavaScript', namespace: 'admin' } });
const listed = []; for await (const one of listCollections({ ...to, search: { owner: ['admin'], q: 'javascript' } })) listed.push(one.slug);
await deleteCollection({ ...to, slug });
console.log(JSON.stringify({ slug, listed }));
"""
    result = harness.run(["node", "--input-type=module", "-e", script, hub.url, hub.token, repo], cwd=HERE, env=hub.environment(hub.home))
    seen = json.loads(result.stdout.strip().splitlines()[-1])
    assert seen["slug"].startswith("admin/from-javascript") and seen["listed"] == [seen["slug"]]


# --- gated repositories -----------------------------------------------------------------------------------------------------------------
@pytest.fixture
def gated(api, repo):
    api.upload_file(path_or_fileobj=b"precious", path_in_repo="weights.txt", repo_id=repo)
    api.update_repo_settings(repo, gated="manual")
    return repo


def names(requests):
    return [r.username for r in requests]


@pytest.fixture
def ask_access(hub, guest):
    """Asks and does not follow the redirect to the page."""
    import http.client

    def send(repo, body="", kind="application/x-www-form-urlencoded", token=guest[1]):
        connection = http.client.HTTPConnection("127.0.0.1", hub.port)
        connection.request("POST", f"/{repo}/ask-access", body, {"Content-Type": kind, "Authorization": "Bearer " + token})
        answer = connection.getresponse()
        answer.read()
        return answer
    return send


def test_gated_manual(api, theirs, gated, ask_access, tmp_path):
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
    fetch = lambda: theirs.hf_hub_download(gated, "weights.txt", cache_dir=tmp_path)
    with pytest.raises(GatedRepoError) as refused:
        fetch()
    assert refused.value.response.status_code == 403 and "not in the authorized list" in str(refused.value)
    with pytest.raises(GatedRepoError):
        theirs.auth_check(gated)
    with pytest.raises(HfHubHTTPError) as missing:
        api.accept_access_request(gated, "guest")
    assert missing.value.response.status_code == 404
    answer = ask_access(gated)
    assert answer.status == 303 and answer.headers["Location"].endswith("/" + gated)
    with pytest.raises(GatedRepoError, match="awaiting a review"):
        fetch()
    pending = list(api.list_pending_access_requests(gated))
    assert names(pending) == ["guest"] and pending[0].email == "guest@example.org" and pending[0].status == "pending"
    api.accept_access_request(gated, "guest")
    assert pathlib.Path(fetch()).read_text() == "precious"
    theirs.auth_check(gated)
    assert names(api.list_accepted_access_requests(gated)) == ["guest"]
    api.reject_access_request(gated, request_id=pending[0].request_id, rejection_reason="changed our mind")
    assert names(api.list_rejected_access_requests(gated)) == ["guest"]
    with pytest.raises(GatedRepoError, match="has been rejected"):
        theirs.auth_check(gated)
    api.cancel_access_request(gated, "guest")
    assert names(api.list_pending_access_requests(gated)) == ["guest"]
    with pytest.raises(HfHubHTTPError):
        list(theirs.list_pending_access_requests(gated))


def test_gated_grant_report_and_batch(http, api, theirs, gated, guest):
    from huggingface_hub.errors import HfHubHTTPError
    api.grant_access(gated, "guest")
    theirs.auth_check(gated)
    with pytest.raises(HfHubHTTPError) as again:
        api.grant_access(gated, "guest")
    assert again.value.response.status_code == 400
    with pytest.raises(HfHubHTTPError) as unknown:
        api.grant_access(gated, "nobody-here")
    assert unknown.value.response.status_code == 404
    assert list(api.list_accepted_access_requests(gated))[0].email is None
    report = http("GET", f"/{gated}/user-access-report")
    assert report.json()[0]["user"] == "guest" and "attachment" in report.headers["Content-Disposition"]
    batch = http("POST", f"/api/models/{gated}/user-access-request/batch", {"status": "rejected", "requests": [{"user": "guest"}, {"user": "nobody-here"}]}).json()
    assert [row["ok"] for row in batch] == [True, False] and batch[1]["error"] == "request_not_found"


def test_gated_auto_with_a_form(api, theirs, repo, ask_access):
    from huggingface_hub.errors import GatedRepoError
    card = "---\nextra_gated_fields:\n  Company: text\n  I agree: checkbox\n---\nhello\n"
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo)
    api.update_repo_settings(repo, gated="auto")
    with pytest.raises(GatedRepoError):
        theirs.auth_check(repo)
    assert ask_access(repo, "Company=Acme").status == 400
    assert ask_access(repo, json.dumps({"Company": "Acme", "I agree": True}), "application/json").status == 303
    theirs.auth_check(repo)
    assert list(api.list_accepted_access_requests(repo))[0].fields == {"Company": "Acme", "I agree": True}


def test_gated_without_a_token(http, gated):
    answer = http("HEAD", f"/{gated}/resolve/main/weights.txt", token=None)
    assert answer.status == 401 and answer.headers["X-Error-Code"] == "GatedRepo" and answer.headers["X-Error-Message"].startswith(f"Access to model {gated} is restricted")
    assert http("GET", f"/api/models/{gated}", token=None).status == 200, "what it is may be seen"
