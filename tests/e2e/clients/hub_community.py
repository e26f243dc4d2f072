"""huggingface_hub: discussions, pull requests, likes, collections, webhooks, Spaces, and what this hub does not offer."""
import huggingface_hub
from huggingface_hub import CommitOperationAdd

from hub_repositories import api, guest, make, put
from matrix import GUEST, TOKEN, URL, NotAvailable, equal, folder, holds, http, need, new_name, operation, raises

PUBLIC = "https://example.com/hook"


@operation("a discussion: create, comment, edit, hide, rename, close, reopen")
def _():
    name = make()
    one = guest.create_discussion(name, title="A question", description="**Why?** <script>x</script>")
    equal((one.num, one.status, one.author, one.is_pull_request, one.url), (1, "open", "guest", False, f"{URL}/{name}/discussions/1"))
    holds("<strong>Why?</strong>" in one.events[0].rendered and "<script" not in one.events[0].rendered, one.events[0].rendered)
    comment = api.comment_discussion(name, 1, "Because.")
    edited = api.edit_discussion_comment(name, 1, comment.id, "Because of that.")
    equal((edited.content, edited.edited, edited.number_of_edits, edited.last_edited_by), ("Because of that.", True, 1, "admin"))
    raises("HfHubHTTPError", lambda: guest.edit_discussion_comment(name, 1, comment.id, "mine"), status=403)
    hidden = api.hide_discussion_comment(name, 1, one.events[0].id)
    equal((hidden.hidden, hidden.content), (True, ""))
    renamed = guest.rename_discussion(name, 1, "A better question")
    equal((renamed.old_title, renamed.new_title), ("A question", "A better question"))
    equal(api.change_discussion_status(name, 1, "closed", comment="Done.").new_status, "closed")
    equal(api.change_discussion_status(name, 1, "open").new_status, "open")
    after = api.get_discussion_details(name, 1)
    equal((after.title, after.status, [e.type for e in after.events]),
          ("A better question", "open", ["comment", "comment", "title-change", "comment", "status-change", "status-change"]))
    raises("HfHubHTTPError", lambda: api.get_discussion_details(name, 99), status=404)
    raises("RepositoryNotFoundError", lambda: api.create_discussion("admin/absent", title="x"))


@operation("get_repo_discussions: filters and pages")
def _():
    name = make("dataset")
    for i in range(3):
        guest.create_discussion(name, title=f"d{i}", repo_type="dataset")
    api.create_pull_request(name, title="p", repo_type="dataset")
    api.change_discussion_status(name, 1, "closed", repo_type="dataset")
    nums = lambda **query: [d.num for d in api.get_repo_discussions(name, repo_type="dataset", **query)]
    equal((nums(), nums(discussion_type="pull_request"), nums(discussion_type="discussion"), nums(discussion_status="closed"), nums(author="guest", discussion_status="open")),
          ([4, 3, 2, 1], [4], [3, 2, 1], [1], [3, 2]))
    for i in range(60):
        http("POST", f"/api/datasets/{name}/discussions", {"title": "x", "description": "", "pullRequest": False})
    equal(nums(), list(range(64, 0, -1)))


@operation("a pull request: draft, commits, merge, after-effects")
def _():
    name = make()
    put(name, "a.txt", b"one\n")
    one = guest.create_pull_request(name, title="Draft", description="later")
    equal((one.status, one.git_reference, one.is_pull_request), ("draft", "refs/pr/1", True))
    guest.create_commit(name, [CommitOperationAdd("a.txt", b"two\n")], commit_message="Change a", revision="refs/pr/1")
    guest.change_discussion_status(name, 1, "open")
    details = api.get_discussion_details(name, 1)
    equal((details.status, details.conflicting_files, details.target_branch, details.merge_commit_oid), ("open", [], "refs/heads/main", None))
    holds("-one\n+two" in details.diff, details.diff)
    raises("HfHubHTTPError", lambda: guest.merge_pull_request(name, 1), status=403)
    api.merge_pull_request(name, 1, comment="Thanks.")
    details = api.get_discussion_details(name, 1)
    equal((details.status, details.merge_commit_oid), ("merged", api.model_info(name).sha))
    equal(open(api.hf_hub_download(name, "a.txt", cache_dir=folder())).read(), "two\n")
    equal([r.ref for r in api.list_repo_refs(name, include_pull_requests=True).pull_requests], ["refs/pr/1"])
    equal(api.list_repo_refs(name).pull_requests, None)


