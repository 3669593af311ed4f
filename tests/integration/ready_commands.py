"""A process that has imported the command line, and forks for each command that it is told to run.

A command costs half a second of imports, and the tests run two hundred of them. What runs is the same ``main`` in a
process of its own, with its own environment, streams and exit; what ``python -m`` itself does has tests that start it.
"""

import gc
import json
import os
import signal
import socket
import sys

from speech_service.__main__ import main
from speech_service.cli import load_command
from speech_service.config.environment import silence_grpc

LOADED = (
    "recognize",
    "synthesize",
    "align",
    "translate",
    "voices",
    "languages",
    "models",
    "doctor",
)
STREAMS = 3


def serve(control: socket.socket) -> None:
    """Take orders: ``arguments``, ``environment`` and ``folder``; with each stdin, stdout, stderr and where to tell."""
    children: list[int] = []
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, 1 << 20, STREAMS + 1)
        if not order:
            break
        if not (child := os.fork()):
            control.close()
            _run_and_tell(order, descriptors)
        for each in descriptors:
            os.close(each)
        children = [*(each for each in children if os.waitpid(each, os.WNOHANG) == (0, 0)), child]
    for each in children:
        os.waitpid(each, 0)


def _run_and_tell(order: bytes, descriptors: list[int]) -> None:
    """Run the command in a child; tell its exit code, negative the signal that ended it."""
    *streams, told = descriptors
    if not (command := os.fork()):
        os.close(told)
        for number, each in enumerate(streams):
            os.dup2(each, number)
            os.close(each)
        sys.exit(_run(json.loads(order)))
    for each in streams:
        os.close(each)
    _, status = os.waitpid(command, 0)
    os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(order: dict[str, object]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(str(order["folder"]))
    os.environ.clear()
    os.environ.update(order["environment"])  # pyright: ignore[reportCallIssue, reportArgumentType] - strings, as sent
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.argv[1:] = order["arguments"]  # pyright: ignore[reportCallIssue, reportArgumentType] - strings, as sent
    return main()


if __name__ == "__main__":
    silence_grpc()
    for name in LOADED:
        load_command(name)
    gc.freeze()  # so that no collection of a child touches, and copies, what all share
    serve(socket.socket(fileno=int(sys.argv[1])))
