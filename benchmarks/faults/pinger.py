"""A process that asks for a server's health again and again, and tells how long it waited: ``pinger TARGET``.

It is a process of its own, so that what keeps a client busy keeps no ping waiting. It pings until its standard input
ends, waits for the ping that is on its way, and writes one line of JSON: how many pings it made, and the longest wait.
"""

import json
import subprocess
import sys
import threading
import time
from types import TracebackType

import grpc

from benchmarks.harness import program

GIVE_UP_S = 60.0
"""A ping without an answer ends then, and counts as this long."""
_PAUSE_S = 0.01


class Pinger:
    """``with Pinger(target) as pinger: ...``; afterwards ``longest_s`` is the longest wait for an answer."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.longest_s = 0.0
        self.pings = 0

    def __enter__(self) -> "Pinger":
        self._process = subprocess.Popen(
            program("benchmarks.faults.pinger", self._target),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # the first ping was answered: it is connected
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        told, _ = self._process.communicate(timeout=2 * GIVE_UP_S)
        if kind is None:
            told_all = json.loads(told)
            self.longest_s, self.pings = told_all["longest_s"], told_all["pings"]


def main() -> None:
    """Ping until standard input ends."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    longest_s, pings = 0.0, 0
    with grpc.insecure_channel(sys.argv[1]) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")  # bytes in, bytes out
        check(b"", timeout=GIVE_UP_S, wait_for_ready=True)
        print("connected", flush=True)
        while not ended.wait(_PAUSE_S):
            begin_s = time.perf_counter()
            try:
                check(b"", timeout=GIVE_UP_S)
            except grpc.RpcError:
                longest_s = max(longest_s, GIVE_UP_S)
            longest_s, pings = max(longest_s, time.perf_counter() - begin_s), pings + 1
    print(json.dumps({"longest_s": longest_s, "pings": pings}))


if __name__ == "__main__":
    main()
