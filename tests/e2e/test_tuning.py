"""`lyceum tune` on private code: the plan a person reads, what is left out, and that a record repeats it."""
import json
import pathlib
import random
import string

import harness
import pytest

MODEL = harness.ROOT / "starter/model"
SETTINGS = ["--set", "seq_len=128", "--set", "max_steps=2", "--set", "lora_r=4", "--set", "learning_rate=1e-3"]


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LYCEUM_HOME": str(home / "lyceum")}


def drawn(count):
    generator = random.Random(5)
    return "".join(generator.choice(string.ascii_letters + string.digits) for _ in range(count))


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """Five files: clean, its near copy, one with a planted password, one with a planted key, one under its own licence."""
    folder = tmp_path_factory.mktemp("code")
    body = "".join(f"def step_{i}(value_{i}, rest):\n    total = value_{i} * {i}\n    return total + rest\n\n\n" for i in range(30))
    (folder / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person obtaining a copy\n")
    (folder / "main.py").write_text(body)
    (folder / "main_copy.py").write_text("# copied for the second product\n" + body)
    (folder / "settings.py").write_text(f'DEBUG = True\nPASSWORD = "{drawn(24)}"\n')
    (folder / "deploy.sh").write_text(f"export GH_TOKEN=gh{'p_'}{drawn(36)}\nrun the deployment\n")
    (folder / "vendor_part.py").write_text("# SPDX-License-Identifier: GPL-3.0-only\n" + body.replace("step", "stage").replace("total", "result").replace("rest", "more"))
    return folder


def test_plan_names_secrets_near_duplicates_and_licences(env, code):
    report = json.loads(harness.lyceum("tune", MODEL, "--data", code, "--plan", "--json", *SETTINGS, env=env).stdout)
    assert report["files_kept"] == 2
    assert {(s["path"], s["line"], s["rule"]) for s in report["secrets"]["list"]} == {("settings.py", 2, "random-secret-assignment"), ("deploy.sh", 1, "github-token")}
    assert report["near_duplicates"]["list"] == [{"kept": "main.py", "left_out": ["main_copy.py"]}]
    assert report["licences"]["repository"] == "MIT"
    assert report["licences"]["files"] == {"GPL-3.0-only": 1, "MIT": 1}
    text = harness.lyceum("tune", MODEL, "--data", code, "--plan", *SETTINGS, env=env).stdout
    for line in ("settings.py:2: random-secret-assignment", "main.py stays for main_copy.py", "vendor_part.py: GPL-3.0-only", "[["):
        assert line in text, text
    assert drawn(24) not in text and drawn(36) not in text


def test_allow_secrets_learns_them_and_says_so(env, code):
    text = harness.lyceum("tune", MODEL, "--data", code, "--plan", "--allow-secrets", *SETTINGS, env=env).stdout
    assert "LEARNED" in text
    report = json.loads(harness.lyceum("tune", MODEL, "--data", code, "--plan", "--json", "--allow-secrets", "--set", "near_duplicate_threshold=0", *SETTINGS, env=env).stdout)
    assert report["files_kept"] == 5 and report["secrets"]["left_out"] is False


def test_record_holds_the_counts_but_no_path_and_reproduces(env, code):
    tuned = json.loads(harness.lyceum("tune", MODEL, "--data", code, "--json", *SETTINGS, env=env).stdout)
    output = pathlib.Path(tuned["run_folder"]) / "output"
    record = json.loads((output / "lineage.json").read_text())
    assert record["data"]["secrets"] == {"rules_version": 1, "findings": 2, "places": 2, "left_out": True}
    assert record["data"]["near_duplicates"]["files_left_out"] == 1
    published = "".join((output / name).read_text() for name in ("lineage.json", "README.md", "recipe.json"))
    assert "settings.py" not in published and str(code) not in published
    again = json.loads(harness.lyceum("reproduce", output, "--data", code, "--base", MODEL, "--json", env=env).stdout)
    assert again["reproduced"] is True, again


def test_records_of_before_these_rules_keep_their_data(env, code, tmp_path):
    """A record without the keys was made when nothing was left out: its data must be found again as it was."""
    tuned = json.loads(harness.lyceum("tune", MODEL, "--data", code, "--json", "--allow-secrets", "--set", "near_duplicate_threshold=0", *SETTINGS, env=env).stdout)
    output = pathlib.Path(tuned["run_folder"]) / "output"
    record = json.loads((output / "lineage.json").read_text())
    for key in ("allow_secrets", "near_duplicate_threshold"):
        del record["recipe"][key]
    (output / "lineage.json").write_text(json.dumps(record))
    again = json.loads(harness.lyceum("reproduce", output, "--data", code, "--base", MODEL, "--json", env=env).stdout)
    assert again["reproduced"] is True, again
