"""`lyceum tune` on private code: the plan a person reads, what is left out, and that a record repeats it."""
import hashlib
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


def house_style(number, names):
    """A file in a style of its own that a model can only know from the code base."""
    lines = [f"def ledger_{name}_{number}(vault, tally):\n    vault.post_entry(tally, kind='{name}')\n    return vault.settle(tally)\n\n\n" for name in names]
    return "".join(lines)


@pytest.fixture(scope="module")
def study(env, tmp_path_factory):
    """The past and the future of a code base, an adapter of its past, and a placebo that learned something else."""
    folder = tmp_path_factory.mktemp("study")
    past, future, other = folder / "past", folder / "future", folder / "other"
    for place in (past, future, other):
        place.mkdir()
    for i in range(6):
        text = house_style(i, ["rent", "wage", "toll", "levy", "fine"])
        (past / f"part{i}.py").write_text(text)
        (future / f"part{i}.py").write_text(text + house_style(i + 50, ["gift", "loan", "dues"]))
        (other / f"part{i}.py").write_text("".join(f"class Shape{i}{k}:\n    corners = {k}\n\n    def area(self):\n        return self.corners * {i}\n\n\n" for k in range(8)))
    settings = ["--set", "seq_len=128", "--set", "lora_r=4", "--set", "learning_rate=4e-3", "--set", "near_duplicate_threshold=0"]

    def tune(data, steps):
        out = harness.lyceum("tune", MODEL, "--data", data, "--json", *settings, "--set", f"max_steps={steps}", env=env)
        return pathlib.Path(json.loads(out.stdout)["run_folder"]) / "output"
    return {"past": past, "future": future, "adapter": tune(past, 24), "placebo": tune(other, 24), "longer": tune(other, 25), "folder": folder}


def compare_study(env, study, *more, check=True):
    return harness.run([harness.BIN, "compare", MODEL, "--adapter", study["adapter"], "--data", study["past"], "--study", study["folder"] / "out", "--items", "4", "--window", "160",
                        "--json", *map(str, more)], env=env, check=check)


def test_study_measures_six_arms_on_what_is_new(env, study):
    report = json.loads(compare_study(env, study, "--future", study["future"], "--placebo", study["placebo"], "--generic", study["past"]).stdout)
    assert [arm["key"] for arm in report["arms"]] == ["base", "base_retrieval", "placebo", "placebo_retrieval", "adapter", "adapter_retrieval"]
    assert report["measured_on"]["files"] == 6 and report["measured_on"]["new_lines"] == 6 * 3 * 3
    metrics = {metric["key"]: metric for metric in report["metrics"]}
    assert set(metrics) >= {"bits_per_byte_new", "exact_line", "similarity_block", "similarity_function", "identifier_f1", "stop_rate", "bits_per_byte_generic"}
    bits = {arm["arm"]: arm for arm in metrics["bits_per_byte_new"]["arms"]}
    assert bits["adapter"]["interval_95"][1] < 0, bits
    assert bits["base"]["difference"] == 0
    against_placebo = [c for c in metrics["bits_per_byte_new"]["contrasts"] if (c["from"], c["to"]) == ("placebo", "adapter")]
    assert against_placebo[0]["interval_95"][1] < 0, against_placebo
    # What retrieval shows is the past's own style, which a base that never saw it can copy.
    assert bits["base_retrieval"]["difference"] < 0
    out = study["folder"] / "out"
    assert json.loads((out / "study.json").read_text()) == report
    page = (out / "study.html").read_text()
    assert "adapter against the placebo adapter" in page and "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert str(study["folder"]) not in page
    # huggingface_hub reads the results from the card that the study wrote.
    from huggingface_hub import ModelCard
    card = ModelCard.load(out / "README.md")
    results = {result.metric_type: result for result in card.data.eval_results}
    recorded = results["bits_per_byte_new"]
    assert recorded.metric_value == pytest.approx(bits["adapter"]["value"], abs=1e-6) and recorded.metric_args["interval_95"] == pytest.approx(bits["adapter"]["interval_95"], abs=1e-6)
    assert results["provenance"].metric_value == hashlib.sha256((out / "study.json").read_bytes()).hexdigest()
    assert card.data.base_model is None and "lora" in card.data.tags and card.text.strip().startswith("# LoRA adapter")
    assert report["options"]["fim_order"] == "suffix_first", "what the starter model records"
    assert len((out / "answers.jsonl").read_text().splitlines()) == sum(metrics[f"exact_{kind}"]["items"] for kind in ("rest_of_line", "line", "block", "function"))


def test_study_repeats_to_the_byte(env, study):
    reports = [json.loads(compare_study(env, study, "--future", study["future"], "--threads", threads).stdout) for threads in (1, 2)]
    assert reports[0]["metrics"] == reports[1]["metrics"]


@pytest.mark.parametrize("more, message", [
    (["--future", "future", "--placebo", "longer"], "they differ in steps (24 and 25"),
    (["--future", "future", "--placebo", "adapter"], "trained on the adapter's own data"),
    (["--future", "past"], "no line is new"),
    ([], "nothing fair to measure on"),
])
def test_study_refuses_what_would_prove_nothing(env, study, more, message):
    result = compare_study(env, study, *[study.get(word, word) for word in more], check=False)
    assert result.returncode != 0 and message in result.stderr, result.stderr
