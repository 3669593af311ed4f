"""Memory of a front end that has started."""

import subprocess
import sys

_STREAMS = """
import gc
from speech_service.app.main import settle_memory

settle_memory()
before = len(gc.get_objects())
for _ in range(16):
    streams = [[[] for _ in range(100)] for _ in range(1_500)]
    for stream in streams:
        stream.append(stream)  # a cycle
    del stream, streams
print(len(gc.get_objects()) - before)
"""


def test_what_streams_leave_in_cycles_is_collected_before_it_is_much() -> None:
    """Sixteen times 1,500 are open at once, and gone at once."""
    done = subprocess.run(
        [sys.executable, "-c", _STREAMS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 2 * 1_500 * 101 + 100_000
