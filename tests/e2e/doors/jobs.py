"""What a file of jobs is written with: @job("…") on functions, report() last. usage of such a file: FILE URL KEY; prints one JSON object."""
import json
import sys
import traceback

URL, KEY = sys.argv[1:3]
SCRIPTED, CODER, LAST_WORDS = "admin/scripted", "lyceum/stdlib-coder-3m", "The file is written."
PARAMETERS = {"type": "object", "properties": {"file_path": {"type": "string"}, "content": {"type": "string"}}, "required": ["file_path", "content"], "additionalProperties": False}
seen = {}


def job(name):
    def run(work):
        try:
            work()
            seen[name] = True
        except Exception:
            seen[name] = traceback.format_exc()[-1500:]
    return run


def report():
    print(json.dumps(seen))


def check_arguments(value):
    assert list(value) == ["file_path", "content"] and value["file_path"].endswith("hello.txt") and value["content"] == "hello\n", value