@operation("a pull request with conflicts")
def _():
    name = make()
    put(name, "a.txt", b"base\n")
    guest.upload_file(path_or_fileobj=b"theirs\n", path_in_repo="a.txt", repo_id=name, create_pr=True)
    put(name, "a.txt", b"ours\n")
    equal(api.get_discussion_details(name, 1).conflicting_files, ["a.txt"])
    raises(("HfHubHTTPError", "BadRequestError"), lambda: api.merge_pull_request(name, 1), "a.txt")
    equal((api.get_discussion_details(name, 1).status, open(api.hf_hub_download(name, "a.txt", cache_dir=folder())).read()), ("open", "ours\n"))
    api.change_discussion_status(name, 1, "closed")
    raises(("HfHubHTTPError", "BadRequestError"), lambda: api.merge_pull_request(name, 1))


@operation("not offered: attachments of comments")
def _():
    need(api, "upload_attachment")
    image = folder() / "dot.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n")
    refused(lambda: api.upload_attachment(image))


@operation("likes: list, unlike")
def _():
    name = make()
    equal(http("POST", f"/api/models/{name}/like", token=GUEST).status, 200)
    equal([u.username for u in api.list_repo_likers(name)], ["guest"])
    equal(api.model_info(name).likes, 1)
    holds(name in api.list_liked_repos("guest").models and name in guest.list_liked_repos().models, "liked")
    equal([m.id for m in api.list_models(sort="likes", limit=1)], [name])
    guest.unlike(name)
    equal((api.model_info(name).likes, list(api.list_repo_likers(name))), (0, []))
    guest.unlike(name)


@operation("collections: create, items, update, delete")
def _():
    model, data = make(), make("dataset")
    title = "Best of " + model.split("/")[1]
    made = api.create_collection(title, description="what it says", private=False)
    holds(made.slug.startswith("admin/best-of-") and made.items == [] and made.url.endswith(made.slug), made)
    equal(api.create_collection(title, exists_ok=True).slug, made.slug)
    raises("HfHubHTTPError", lambda: api.create_collection(title), status=409)
    api.add_collection_item(made.slug, model, "model", note="good")
    filled = api.add_collection_item(made.slug, data, "dataset")
    equal([(i.item_id, i.item_type, i.note) for i in filled.items], [(model, "model", "good"), (data, "dataset", None)])
    raises("HfHubHTTPError", lambda: api.add_collection_item(made.slug, model, "model"), status=409)
    api.add_collection_item(made.slug, model, "model", exists_ok=True)
    raises("RepositoryNotFoundError", lambda: api.add_collection_item(made.slug, "admin/absent", "model"), status=404)
    api.update_collection_item(made.slug, filled.items[1].item_object_id, note="first", position=0)
    again = guest.get_collection(made.slug)
    equal([(i.item_id, i.note, i.position) for i in again.items], [(data, "first", 0), (model, "good", 1)])
    raises("HfHubHTTPError", lambda: guest.update_collection_metadata(made.slug, title="x"), status=403)
    renamed = api.update_collection_metadata(made.slug, title="Changed", description="new", theme="pink", private=True, position=0)
    equal((renamed.title, renamed.theme, renamed.private, renamed.description), ("Changed", "pink", True, "new"))
    raises("HfHubHTTPError", lambda: guest.get_collection(renamed.slug), status=404)
    holds(renamed.slug in [c.slug for c in api.list_collections(owner="admin", sort="lastModified")], "own list")
    equal([c.slug for c in guest.list_collections(item=f"models/{model}")], [])
    equal([c.slug for c in api.list_collections(item=f"models/{model}")], [renamed.slug])
    api.delete_collection_item(renamed.slug, again.items[0].item_object_id)
    api.delete_collection_item(renamed.slug, again.items[0].item_object_id, missing_ok=True)
    raises("HfHubHTTPError", lambda: api.delete_collection_item(renamed.slug, again.items[0].item_object_id), status=404)
    api.delete_collection(renamed.slug)
    api.delete_collection(renamed.slug, missing_ok=True)
    raises("HfHubHTTPError", lambda: api.get_collection(renamed.slug), status=404)


@operation("collections: a collection in a collection, pages")
def _():
    inner, outer = api.create_collection("Inner " + new_name()), api.create_collection("Outer " + new_name())
    filled = api.add_collection_item(outer.slug, inner.slug, "collection")
    equal([(i.item_id.split("/")[0], i.item_type) for i in filled.items], [("admin", "collection")])
    equal(len(list(api.list_collections(owner="admin", limit=1))), 1)


