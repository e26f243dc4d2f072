"""Webhooks: huggingface_hub manages them, a receiver on this machine gets them, a hub that was killed still sends them."""
import hashlib
import hmac
import http.server
import json
import threading
import time
import urllib.request

import pytest

import harness


class Receiver:
    """Collects deliveries; `answers` are given in order, then 200."""

    def __init__(self):
        self.seen, self.answers = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((dict(self.headers), body))
                answer = outer.answers.pop(0) if outer.answers else 200
                self.send_response(answer)
                if answer == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def scopes(self):
        return [(e["scope"], e["action"]) for e in (json.loads(body)["event"] for _, body in self.seen)]


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.server.shutdown()


@pytest.fixture
def open_hub(hub, tmp_path):
    with harness.Server(tmp_path / "data", extra=["--outgoing-allow", "127.0.0.1"]) as server:
        yield server


@pytest.fixture
def open_api(open_hub):
    from huggingface_hub import HfApi
    return HfApi(endpoint=open_hub.url, token=open_hub.token)


def test_management(api):
    hook = api.create_webhook(url="https://example.org/hook", watched=[{"type": "user", "name": "admin"}], domains=["repo"], secret="s")
    assert hook.domains == ["repo"] and hook.secret == "s" and not hook.disabled
    assert hook.id in [w.id for w in api.list_webhooks()]
    assert api.disable_webhook(hook.id).disabled and not api.enable_webhook(hook.id).disabled
    changed = api.update_webhook(hook.id, url="https://example.org/other", domains=["repo", "discussion"])
    assert changed.url.endswith("/other") and changed.domains == ["repo", "discussion"] and changed.secret == "s"
    api.delete_webhook(hook.id)
    with pytest.raises(Exception, match="404"):
        api.get_webhook(hook.id)


def test_deliveries_are_signed_and_parse_as_the_clients_payload(open_api, open_hub, receiver):
    from huggingface_hub import WebhookPayload
    open_api.create_webhook(url=receiver.url, watched=[{"type": "user", "name": "admin"}], secret="top secret")
    open_api.create_repo("admin/m")
    open_api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="admin/m")
    open_api.create_pull_request("admin/m", title="p", description="text")
    harness.wait_for(lambda: len(receiver.seen) >= 5, what="five deliveries")
    assert sorted(receiver.scopes()) == sorted([("repo", "create"), ("repo.content", "update"), ("discussion", "create"), ("discussion.comment", "create"), ("repo.content", "update")])
    for headers, body in receiver.seen:
        payload = WebhookPayload.model_validate_json(body)
        assert payload.repo.name == "admin/m" and payload.repo.url.web == open_hub.url + "/admin/m" and payload.webhook.version == 3
        assert headers["X-Webhook-Secret"] == "top secret"
        fields = dict(part.split("=", 1) for part in headers["X-Lyceum-Signature"].split(","))
        assert fields["v1"] == hmac.new(b"top secret", fields["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    content = [json.loads(body) for _, body in receiver.seen if b'"repo.content"' in body]
    assert {ref["ref"] for one in content for ref in one["updatedRefs"]} == {"refs/heads/main", "refs/pr/1"}


def test_a_kill_loses_no_delivery_and_failures_are_retried(open_api, open_hub, receiver):
    hook = open_api.create_webhook(url=receiver.url, watched=[{"type": "model", "name": "admin/m"}])
    receiver.answers = [500]
    open_api.create_repo("admin/m")
    harness.wait_for(lambda: receiver.seen, what="the first attempt")
    time.sleep(0.5)  # the hub notes the answer
    open_hub.kill()
    open_hub.start()
    harness.wait_for(lambda: len(receiver.seen) >= 2, seconds=25, what="the second attempt")
    assert receiver.seen[0][0]["X-Lyceum-Delivery"] == receiver.seen[1][0]["X-Lyceum-Delivery"]
    call = lambda method, path: json.load(urllib.request.urlopen(urllib.request.Request(open_hub.url + path, method=method, headers={"Authorization": "Bearer " + open_hub.token}, data=b"" if method == "POST" else None)))
    log = harness.wait_for(lambda: [d for d in call("GET", f"/api/settings/webhooks/{hook.id}/deliveries") if d["state"] == "done"], what="the log")
    assert log[0]["attempts"] == 2 and log[0]["status"] == 200
    call("POST", f"/api/settings/webhooks/{hook.id}/replay/{log[0]['id']}")
    harness.wait_for(lambda: len(receiver.seen) >= 3, what="the replay")
    assert receiver.seen[2][1] == receiver.seen[1][1]


def test_redirects_are_not_followed_and_count_as_failures(open_api, open_hub, receiver):
    open_api.create_webhook(url=receiver.url, watched=[{"type": "model", "name": "admin/r"}])
    receiver.answers = [302]
    open_api.create_repo("admin/r")
    harness.wait_for(lambda: receiver.seen, what="the attempt")
    time.sleep(1)
    assert len(receiver.seen) == 1


def test_the_hubs_own_network_is_not_called(api, http, receiver, new_name):
    name = new_name()
    hook = api.create_webhook(url=receiver.url, watched=[{"type": "model", "name": name}])
    api.create_repo(name)
    tried = lambda: [d for d in http("GET", f"/api/settings/webhooks/{hook.id}/deliveries").json() if d["attempts"] > 0 and d["answer"]]
    found = harness.wait_for(tried, what="an attempt")
    assert "may not call" in found[0]["answer"] and not receiver.seen
    api.delete_webhook(hook.id)
