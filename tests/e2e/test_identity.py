"""Who is asking: tokens with scopes, signing in from a browser, organisations, sessions, limits, the audit log. With the real clients."""
import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import pytest

import harness

CLIENT = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"  # what huggingface_hub calls itself
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def make_token(http, **wanted):
    return http("POST", "/api/lyceum/tokens", {"name": "scoped", **wanted}).json()["token"]


def scope(kind, name, *permissions):
    return {"entity": {"type": kind, "name": name}, "permissions": list(permissions)}


@pytest.fixture
def form(http):
    def post(path, **fields):
        return http("POST", path, urllib.parse.urlencode(fields).encode(), token=None, headers={"Content-Type": "application/x-www-form-urlencoded"})
    return post


# --- tokens ----------------------------------------------------------------------------------------------------------------------------
def test_whoami_names_role_and_scope(hub, http, api, repo):
    token = make_token(http, role="fineGrained", scoped=[scope("model", repo, "repo.write")])
    me = api.whoami(token=token)
    assert me["name"] == "admin" and me["type"] == "user" and isinstance(me["id"], str)
    access = me["auth"]["accessToken"]
    assert access["displayName"] == "scoped" and access["role"] == "fineGrained"
    assert access["fineGrained"]["scoped"][0]["entity"]["name"] == repo
    assert "repo.write" in access["fineGrained"]["scoped"][0]["permissions"]
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"


def test_fine_grained_token_writes_its_repository_only(http, api, new_name):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
    inside, outside = new_name(), new_name()
    for name in (inside, outside):
        api.create_repo(name, private=True)
    scoped = HfApi(endpoint=api.endpoint, token=make_token(http, role="fineGrained", scoped=[scope("model", inside, "repo.write")]))
    scoped.upload_file(path_or_fileobj=b"hello", path_in_repo="a.txt", repo_id=inside)
    assert pathlib.Path(scoped.hf_hub_download(inside, "a.txt")).read_text() == "hello"
    with pytest.raises(RepositoryNotFoundError):
        scoped.model_info(outside)
    assert [m.id for m in scoped.list_models(author="admin", search="test-") if m.private] == [inside]
    with pytest.raises(HfHubHTTPError) as refused:
        scoped.create_repo(new_name())
    assert refused.value.response.status_code == 403


def test_large_files_under_a_fine_grained_token(http, api, new_name):
    """Xet tokens carry the access token's scope: the same bytes in a repository outside it are not readable."""
    from huggingface_hub import HfApi
    name = new_name()
    api.create_repo(name, private=True)
    scoped = HfApi(endpoint=api.endpoint, token=make_token(http, role="fineGrained", scoped=[scope("model", name, "repo.write")]))
    content = os.urandom(300_000)
    scoped.upload_file(path_or_fileobj=content, path_in_repo="w.bin", repo_id=name)
    assert pathlib.Path(scoped.hf_hub_download(name, "w.bin")).read_bytes() == content


def test_xet_token_dies_with_its_access_token(http, api, repo):
    token = make_token(http, role="write")
    answer = http("GET", f"/api/models/{repo}/xet-read-token/main", token=token).json()
    ask = lambda: http("GET", answer["casUrl"] + "/v1/reconstructions/" + "0" * 64, token=answer["accessToken"]).status
    assert ask() == 404
    http("POST", "/api/credentials/revoke", {"credentials": [token]}, token=None)
    assert ask() == 401


def test_git_obeys_the_scope(hub, http, api, new_name, tmp_path):
    inside, outside = new_name(), new_name()
    for name in (inside, outside):
        api.create_repo(name, private=True)
    token = make_token(http, role="fineGrained", scoped=[scope("model", inside, "repo.content.read")])
    env = hub.environment(hub.home)
    address = hub.url.replace("://", f"://user:{token}@")
    harness.run(["git", "clone", "-q", f"{address}/{inside}", tmp_path / "in"], env=env)
    assert harness.run(["git", "clone", "-q", f"{address}/{outside}", tmp_path / "out"], env=env, check=False).returncode != 0
    (tmp_path / "in" / "x.txt").write_text("x")
    git = lambda *a: harness.run(["git", "-C", tmp_path / "in", "-c", "user.name=t", "-c", "user.email=t@x", *a], env=env, check=False)
    git("add", "."), git("commit", "-qm", "x")
    assert git("push", "-q").returncode != 0


