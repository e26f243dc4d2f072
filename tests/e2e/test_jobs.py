"""Jobs on the hub: a tuning asked for by huggingface_hub, by `hf jobs` and in the browser; hubs and jobs that are killed; a full queue."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

import harness

HERE = pathlib.Path(__file__).resolve().parent
BASE = "lyceum/stdlib-coder-3m"


@pytest.fixture(scope="module")
def own():
    """A hub of its own, with the starter model: it is stopped and killed."""
    folder = harness.temporary_folder()
    with harness.Server(folder / "data", starter=harness.ROOT / "starter",
                        extra=["--jobs-queue-max", "2", "--jobs-checkpoint-seconds", "1", "--jobs-threads", "1"]) as server:
        server.home = folder / "home"
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def client(own):
    from huggingface_hub import HfApi
    api = HfApi(endpoint=own.url, token=own.token)
    api.create_repo("admin/code", repo_type="dataset", private=True)
    files = {f"part_{i}.py": "".join(f"def step_{i}_{k}(value, rest):\n    total = value * {i + k}\n    return total + rest\n\n\n" for k in range(8)) for i in range(10)}
    from huggingface_hub import CommitOperationAdd
    api.create_commit("admin/code", [CommitOperationAdd(name, text.encode()) for name, text in files.items()], commit_message="Code", repo_type="dataset")
    return api


def command(to, *settings):
    words = ["lyceum", "tune", BASE, "--data", "datasets/admin/code", "--to", to]
    for setting in ("seq_len=128", "near_duplicate_threshold=0", *settings):
        words += ["--set", setting]
    return words


def ask(own, method, path, body=None):
    answer = harness.ask(own.url, method, "/api/lyceum/jobs" + path, body, own.token)
    return answer.json()


def job_of(own, job):
    return ask(own, "GET", f"/admin/{job}")


def wait_for_state(own, job, *states, seconds=90):
    return harness.wait_for(lambda: (found := job_of(own, job))["state"] in states and found, seconds, f"the job is one of {states}")


def wait_for_step(own, job, step):
    return harness.wait_for(lambda: (found := job_of(own, job))["state"] == "running" and found["progress"].get("phase") == "train" and found["progress"].get("step", 0) >= step and found, 90, f"step {step}")


def test_huggingface_hub_runs_follows_and_finds_the_result(own, client):
    job = client.run_job(image="lyceum", command=command("tuned", "max_steps=4"), namespace="admin", labels={"env": "test"})
    assert job.owner.name == "admin" and job.url.endswith(f"/jobs/admin/{job.id}")
    lines = list(client.fetch_job_logs(job_id=job.id, namespace="admin", follow=True))
    assert any("admin/tuned" in line for line in lines), lines
    done = client.wait_for_job(job.id, namespace="admin", timeout=60)
    assert done.status.stage == "COMPLETED" and done.durations.running_secs is not None
    info = client.model_info("admin/tuned")
    assert info.private and {"adapter_config.json", "adapter_model.safetensors", "lineage.json", "README.md"} <= {s.rfilename for s in info.siblings}
    lineage = json.loads(pathlib.Path(client.hf_hub_download("admin/tuned", "lineage.json")).read_text())
    assert lineage["data"]["repo"] == "admin/code" and lineage["data"]["commit"] == client.dataset_info("admin/code").sha
    assert [one.id for one in client.list_jobs(namespace="admin", labels={"env": "test"}, status="COMPLETED")] == [job.id]
    assert next(iter(client.fetch_job_metrics(job_id=job.id, namespace="admin")), None) is None, "over: no metrics"
    # The loop's end: it answers at once.
    answer = harness.ask(own.url, "POST", "/v1/completions", {"model": "admin/tuned", "prompt": "def step_1", "max_tokens": 4}, own.token)
    assert answer.status == 200, answer.body
    shown = job_of(own, job.id)
    assert len(shown["curve"]) == 4 and shown["result"]["repo"] == "admin/tuned"
    run = own.data / "jobs" / job.id
    assert not (run / "data").exists() and not list(run.glob("checkpoint-*"))


def test_the_command_line_client(own, client):
    hf = lambda *words, check=True: harness.run(["hf", "jobs", *words], env=own.environment(own.home), check=check, timeout=120)
    assert "cpu-basic" in hf("hardware").stdout
    started = hf("run", "--detach", "--name", "by-hand", "lyceum", "--", *command("by-hand", "max_steps=5000"))
    job = json.loads(hf("ps", "--format", "json").stdout)[0]
    assert job["id"] in started.stdout + started.stderr
    wait_for_step(own, job["id"], 1)
    assert "RUNNING" in hf("inspect", "--format", "json", job["id"]).stdout
    assert "the job begins" in hf("logs", job["id"]).stdout
    assert next(iter(client.fetch_job_metrics(job_id=job["id"], namespace="admin")))["memory_used_bytes"] > 1 << 20
    hf("cancel", job["id"])
    assert wait_for_state(own, job["id"], "stopped")["message"].startswith("stopped after step")
    hf("labels", job["id"], "--label", "kept=yes")
    assert client.inspect_job(job_id=job["id"], namespace="admin").labels["kept"] == "yes"


def test_refuses_by_name_what_it_cannot_run(own, client):
    from huggingface_hub.errors import HfHubHTTPError
    for more, words in (({"image": "python:3.12", "command": ["python"]}, "python:3.12"),
                        ({"image": "lyceum", "command": command("x"), "flavor": "a10g-small"}, "a10g-small"),
                        ({"image": "lyceum", "command": command("x"), "secrets": {"A": "b"}}, "secrets"),
                        ({"image": "lyceum", "command": command("x", "learningrate=1")}, "learning_rate"),
                        ({"image": "lyceum", "command": command("x", "micro_batch_size=100000", "seq_len=1024")}, "too much"),
                        ({"image": "lyceum", "command": [*command("x"), "--public"]}, "must be private")):
        with pytest.raises(HfHubHTTPError) as refusal:
            client.run_job(namespace="admin", **more)
        assert words in str(refusal.value), (words, str(refusal.value))


def children(pid):
    return [int(word) for word in subprocess.run(["pgrep", "-P", str(pid), "-f", "job --supervised"], capture_output=True, text=True).stdout.split()]


def test_survives_restarts_kills_and_a_full_queue(own, client):
    job = client.run_job(image="lyceum", command=command("long", "max_steps=20000"), namespace="admin").id
    wait_for_step(own, job, 3)
    own.stop()
    own.start()
    before = wait_for_step(own, job, 3)
    assert any("going on after step" in line["text"] for line in ask(own, "GET", f"/admin/{job}/log"))
    assert [one[0] for one in before["curve"]] == sorted({one[0] for one in before["curve"]}), "no step twice"

    harness.wait_for(lambda: list((own.data / "jobs" / job).glob("checkpoint-*")), 30, "a checkpoint")
    own.kill()
    own.start()
    wait_for_step(own, job, before["progress"]["step"])

    waiting = [client.run_job(image="lyceum", command=command(f"later-{i}", "max_steps=2"), namespace="admin").id for i in range(2)]
    refused = harness.ask(own.url, "POST", "/api/lyceum/jobs/admin", {"base": BASE, "data": "datasets/admin/code", "to": "no"}, own.token)
    assert refused.status == 503 and "queue is full" in refused.json()["error"]
    assert "waits" in harness.wait_for(lambda: job_of(own, waiting[0])["message"], 10, "a reason to wait")

    for pid in harness.wait_for(lambda: children(own.process.pid), 10, "a job process"):
        os.kill(pid, signal.SIGKILL)
    failed = wait_for_state(own, job, "failed")
    assert "signal 9" in failed["message"] and "resume" in failed["message"]
    assert harness.ask(own.url, "GET", "/api/models", None, own.token).status == 200, "the hub goes on"
    wait_for_state(own, waiting[1], "done")
    ask(own, "POST", f"/admin/{job}/resume")
    wait_for_step(own, job, failed["progress"]["step"] - 1)
    client.cancel_job(job_id=job, namespace="admin")
    wait_for_state(own, job, "stopped")
    ask(own, "DELETE", f"/admin/{job}")
    assert not (own.data / "jobs" / job).exists()


def test_the_page_plans_trains_and_leads_to_the_result(own, client, tmp_path):
    shots = pathlib.Path(os.environ.get("LYCEUM_SHOTS", tmp_path))
    result = harness.run(["node", HERE / "jobs.mjs", own.url, own.token, BASE, "admin/code", shots], cwd=HERE, timeout=180)
    visit = json.loads(result.stdout)
    assert visit["errors"] == [] and visit["foreign"] == []
    assert "def step_" in visit["learned"], "the sample shows what is learned"
    assert visit["chart"].startswith("Loss ") and visit["rows"] > 1
    assert visit["result"] == "/admin/from-the-page" and visit["refusal"].find("learning_rate") > 0
    assert visit["overflow"] == []
    assert client.model_info("admin/from-the-page").private
