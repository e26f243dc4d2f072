"""Profiles, organisations and collections in a real Chromium."""
import json
import pathlib

import harness

HERE = pathlib.Path(__file__).resolve().parent


def test_profiles_organisations_and_collections(hub, api, guest, tmp_path):
    organisation = "pages-of-many"
    assert harness.ask(hub.url, "POST", "/api/lyceum/organizations", {"name": organisation}, hub.token).status == 200
    for i in range(12):
        api.create_repo(f"{organisation}/m{i:02}")
    collection = api.create_collection("First steps", namespace=organisation, description="What to try first")
    api.add_collection_item(collection.slug, f"{organisation}/m00", "model", note="Start here")
    result = json.loads(harness.run(["node", HERE / "profiles.mjs", hub.url, hub.token, guest[0], organisation, collection.slug, tmp_path], cwd=HERE, timeout=120).stdout)
    assert result["errors"] == [] and result["foreign"] == []
    assert result["followers"] == 1 and [one.username for one in api.list_user_followers(guest[0])] == ["admin"]
    assert (result["members"], result["first"], result["all"], result["items"]) == (1, 10, 12, 1)
    assert result["opened"] == f"/{organisation}/m00"


def test_roles_are_for_members(hub, api):
    assert harness.ask(hub.url, "POST", "/api/lyceum/organizations", {"name": "quiet-roles"}, hub.token).status == 200
    roles = lambda token: {org["name"]: org.get("roleInOrg") for org in harness.ask(hub.url, "GET", "/api/users/admin/overview", token=token).json()["orgs"]}
    assert roles(hub.token)["quiet-roles"] == "owner"
    assert "quiet-roles" in roles(None) and roles(None)["quiet-roles"] is None
