"""Signing in to other sites with the hub: the authorization code grant and OpenID Connect, by a browser with @huggingface/hub and by hand as a
server does it."""
import base64
import json
import pathlib
import urllib.parse

import pytest

import harness

HERE = pathlib.Path(__file__).resolve().parent
BACK = "https://notebook.example/back"


@pytest.fixture
def form(http):
    def post(path, basic=None, **fields):
        return http("POST", path, urllib.parse.urlencode(fields).encode(), token=None, basic=basic, headers={"Content-Type": "application/x-www-form-urlencoded"})
    return post


def approve(http, app, **fields):
    """What the page does: the address that the browser is sent to, as its query's fields."""
    query = urllib.parse.urlencode({"client_id": app["clientId"], "redirect_uri": BACK, "response_type": "code", "state": "s", **fields})
    answer = http("POST", "/api/lyceum/oauth/authorization?" + query, {"approve": True, "organizations": []})
    assert answer.status == 200, answer.body
    target = urllib.parse.urlsplit(answer.json()["redirect"])
    return dict(urllib.parse.parse_qsl(target.query))


def test_browser_signs_in_to_a_site(hub, tmp_path):
    seen = json.loads(harness.run(["node", HERE / "oauth.mjs", hub.url, hub.token, tmp_path], cwd=HERE, timeout=120).stdout)
    assert "access_denied" in seen["refused"]
    assert seen["login"] == {"name": "admin", "email": None, "scope": "openid profile read-repos", "state": "where I was"}
    assert seen["hours"] == 8 and seen["who"] == "admin" and seen["fromItsPage"] == "admin"
    assert "Failed to fetch" in seen["fromAnotherPage"], "another origin may not read answers"
    assert seen["twice"] == 400 and seen["afterTwice"] == 401, "a code that comes back was copied"
    assert "redirect_uri" in seen["wrongAddress"]
    assert seen["foreign"] == []
    assert all("CORS" in one or "Failed to load resource" in one for one in seen["errors"]), seen["errors"]


def test_server_with_a_secret_gets_a_signed_identity(hub, http, form):
    from joserfc import jwk, jwt
    app = http("POST", "/api/lyceum/oauth/apps", {"name": "Server", "redirectUris": [BACK], "confidential": True}).json()
    back = approve(http, app, scope="openid profile email", nonce="once", state="a+b/c=&d e")
    assert back["state"] == "a+b/c=&d e" and back["iss"] == hub.url
    wrong = form("/oauth/token", basic=(app["clientId"], "wrong"), grant_type="authorization_code", code=back["code"], redirect_uri=BACK)
    assert wrong.status == 401 and wrong.json()["error"] == "invalid_client" and wrong.headers["WWW-Authenticate"].startswith("Basic")
    tokens = form("/oauth/token", basic=(app["clientId"], app["clientSecret"]), grant_type="authorization_code", code=back["code"], redirect_uri=BACK).json()
    document = http("GET", "/.well-known/openid-configuration", token=None).json()
    keys = jwk.KeySet.import_key_set(http("GET", urllib.parse.urlsplit(document["jwks_uri"]).path, token=None).json())
    claims = jwt.decode(tokens["id_token"], keys, algorithms=document["id_token_signing_alg_values_supported"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"], claims["preferred_username"]) == (hub.url, app["clientId"], "once", "admin")
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] and claims["orgs"] == [] and claims["isPro"] is False
    assert "email" not in claims, "an account without an address has none"
    info = http("GET", "/oauth/userinfo", token=tokens["access_token"]).json()
    assert info["sub"] == claims["sub"]
    http("DELETE", "/api/lyceum/oauth/apps/" + app["clientId"])
    assert http("GET", "/oauth/userinfo", token=tokens["access_token"]).status == 401
    forged = tokens["id_token"].split(".")
    forged[1] = base64.urlsafe_b64encode(json.dumps({**claims, "preferred_username": "root"}).encode()).rstrip(b"=").decode()
    with pytest.raises(Exception):
        jwt.decode(".".join(forged), keys, algorithms=["RS256"])


def test_mistakes_go_back_to_the_application_only_when_it_is_known(http):
    app = http("POST", "/api/lyceum/oauth/apps", {"name": "Public", "redirectUris": [BACK]}).json()
    assert "clientSecret" not in app

    def ask(**fields):
        query = urllib.parse.urlencode({"client_id": app["clientId"], "redirect_uri": BACK, "response_type": "code", **fields})
        return http("GET", "/api/lyceum/oauth/authorization?" + query)
    for fields, error in [({}, "invalid_request"), ({"response_type": "token"}, "unsupported_response_type"),
                          ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
                          ({"code_challenge": "x" * 43, "code_challenge_method": "S256", "prompt": "none"}, "interaction_required")]:
        target = ask(**fields).json()["redirect"]
        assert target.startswith(BACK + "?") and f"error={error}" in target, target
    for scope in ("", "jobs"):
        assert "invalid_scope" in ask(code_challenge="x" * 43, code_challenge_method="S256", scope=scope).json()["redirect"]
    assert ask(redirect_uri=BACK + "/").status == 400 and ask(client_id="app-unknown").status == 400
    shown = ask(code_challenge="x" * 43, code_challenge_method="S256", scope="openid write-repos jobs").json()
    assert [one["name"] for one in shown["scopes"]] == ["openid", "write-repos"] and shown["ignored"] == ["jobs"]
    assert http("POST", "/api/lyceum/oauth/apps", {"name": "Bad", "redirectUris": ["javascript:alert(1)"]}).status == 400
