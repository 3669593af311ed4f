"""Load generator in a process of its own: N streams of 100 ms chunks in real time, a connection each.

``python -m benchmarks.load_streams TARGET STREAMS SECONDS PCM`` prints ``started`` when every stream has begun, and one
JSON line when all have ended. It is apart from the process that measures, so that its work does not delay the clock.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from benchmarks import client
from benchmarks.client import Settings
from benchmarks.corpus import BYTES_PER_S
from benchmarks.stats import percentiles

RAMP_S = 5.0


async def play(target: str, streams: int, seconds: float, pcm: bytes) -> None:
    """Hold the streams; each begins at another place of ``pcm`` and at another phase of the chunk interval."""
    settings, epoch = Settings(timeout_s=20), time.perf_counter() + 0.5
    length = int(seconds * BYTES_PER_S) // 2 * 2
    source = pcm * (2 + length // len(pcm))
    async with client.connect_many(target, streams) as stubs, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                client.stream(
                    stub,
                    str(number),
                    _piece(source, number * len(pcm) // streams, length),
                    settings,
                    epoch + RAMP_S * number / streams,
                )
            )
            for number, stub in enumerate(stubs)
        ]
        await asyncio.sleep(epoch + RAMP_S + 0.5 - time.perf_counter())
        sys.stdout.write("started\n")
        sys.stdout.flush()
    sessions = [task.result() for task in tasks]
    report = {
        "chunks": sum(len(session.send_lags) for session in sessions),
        "send_lag_ms": percentiles([lag * 1000 for s in sessions for lag in s.send_lags]),
        "results": sum(len(session.results) for session in sessions),
        "errors": [session.error or "no session_ended" for session in sessions if session.failed],
        "client_cpu_s": time.process_time(),
    }
    sys.stdout.write(json.dumps(report) + "\n")


def _piece(source: bytes, start: int, length: int) -> bytes:
    start = start // 2 * 2
    return source[start : start + length]


if __name__ == "__main__":
    _target, _streams, _seconds, _pcm = sys.argv[1:]
    asyncio.run(play(_target, int(_streams), float(_seconds), Path(_pcm).read_bytes()))