def test_tokens_are_listed_and_revoked(http):
    token = make_token(http, role="read", expiresInDays=1)
    rows = [row for row in http("GET", "/api/lyceum/tokens").json() if row["expiresAt"]]
    assert rows[-1]["role"] == "read"
    assert http("GET", "/api/whoami-v2", token=token).status == 200
    http("DELETE", f"/api/lyceum/tokens/{rows[-1]['id']}")
    answer = http("GET", "/api/whoami-v2", token=token)
    assert answer.status == 401 and answer.headers["X-Error-Message"] == "Invalid credentials in Authorization header"


@pytest.mark.parametrize("wrong", [{"role": "king"}, {"role": "fineGrained"}, {"role": "read", "expiresInDays": 0},
                                   {"role": "fineGrained", "scoped": [scope("org", "nowhere", "repo.write")]},
                                   {"role": "fineGrained", "scoped": [scope("user", "admin", "everything")]}])
def test_senseless_tokens_are_refused(http, wrong):
    assert http("POST", "/api/lyceum/tokens", {"name": "x", **wrong}).status in (400, 404)


# --- signing in from a browser ------------------------------------------------------------------------------------------------------------
def test_hf_auth_login_in_a_browser(hub, http, tmp_path):
    """The hf command waits; a person approves; from then on the command is signed in."""
    env = hub.environment(tmp_path, HF_TOKEN="", CI="", HF_DEBUG="")
    del env["HF_TOKEN"]
    process = subprocess.Popen(["hf", "auth", "login"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen, code = "", None
    for line in process.stdout:
        seen += line
        if found := re.search(r"\b[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}\b", line):
            code = found.group(0)
            break
    assert code, seen
    assert f"{hub.url}/device?code=" in seen
    shown = http("GET", f"/api/lyceum/device/{code}").json()
    assert shown["client"] == CLIENT and shown["address"] == "127.0.0.1" and shown["status"] == "pending"
    assert http("POST", f"/api/lyceum/device/{code}", {"approve": True}).json() == {"status": "approved"}
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, seen + rest
    who = harness.run(["hf", "auth", "whoami"], env=env)
    assert "admin" in who.stdout
    stored = (tmp_path / "stored_tokens").read_text()
    assert "[oauth-admin]" in stored and "refresh_token" in stored
    harness.run(["hf", "repos", "create", "admin/made-after-login", "--exist-ok"], env=env)


def test_device_flow_answers_as_the_standard_says(hub, http, form):
    start = form("/oauth/device", client_id=CLIENT).json()
    assert start["verification_uri"] == hub.url + "/device" and start["verification_uri_complete"].endswith(start["user_code"]) and start["interval"] == 5
    poll = lambda device=start["device_code"]: form("/oauth/token", grant_type=DEVICE, device_code=device, client_id=CLIENT)
    first = poll()
    assert first.status == 400 and first.json()["error"] == "authorization_pending"
    assert poll().json()["error"] == "slow_down"
    assert http("POST", f"/api/lyceum/device/{start['user_code']}", {"approve": False}).status == 200
    assert poll().json()["error"] == "access_denied"
    assert poll("unknown").json()["error"] == "expired_token"
    assert form("/oauth/token", grant_type="password").json()["error"] == "unsupported_grant_type"
    assert form("/oauth/device").json()["error"] == "invalid_request"
    assert form("/oauth/token", grant_type="refresh_token", refresh_token="x", client_id=CLIENT).json()["error"] == "invalid_grant"


def test_oauth_tokens_are_renewed(hub, http, form):
    start = form("/oauth/device", client_id=CLIENT).json()
    http("POST", f"/api/lyceum/device/{start['user_code']}", {"approve": True, "role": "read"})
    tokens = form("/oauth/token", grant_type=DEVICE, device_code=start["device_code"], client_id=CLIENT).json()
    assert re.fullmatch(r"hf_[A-Za-z0-9]{34,}", tokens["access_token"]) and tokens["expires_in"] > 86400 and tokens["token_type"] == "bearer"
    me = http("GET", "/api/whoami-v2", token=tokens["access_token"]).json()
    assert me["auth"]["type"] == "oauth" and "accessToken" not in me["auth"]
    renewed = form("/oauth/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id=CLIENT).json()
    assert renewed["refresh_token"] != tokens["refresh_token"]
    info = http("GET", "/oauth/userinfo", token=renewed["access_token"]).json()
    assert info["preferred_username"] == "admin" and info["sub"] == me["id"]
    assert http("POST", "/api/repos/create", {"name": "read-only-login"}, token=renewed["access_token"]).status == 403


def test_a_program_ends_its_sign_in(hub, http, form):
    def sign_in():
        start = form("/oauth/device", client_id=CLIENT).json()
        http("POST", f"/api/lyceum/device/{start['user_code']}", {"approve": True, "role": "read"})
        return form("/oauth/token", grant_type=DEVICE, device_code=start["device_code"], client_id=CLIENT).json()
    other = sign_in()
    for kind in ("access_token", "refresh_token"):
        tokens = sign_in()
        assert form("/oauth/revoke", token=tokens[kind], token_type_hint=kind, client_id=CLIENT).status == 200
        assert http("GET", "/api/whoami-v2", token=tokens["access_token"]).status == 401
        assert form("/oauth/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id=CLIENT).json()["error"] == "invalid_grant"
    assert form("/oauth/revoke", token="unknown").status == 200 and form("/oauth/revoke").json()["error"] == "invalid_request"
    assert form("/oauth/revoke", token=hub.token).status == 200 and http("GET", "/api/whoami-v2").status == 200, "an access token that no sign-in gave stays"
    assert http("GET", "/api/whoami-v2", token=other["access_token"]).status == 200


def test_openid_configuration_names_what_is_served(hub, http):
    document = http("GET", "/.well-known/openid-configuration", token=None).json()
    assert document["issuer"] == hub.url
    for key in ("device_authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint"):
        assert document[key].startswith(hub.url + "/oauth/")


# --- organisations -------------------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def lab(hub, guest):
    """An organisation of the administrator with guest as a reader."""
    import urllib.request

    def send(method, path, body):
        request = urllib.request.Request(hub.url + path, data=json.dumps(body).encode(), method=method, headers={"Authorization": "Bearer " + hub.token})
        urllib.request.urlopen(request, timeout=30)
    send("POST", "/api/lyceum/organizations", {"name": "lab", "fullname": "The Lab"})
    send("PUT", "/api/lyceum/organizations/lab/members/guest", {"role": "read"})
    return "lab"


def test_roles_of_an_organisation(hub, http, api, guest, lab):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    mine = HfApi(endpoint=hub.url, token=guest[1])
    api.create_repo("lab/roles", private=True)
    assert mine.model_info("lab/roles").private
    with pytest.raises(HfHubHTTPError):
        mine.create_repo("lab/by-a-reader")
    with pytest.raises(HfHubHTTPError):
        mine.auth_check("lab/roles", write=True)
    http("PUT", "/api/lyceum/organizations/lab/members/guest", {"role": "write"})
    mine.auth_check("lab/roles", write=True)
    mine.create_repo("lab/by-a-writer")
    assert http("PUT", "/api/lyceum/organizations/lab/members/guest", {"role": "admin"}, token=guest[1]).status == 403
    http("PUT", "/api/lyceum/organizations/lab/members/guest", {"role": "read"})
    assert {org["name"]: org["roleInOrg"] for org in mine.whoami()["orgs"]}["lab"] == "read"


def test_profiles(api, http, guest, lab):
    user = api.get_user_overview("guest")
    assert user.username == "guest" and "lab" in [org.name for org in user.orgs]
    organisation = api.get_organization_overview("lab")
    assert organisation.fullname == "The Lab" and organisation.num_users == 2
    assert {m.username for m in api.list_organization_members("lab")} == {"admin", "guest"}
    roles = {m["user"]: m["role"] for m in http("GET", "/api/organizations/lab/members").json()}
    assert roles == {"admin": "owner", "guest": "read"}
    assert all("role" not in m for m in http("GET", "/api/organizations/lab/members", token=None).json())


def test_followers(api, http, guest, lab):
    assert http("POST", "/api/users/admin/follow", token=guest[1]).status == 200
    assert http("POST", "/api/organizations/lab/follow", token=guest[1]).status == 200
    assert [u.username for u in api.list_user_followers("admin")] == ["guest"]
    assert [u.username for u in api.list_organization_followers("lab")] == ["guest"]
    assert len(list(api.list_user_following("guest"))) == 2
    http("DELETE", "/api/users/admin/follow", token=guest[1])
    assert list(api.list_user_followers("admin")) == []


def test_own_repositories(api, http, guest, lab, repo):
    assert repo in [r.id for r in api.list_user_repos()]
    api.create_repo("lab/listed", exist_ok=True)
    assert "lab/listed" in [r.id for r in api.list_user_repos(namespace="lab")]
    other = http("POST", "/api/lyceum/users", {"name": "outsider", "password": "a long enough one"})
    assert other.status in (200, 409)
    assert http("GET", "/api/organizations/lab/settings/repositories", token=None, basic=("outsider", "a long enough one")).status == 403


# --- sessions --------------------------------------------------------------------------------------------------------------------------------
def test_session_cookie_and_its_protection(hub, http):
    answer = http("POST", "/api/lyceum/sign-in", {"token": hub.token}, token=None, headers={"Origin": hub.url})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and "Secure" not in cookie
    session = {"Cookie": cookie.split(";")[0]}
    create = lambda **headers: http("POST", "/api/repos/create", {"name": "by-session", "private": True}, token=None, headers={**session, **headers}).status
    assert create() == 403
    assert create(Origin="https://evil.test") == 403
    assert create(Origin=hub.url, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert create(Origin=hub.url) == 200
    http("POST", "/api/lyceum/sign-out", {}, token=None, headers={**session, "Origin": hub.url})
    assert http("GET", "/api/lyceum/me", token=None, headers=session).json() is None
    secure = http("POST", "/api/lyceum/sign-in", {"token": hub.token}, token=None, headers={"X-Forwarded-Proto": "https"})
    if secure.headers["Set-Cookie"].startswith("__Host-"):
        assert "Secure" in secure.headers["Set-Cookie"]


# --- audit -------------------------------------------------------------------------------------------------------------------------------------
def test_audit_log(http, api, guest, new_name):
    name = new_name()
    api.create_repo(name)
    api.delete_repo(name)
    events = http("GET", f"/api/lyceum/audit?target=models/{name}").json()
    assert [e["action"] for e in events] == ["repo.delete", "repo.create"]
    assert events[0]["user"] == "admin" and events[0]["address"] == "127.0.0.1" and events[0]["token"] > 0 and events[0]["at"].endswith("Z")
    assert http("GET", "/api/lyceum/audit", token=guest[1]).status == 403
    assert http("GET", "/api/lyceum/audit", token=None).status == 401
    first = http("GET", "/api/lyceum/audit?limit=2")
    following = http("GET", first.headers["Link"].split("<")[1].split(">")[0]).json()
    assert following[0]["id"] == first.json()[1]["id"] - 1
    assert http("GET", "/api/lyceum/audit/verify").json() == {"intact": True, "firstBroken": None}


# --- limits ------------------------------------------------------------------------------------------------------------------------------------
def test_limits_and_their_headers(tmp_path):
    """A hub of its own with small limits; huggingface_hub reads the headers as its own parser does."""
    import urllib.error
    import urllib.request
    from huggingface_hub.utils._http import parse_ratelimit_headers

    def get(url, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
                return answer.status, dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers)
    with harness.Server(tmp_path / "data", extra=["--rate-limit-api", "5", "--sign-in-failures", "2"]) as server:
        answers = [get(server.url + "/api/models") for _ in range(6)]
        assert [status for status, _ in answers] == [200] * 5 + [429]
        info = parse_ratelimit_headers(answers[-1][1])
        assert info.remaining == 0 and 0 < info.reset_in_seconds <= 300 and info.limit == 5 and info.window_seconds == 300
        assert int(answers[-1][1]["Retry-After"]) == info.reset_in_seconds
        assert get(server.url + "/api/models", Authorization="Bearer " + server.token)[0] == 200, "another caller"
        statuses = []
        for _ in range(3):
            request = urllib.request.Request(server.url + "/api/lyceum/sign-in", data=b'{"name":"admin","password":"wrong"}', method="POST",
                                             headers={"Authorization": "Bearer " + server.token})
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=30)
            statuses.append(refused.value.code)
        assert statuses == [401, 401, 429]
