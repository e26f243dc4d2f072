"""lm-evaluation-harness, `local-completions`: a multiple-choice task and a generation task of ours, prompts as token ids, the tokenizer loaded from the hub.
HF_ENDPOINT must be URL."""
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from jobs import CODER, KEY, URL, job, report

QUESTIONS = [("for i in ", ["range(", "banana("]), ("import ", ["os\n", "zq\n"]), ("def read_lines(path):\n    with open(", ["path", "zebra"]), ("if __name__ == ", ["'__main__'", "'__azure__'"]),
             ("try:\n    pass\nexcept ", ["ValueError", "Quokka"]), ("class A:\n    def __init__(", ["self", "else"]), ("return None if x is ", ["None", "yield"]), ("while ", ["True:", "import:"])]
TASK = {"choice": "output_type: multiple_choice\ndoc_to_choice: \"{{choices}}\"\ndoc_to_target: gold\nmetric_list: [{metric: acc}]\n",
        "text": "output_type: generate_until\ndoc_to_target: \"{{choices[0]}}\"\ngeneration_kwargs: {until: [\"\\n\"], max_gen_toks: 8, temperature: 0}\nmetric_list: [{metric: exact_match}]\n"}


def run_harness(folder):
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps({"query": query, "choices": choices, "gold": 0}) + "\n" for query, choices in QUESTIONS))
    for name, rest in TASK.items():
        (folder / f"{name}.yaml").write_text(f"task: ours_{name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}}}}}\ntest_split: test\ndoc_to_text: \"{{{{query}}}}\"\ntarget_delimiter: \"\"\n{rest}")
    arguments = f"model={CODER},base_url={URL}/v1/completions,tokenizer={CODER},tokenizer_backend=huggingface,tokenized_requests=True,num_concurrent=2,max_retries=1,max_length=256"
    command = [sys.executable, "-m", "lm_eval", "--model", "local-completions", "--model_args", arguments, "--tasks", "ours_choice,ours_text", "--batch_size", "4", "--include_path", str(folder), "--output_path", str(folder / "out"), "--log_samples"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, result.stderr[-1500:]
    return folder / "out"


def read(out, pattern):
    return next(pathlib.Path(out).rglob(pattern)).read_text()


def score(text):
    """Log-probabilities of a text's tokens, by another address of the server."""
    request = urllib.request.Request(URL + "/api/lyceum/score", json.dumps({"model": CODER, "text": text}).encode(), {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(request, timeout=60).read())


with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    outputs = []

    @job("both tasks run, with token ids, echo and logprobs")
    def _():
        outputs.append(run_harness(folder))
        results = json.loads(read(outputs[0], "results_*.json"))["results"]
        assert 0.5 < results["ours_choice"]["acc,none"] <= 1, results
        assert "exact_match,none" in results["ours_text"], results

    @job("its log-likelihoods are the server's own")
    def _():
        compared = 0
        for line in read(outputs[0], "samples_ours_choice_*.jsonl").splitlines():
            sample = json.loads(line)
            for choice, (given, _) in zip(sample["doc"]["choices"], [pair[0] if isinstance(pair[0], list) else pair for pair in sample["resps"]]):
                query = sample["doc"]["query"]
                before, whole = score(query.rstrip(" ")), score(query + choice)   # spaces go with what follows, as the harness has it
                if whole["tokens"][:len(before["tokens"])] != before["tokens"]:
                    continue   # the border is inside a token: the harness cuts elsewhere
                assert abs(sum(whole["logprobs"][len(before["logprobs"]):]) - float(given)) < 1e-3, (choice, given)
                compared += 1
        assert compared >= 8, compared
report()
