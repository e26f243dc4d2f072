"""The whole loop, as `./dev loop` runs it, must close."""
import subprocess
import sys

import harness
import pytest


@pytest.mark.slow
def test_the_loop_closes():
    result = subprocess.run([sys.executable, harness.ROOT / "tests/e2e/loop.py"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
    print(result.stdout)
    assert result.returncode == 0, result.stdout