@operation("webhooks: create, get, list, update, disable, enable, delete")
def _():
    made = api.create_webhook(url=PUBLIC, watched=[{"type": "user", "name": "admin"}], domains=["repo", "discussion"], secret="s3cret")
    equal((made.url, made.domains, made.disabled, [(w.type, w.name) for w in made.watched]), (PUBLIC, ["repo", "discussion"], False, [("user", "admin")]))
    equal(api.get_webhook(made.id).url, PUBLIC)
    holds(made.id in [w.id for w in api.list_webhooks()], "listed")
    holds(made.id not in [w.id for w in guest.list_webhooks()], "listed for somebody else")
    changed = api.update_webhook(made.id, url=PUBLIC + "2", domains=["repo"])
    equal((changed.url, changed.domains), (PUBLIC + "2", ["repo"]))
    equal(api.disable_webhook(made.id).disabled, True)
    equal(api.enable_webhook(made.id).disabled, False)
    raises("HfHubHTTPError", lambda: guest.delete_webhook(made.id))
    api.delete_webhook(made.id)
    raises("HfHubHTTPError", lambda: api.get_webhook(made.id), status=404)
    raises(("HfHubHTTPError", "BadRequestError"), lambda: api.create_webhook(url="ftp://example.com", watched=[{"type": "user", "name": "admin"}]), status=400)


def refused(work):
    """A 501 that says so. Some calls of older clients raise the HTTP library's own error, which has no words of the server."""
    error = raises(("HfHubHTTPError", "BadRequestError", "BucketNotFoundError", "HTTPStatusError", "HTTPError"), work, status=501)
    holds("his hub" in str(error) or type(error).__name__ in ("HTTPStatusError", "HTTPError"), error)


@operation("Spaces: runtime, what cannot be controlled says so")
def _():
    name = make("space")
    holds(api.get_space_runtime(name).stage, "stage")
    for work in (lambda: api.restart_space(name), lambda: api.pause_space(name), lambda: api.add_space_secret(name, "K", "v"), lambda: api.get_space_variables(name),
                 lambda: api.request_space_hardware(name, "t4-small"), lambda: api.set_space_sleep_time(name, 60), lambda: api.delete_space_secret(name, "K")):
        refused(work)
    raises("RepositoryNotFoundError", lambda: api.get_space_runtime("admin/absent"))


@operation("Spaces: hardware, templates, logs, dev mode, quota")
def _():
    need(api, "list_spaces_hardware", "fetch_space_logs")
    equal(list(api.list_spaces_hardware()), [])
    name = make("space")
    refused(lambda: list(api.fetch_space_logs(name)))
    refused(lambda: list(api.fetch_space_logs(name, build=True)))
    refused(lambda: api.enable_space_dev_mode(name))
    if hasattr(api, "list_space_templates"):
        equal(list(api.list_space_templates()), [])
    if hasattr(api, "get_zero_gpu_quota"):
        refused(lambda: api.get_zero_gpu_quota())


@operation("jobs: listed, and refused by name where they are not `lyceum tune`")
def _():
    need(api, "list_jobs")
    equal(list(api.list_jobs()), [])
    if huggingface_hub.__version__ >= "1":  # before, run_job asks huggingface.co whatever the endpoint
        refused(lambda: api.run_job(image="python", command=["true"]))
    refused(lambda: list(api.list_scheduled_jobs()))


@operation("not offered: buckets")
def _():
    need(api, "create_bucket")
    refused(lambda: list(api.list_buckets(namespace="admin")))
    refused(lambda: api.create_bucket("admin/x"))
    refused(lambda: api.bucket_info("admin/x"))
    refused(lambda: api.delete_bucket("admin/x"))
    refused(lambda: list(api.list_bucket_tree("admin/x")))


@operation("not offered: papers")
def _():
    refused(lambda: list(api.list_papers(query="x")))
    refused(lambda: api.paper_info("2310.00001"))
    if hasattr(api, "list_daily_papers"):
        refused(lambda: list(api.list_daily_papers()))
    if hasattr(api, "read_paper"):
        refused(lambda: api.read_paper("2310.00001"))


@operation("not offered: kernels")
def _():
    need(api, "kernel_info")
    refused(lambda: api.kernel_info("admin/x"))
    raises(("HfHubHTTPError", "BadRequestError"), lambda: api.create_repo("admin/x", repo_type="kernel"), "kernel")


@operation("not offered: parquet through the dataset viewer")
def _():
    need(api, "list_dataset_parquet_files")
    raises("ValueError", lambda: api.list_dataset_parquet_files(make("dataset")), "third-party endpoints")
    raise NotAvailable("the client refuses every endpoint but huggingface.co before it sends anything")
