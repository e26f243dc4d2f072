"""Large files through Xet with the real client: deduplication counted on the wire, ranges, one copy at rest."""
import os
import subprocess
import sys

import harness


def test_xet_round_trip():
    environment = dict(os.environ, LYCEUM_BIN=str(harness.BIN))
    result = subprocess.run([sys.executable, harness.ROOT / "tests/e2e/xet_roundtrip.py"], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    print(result.stdout)
    assert result.returncode == 0, result.stdout
