"""A conversation in a terminal: editing, history, commands, Ctrl-C. And `lyceum run` in a pipe."""
import json
import os
import pty
import select
import signal
import stat
import time

import harness

MODEL = str(harness.ROOT / "starter/model")


class Terminal:
    def __init__(self, *arguments, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(LYCEUM_HOME=str(home / "lyceum"), TERM="xterm")
            os.execv(harness.BIN, [str(harness.BIN), *arguments])
        self.shown = ""

    def wait_for(self, text, seconds=60):
        """What was shown up to and with `text`, which must come."""
        end = time.time() + seconds
        while text not in self.shown:
            assert time.time() < end, f"no {text!r} in {self.shown!r}"
            if select.select([self.fd], [], [], 0.5)[0]:
                try:
                    self.shown += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:   # the program has ended
                    assert text in self.shown, self.shown
        at = self.shown.index(text) + len(text)
        found, self.shown = self.shown[:at], self.shown[at:]
        return found

    def type(self, keys):
        os.write(self.fd, keys)

    def end(self):
        """Ctrl-D at the prompt: the exit status. Typed again while the program is not reading yet, when the terminal may drop it."""
        deadline = time.time() + 30
        while time.time() < deadline:
            try:
                self.type(b"\x04")
                if select.select([self.fd], [], [], 0.2)[0]:
                    os.read(self.fd, 65536)
            except OSError:   # it has gone
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("Ctrl-D did not end it: " + self.shown)


def test_a_conversation_in_a_terminal(tmp_path):
    (tmp_path / "notes.txt").write_text("the word is heliotrope")
    terminal = Terminal("run", MODEL, "--max-tokens", "12", "--temperature", "0", home=tmp_path)
    terminal.wait_for("Ctrl-D leaves.")
    terminal.type(b"def first():\r")
    first = terminal.wait_for("prompt of ")
    assert " tokens, the first after" in first or "a second, the first after" in first
    terminal.wait_for("> ")
    terminal.type(b"half a line\x03")
    terminal.wait_for("> ")
    terminal.type(b"/new\r")
    terminal.wait_for("> ")
    terminal.type(b"\x1b[A\x1b[A\r")   # up, up: the first message again
    assert terminal.wait_for("prompt of ").count("def first():") >= 1
    terminal.wait_for("> ")
    terminal.type(b"/file " + str(tmp_path / "notes.txt").encode() + b"\r")
    terminal.wait_for("comes with your next message")
    terminal.type(b"/file /nowhere\r")
    terminal.wait_for("/nowhere")
    terminal.type(b'"""\r')
    terminal.wait_for(". ")
    terminal.type(b'two\rlines"""\r')
    terminal.wait_for("prompt of ")
    terminal.type(b"/again\r")
    terminal.wait_for("prompt of ")
    terminal.type(b"/help\r")
    terminal.wait_for("take back the last message")
    assert terminal.end() == 0
    history = tmp_path / "lyceum/history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600 and "half" not in history.read_text()


def test_a_message_too_many_does_not_end_it(tmp_path):
    terminal = Terminal("run", MODEL, "--max-tokens", "5", home=tmp_path)
    terminal.wait_for("Ctrl-D leaves.")
    (tmp_path / "long.py").write_text("x = 1\n" * 2000)
    terminal.type(b"/file " + str(tmp_path / "long.py").encode() + b"\r")
    terminal.wait_for("next message")
    terminal.type(b"what is it?\r")
    terminal.wait_for("this model's context is 1024")
    terminal.type(b"hello\r")
    terminal.wait_for("prompt of ")
    assert terminal.end() == 0


def test_json_tells_tokens_and_times():
    told = json.loads(harness.run([harness.BIN, "run", MODEL, "import os", "--complete", "--max-tokens", "8", "--json"]).stdout)
    assert told["tokens"] == 8 and told["prompt_tokens"] > 0 and 0 < told["first_token_s"] <= told["seconds"]
    shown = harness.run([harness.BIN, "run", MODEL, "import os", "--complete", "--max-tokens", "8", "--speed"])
    assert "8 tokens" in shown.stderr
