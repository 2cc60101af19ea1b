"""What a template lets go of comes back when it is needed."""

import json
import subprocess
import sys

PROGRAM = """
import ctypes, hashlib, json, sqlite3, ssl
from salvia_container.launch import kernel

def mapped():
    rollup = dict(line.split(":", 1) for line in kernel.read_text("/proc/self/smaps_rollup").splitlines()[1:])
    return int(rollup["Rss"].split()[0]) - int(rollup["Anonymous"].split()[0])

before = mapped()
kernel.let_go_of_code()
after = mapped()
ssl.create_default_context()
print(json.dumps([before, after, hashlib.sha256(b"x").hexdigest(), sqlite3.connect(":memory:").execute("select 1 + 1").fetchone()]))
"""


def test_a_process_without_the_code_that_it_has_run_is_smaller_and_as_good() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    before, after, digest, row = json.loads(told)

    assert after < before / 2
    assert (digest[:8], row) == ("2d711642", [2])
